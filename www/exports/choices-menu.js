// A button with a menu of files to save. It opens by click or keyboard, the arrow keys move within it, and Escape closes it
// and returns the focus to the button.

import { h } from '../dom.js';
import { newId } from '../svg.js';

/** @typedef {{ format: string, name: string, note: string }} FileChoice */

/**
 * @param {object} options
 * @param {string} options.text the button's text
 * @param {string} options.label accessible name: what is saved
 * @param {string} options.buttonClass
 * @param {string} options.menuClass
 * @param {string} [options.buttonId]
 * @param {FileChoice[]} options.choices
 * @param {number} options.width of the menu, in pixels, as in the style sheet
 * @param {(format: string) => void} options.onChoose
 */
export function choicesMenu({ text, label, buttonClass, menuClass, buttonId, choices, width, onChoose }) {
  const id = newId('save');
  const menu = h('div', { class: `menu ${menuClass}`, id, popover: 'auto', role: 'menu', 'aria-label': label },
    ...choices.map(({ format, name, note }) => h('button', {
      type: 'button', class: 'menu-main', role: 'menuitem', data: { format },
      on: { click: () => {
        menu.hidePopover();
        onChoose(format);
      } },
    }, h('span', { class: 'menu-name' }, name), h('span', { class: 'menu-note' }, note))));
  const button = h('button', { type: 'button', class: buttonClass, id: buttonId, popovertarget: id, 'aria-label': text === label ? null : label }, text);
  menu.addEventListener('beforetoggle', () => {
    const box = button.getBoundingClientRect();
    menu.style.setProperty('--menu-top', `${Math.max(8, Math.min(box.bottom + 4, innerHeight - 20 - 57 * choices.length))}px`);
    menu.style.setProperty('--menu-left', `${Math.max(8, Math.min(box.right - width, innerWidth - width - 8))}px`);
  });
  menu.addEventListener('toggle', (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === 'open') menu.querySelector('button')?.focus();
  });
  menu.addEventListener('keydown', (event) => {
    const items = [...menu.querySelectorAll('button')];
    const at = items.findIndex((item) => item === document.activeElement);
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 };
    const next = moves[event.key];
    if (next === undefined) return;
    items[next % items.length].focus();
    event.preventDefault();
  });
  return { button, menu };
}
