// Shared behaviour of the page's text fields: they grow with their text, and Enter runs.

import { whenResized } from './dom.js';
import { env } from './env.js';

/** Fits a text area to its text, now, on input and when its width changes. @param {HTMLTextAreaElement} area */
export function growWithText(area) {
  // Elsewhere the style sheet does it.
  if (env.growsFields) return;
  const fit = () => {
    area.style.setProperty('height', 'auto');
    area.style.setProperty('height', `${area.scrollHeight + 2}px`);
  };
  if (!area.dataset.grows) {
    area.dataset.grows = 'yes';
    area.addEventListener('input', fit);
    whenResized(area, fit);
  }
  requestAnimationFrame(fit);
}

/**
 * Makes Enter act instead of starting a new line: line breaks in prompts are rare, and stray ones hard to notice, so they
 * need Shift.
 *
 * @param {HTMLElement} field
 * @param {() => void} act
 */
export function actOnEnter(field, act) {
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    act();
  });
}
