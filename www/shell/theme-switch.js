// Light or dark: the system's preference, until the visitor chooses. theme.js applies a stored choice before the
// first paint.

import { byId, icon } from '../dom.js';

export function startThemeSwitch() {
  const button = byId('theme', HTMLButtonElement);
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const draw = () => {
    const label = isDark() ? 'Switch to light' : 'Switch to dark';
    button.replaceChildren(icon(isDark() ? 'sun' : 'moon'));
    button.setAttribute('aria-label', label);
    button.dataset.tip = label;
  };
  button.addEventListener('click', () => {
    const theme = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem('patchlab.theme', theme);
    } catch {
      // Storage is disabled: the choice lasts for this visit.
    }
    draw();
  });
  system.addEventListener('change', draw);
  draw();
}
