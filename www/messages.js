// Short messages: a toast on the screen, and the live region for screen readers.

import { byId, h } from './dom.js';

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * @param {string} text
 * @param {{ label: string, click: () => void }} [action]
 */
export function toast(text, action) {
  const box = byId('toast', HTMLElement);
  clearTimeout(timer);
  const hide = () => {
    box.hidden = true;
  };
  box.replaceChildren(h('span', {}, text));
  if (action) {
    box.append(h('button', { type: 'button', class: 'link', on: { click: () => { hide(); action.click(); } } }, action.label));
  }
  box.hidden = false;
  timer = setTimeout(hide, 8000);
  say(text);
}

/** @param {string} text */
export function say(text) {
  byId('status', HTMLElement).textContent = text;
}
