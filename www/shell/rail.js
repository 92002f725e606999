// Fits the rail to the window, below the header and the visible part of the model strip.

import { byId, whenResized } from '../dom.js';

export function fitRail() {
  const rail = byId('rail', HTMLElement);
  const opening = byId('opening', HTMLElement);
  let due = false;
  let last = '';
  const fit = () => {
    due = false;
    const height = `${Math.max(0, Math.round(opening.getBoundingClientRect().bottom))}px`;
    if (height !== last) rail.style.setProperty('--above', (last = height));
  };
  const soon = () => {
    if (due) return;
    due = true;
    requestAnimationFrame(fit);
  };
  addEventListener('scroll', soon, { passive: true });
  addEventListener('resize', soon);
  whenResized(opening, fit);
  fit();
}
