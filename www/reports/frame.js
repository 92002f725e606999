// The frame of every picture: title, how to read it, controls, and the menu that saves it.

import { h } from '../dom.js';

/** @import { Child } from '../dom.js' */
/** @import { Part } from '../types/engine.js' */
/** @import { Stage } from './stage.js' */

/**
 * @param {Part} part
 * @param {Stage} stage
 * @param {{ caption?: boolean, controls?: Child[] }} options `caption`: whether to show the title; false where it is shown elsewhere
 * @param {...Child} body
 * @returns {HTMLElement}
 */
export function frame(part, stage, { caption = true, controls = [] }, ...body) {
  const note = 'note' in part && part.note;
  const figure = h(
    'figure',
    { class: `part part-${part.kind}`, data: { title: part.title } },
    h('figcaption', { class: 'part-head' }, h('span', { class: caption ? 'part-title' : 'visually-hidden' }, part.title)),
    note && h('p', { class: 'note' }, note),
    controls.some(Boolean) && h('div', { class: 'controls', data: { screen: true } }, ...controls),
    ...body,
  );
  if (stage.menu) figure.querySelector('.part-head')?.append(stage.menu(figure, part));
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
 * @returns {HTMLElement & { show: (value: T) => void }} `show` presses the button of a value that was chosen elsewhere
 */
export function segmented(name, options, chosen, choose) {
  const buttons = options.map(({ value, text, tip }) => h('button', { type: 'button', tip, on: { click: () => {
    show(value);
    choose(value);
  } } }, text));
  const show = (/** @type {T} */ value) => buttons.forEach((button, i) => button.setAttribute('aria-pressed', String(options[i].value === value)));
  show(chosen);
  return Object.assign(h('div', { class: 'segments segments-small', role: 'group', 'aria-label': name }, ...buttons), { show });
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
