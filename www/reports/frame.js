// The frame of every figure: title, how to read it, controls, and the save menu.

import { h } from '../dom.js';
import { saveMenu } from '../exports/menu.js';

/** @import { Child } from '../dom.js' */
/** @import { Part } from '../types/engine.js' */

/**
 * @param {Part} part
 * @param {{ caption?: boolean, controls?: Child[] }} options `caption`: whether to show the title; false where it is shown elsewhere
 * @param {...Child} body
 * @returns {HTMLElement}
 */
export function frame(part, { caption = true, controls = [] }, ...body) {
  const note = 'note' in part && part.note;
  const figure = h(
    'figure',
    { class: `part part-${part.kind}`, data: { title: part.title } },
    h('figcaption', { class: 'part-head' }, h('span', { class: caption ? 'part-title' : 'visually-hidden' }, part.title)),
    note && h('p', { class: 'note' }, note),
    controls.some(Boolean) && h('div', { class: 'controls', data: { screen: true } }, ...controls),
    ...body,
  );
  figure.querySelector('.part-head')?.append(saveMenu(figure, part));
  return figure;
}

/**
 * A segmented control: a row of buttons, one of them pressed.
 *
 * @template T
 * @param {string} name what is chosen
 * @param {{ value: T, text: string, tip?: string }[]} options
 * @param {T} chosen
 * @param {(value: T) => void} choose
 */
export function segmented(name, options, chosen, choose) {
  const buttons = options.map(({ value, text, tip }) =>
    h('button', {
      type: 'button', 'aria-pressed': String(value === chosen), tip,
      on: { click: () => {
        buttons.forEach((button, i) => button.setAttribute('aria-pressed', String(options[i].value === value)));
        choose(value);
      } },
    }, text));
  return h('div', { class: 'segments segments-small', role: 'group', 'aria-label': name }, ...buttons);
}

/**
 * A labelled drop-down.
 *
 * @param {string} name
 * @param {string[]} options
 * @param {number} chosen
 * @param {(index: number) => void} choose
 */
export function choice(name, options, chosen, choose) {
  const select = h('select', { on: { change: () => choose(select.selectedIndex) } },
    ...options.map((option, index) => h('option', { selected: index === chosen }, option)));
  return h('label', { class: 'choice' }, h('span', {}, name), select);
}
