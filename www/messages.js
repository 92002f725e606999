// Short messages: a toast on the screen, and the live region for screen readers.

import { h } from './dom.js';

const SHOWN_MS = 8000;

/** A button in a toast. @typedef {{ label: string, click: () => void }} ToastAction */

export class Messages {
  #box;
  #status;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} box the toast @param {HTMLElement} status the live region */
  constructor(box, status) {
    this.#box = box;
    this.#status = status;
    // It stays while one reads it or is about to use its button.
    for (const event of ['pointerenter', 'focusin']) box.addEventListener(event, () => clearTimeout(this.#timer));
    for (const event of ['pointerleave', 'focusout']) box.addEventListener(event, () => this.#start());
  }

  #start() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.#box.hidden = true; }, SHOWN_MS);
  }

  /** @param {string} text @param {ToastAction} [action] */
  toast(text, action) {
    const click = () => {
      this.#box.hidden = true;
      action?.click();
    };
    this.#box.replaceChildren(h('span', {}, text), ...(action ? [h('button', { type: 'button', class: 'link', on: { click } }, action.label)] : []));
    this.#box.hidden = false;
    this.#start();
    this.say(text);
  }

  /** @param {string} text */
  say(text) {
    // Emptied first: a live region tells only of changes.
    if (this.#status.textContent === text) this.#status.textContent = '';
    this.#status.textContent = text;
  }
}
