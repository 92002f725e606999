// Runs before the first paint, so that the page never flashes in the wrong theme. The rest is in shell/theme-switch.js.
{
  let theme = null;
  try {
    theme = localStorage.getItem('patchlab.theme');
  } catch {
    // Storage is disabled: follow the system's preference.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
