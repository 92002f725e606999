// Runs before the first paint, so that a chosen theme never flashes in the other one. The rest is in shell/theme-switch.js.
{
  let theme = null;
  try {
    theme = localStorage.getItem('patchlab.theme');
  } catch {
    // Storage is switched off: the system's preference holds.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
