// One head, enlarged, as in CircuitsVis: the prompt as text, coloured by what the token under the pointer attends to (or
// by what attends to it), and the full matrix.

import { textOn } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity, full } from '../../numbers.js';
import { hideTip, showTip } from '../../tip.js';
import { visible } from '../grid-view.js';
import { publish, subscribe } from '../link-hover.js';
import { roveOver } from '../rove.js';
import { visibleText } from '../token.js';
import { matrix } from './matrix.js';

/** @import { AttentionHead, AttentionPrompt, Quantity } from '../../types/engine.js' */
/** @import { View } from '../view.js' */
/** @import { Scale } from './matrix.js' */

/**
 * @param {AttentionPrompt} prompt
 * @param {AttentionHead} head
 * @param {Quantity} quantity
 * @param {Scale} scale
 * @param {View} view
 */
export function headView(prompt, head, quantity, scale, view) {
  const names = prompt.tokens.map((token, index) => `${visible(token.text)}_${index}`);
  const texts = prompt.tokens.map((token) => h('span', { class: 'attended-text' }, ...visibleText(token.text)));
  const numbers = prompt.tokens.map(() => h('span', { class: 'attended-number' }));
  const tokens = texts.map((text, index) => h('span', { class: 'attended', role: 'option', 'aria-selected': 'false' }, text, numbers[index]));
  const line = h('div', { class: 'attended-line', role: 'listbox', 'aria-orientation': 'horizontal', 'aria-label': `${head.name}, ${prompt.label}: tokens` }, ...tokens);
  const says = h('p', { class: 'panel-line', data: { hook: 'attention-says' } });
  const large = matrix(head.rows, names, scale, head.name);

  /** The selected token: pinned by a click, else the last one, where the next token is predicted. */
  const held = () => Math.min(view.token ?? (view.fromSource ? 0 : tokens.length - 1), tokens.length - 1);
  /** @param {number} destination @param {number} source */
  const weight = (destination, source) => head.rows[destination]?.[source] ?? null;

  /** @param {number} looked */
  const look = (looked) => {
    tokens.forEach((token, index) => {
      const value = view.fromSource ? weight(index, looked) : weight(looked, index);
      const colour = value === null ? '' : scale.colour(value);
      token.style.setProperty('background', colour || 'transparent');
      token.style.setProperty('color', colour ? textOn(colour) : 'var(--ink-soft)');
      token.classList.toggle('is-looked', index === looked);
      token.setAttribute('aria-selected', String(index === view.token));
      numbers[index].textContent = value === null ? '' : formatQuantity(value, quantity);
    });
    const row = prompt.tokens.map((_, index) => (view.fromSource ? weight(index, looked) : weight(looked, index)));
    const strongest = row.reduce((best, value, index) => (value !== null && (best < 0 || value > (row[best] ?? -Infinity)) ? index : best), -1);
    says.textContent = view.fromSource
      ? `${names[looked]} is attended to most by ${names[strongest]}: ${formatQuantity(row[strongest] ?? 0, quantity)}`
      : `${names[looked]} attends most to ${names[strongest]}: ${formatQuantity(row[strongest] ?? 0, quantity)}`;
    large.mark(looked, view.fromSource);
  };

  const leave = () => {
    publish(null);
    hideTip();
    look(held());
  };
  roveOver(line, [tokens], {
    onPoint: (_, index) => {
      publish({ position: index });
      look(index);
    },
    onLeave: leave,
    onClick: (_, index) => {
      view.token = view.token === index ? null : index;
      look(view.token ?? index);
    },
  });
  subscribe(line, (target) => tokens.forEach((token, index) => token.classList.toggle('is-marked', target?.position === index)));

  large.svg.addEventListener('pointermove', (event) => {
    const cell = large.cellAt(event);
    if (!cell) return leave();
    const [destination, source] = cell;
    publish({ layer: head.layer, head: head.head });
    look(view.fromSource ? source : destination);
    showTip(`${head.name}   ${prompt.label}\n${names[destination]} attends to ${names[source]}: ${full(head.rows[destination][source])}`, { getBoundingClientRect: () => large.boxOf(destination, source) });
  });
  large.svg.addEventListener('pointerleave', leave);
  large.svg.addEventListener('click', (event) => {
    const cell = large.cellAt(event);
    if (!cell) return;
    view.token = cell[view.fromSource ? 1 : 0];
    look(view.token);
  });
  look(held());
  return h('div', { class: 'head-view' }, h('div', { class: 'head-text' }, line, says), h('div', { class: 'panel-scroll' }, large.svg));
}
