// One head, enlarged, as in CircuitsVis: the prompt as text, coloured by what the token under the pointer attends to (or
// by what attends to it), and the full matrix.

import { textOn } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity, precise } from '../../numbers.js';
import { visible } from '../grid-view.js';
import { roveOver } from '../rove.js';
import { visibleText } from '../token.js';
import { matrix } from './matrix.js';

/** @import { AttentionHead, AttentionPrompt, Quantity } from '../../types/engine.js' */
/** @import { Picture, Stage } from '../stage.js' */
/** @import { Scale } from './matrix.js' */

/**
 * @param {AttentionPrompt} prompt
 * @param {AttentionHead} head
 * @param {Quantity} quantity
 * @param {Scale} scale
 * @param {Picture} picture
 * @param {Stage} stage
 */
export function headView(prompt, head, quantity, scale, picture, stage) {
  const names = prompt.tokens.map((token, index) => `${visible(token.text)}_${index}`);
  const texts = prompt.tokens.map((token) => h('span', { class: 'attended-text' }, ...visibleText(token.text)));
  const numbers = prompt.tokens.map(() => h('span', { class: 'attended-number' }));
  const tokens = texts.map((text, index) => h('span', { class: 'attended', role: 'option', 'aria-selected': 'false' }, text, numbers[index]));
  const line = h('div', { class: 'attended-line', role: 'listbox', 'aria-orientation': 'horizontal', 'aria-label': `${head.name}, ${prompt.label}: tokens` }, ...tokens);
  const says = h('p', { class: 'panel-line', data: { hook: 'attention-says' } });
  const large = matrix(head.rows, names, scale, head.name, stage.width);

  /** The selected token: pinned by a click, else the last one, where the next token is predicted. */
  const held = () => Math.min(picture.now.token ?? (picture.now.fromSource ? 0 : tokens.length - 1), tokens.length - 1);
  /** @param {number} destination @param {number} source */
  const weight = (destination, source) => head.rows[destination]?.[source] ?? null;

  /** @param {number} looked */
  const look = (looked) => {
    tokens.forEach((token, index) => {
      const value = picture.now.fromSource ? weight(index, looked) : weight(looked, index);
      const colour = value === null ? '' : scale.colour(value);
      token.style.setProperty('background', colour || 'transparent');
      token.style.setProperty('color', colour ? textOn(colour) : 'var(--ink-soft)');
      token.classList.toggle('is-looked', index === looked);
      token.setAttribute('aria-selected', String(index === picture.now.token));
      numbers[index].textContent = value === null ? '' : formatQuantity(value, quantity);
    });
    const row = prompt.tokens.map((_, index) => (picture.now.fromSource ? weight(index, looked) : weight(looked, index)));
    const strongest = row.reduce((best, value, index) => (value !== null && (best < 0 || value > (row[best] ?? -Infinity)) ? index : best), -1);
    says.textContent = picture.now.fromSource
      ? `${names[looked]} is attended to most by ${names[strongest]}: ${formatQuantity(row[strongest] ?? 0, quantity)}`
      : `${names[looked]} attends most to ${names[strongest]}: ${formatQuantity(row[strongest] ?? 0, quantity)}`;
    large.mark(looked, picture.now.fromSource);
  };

  const leave = () => {
    stage.hover.publish(null);
    stage.tip.hide();
    look(held());
  };
  roveOver(line, [tokens], {
    onPoint: (_, index) => {
      stage.hover.publish({ position: index });
      look(index);
    },
    onLeave: leave,
    onClick: (_, index) => {
      picture.set({ token: picture.now.token === index ? null : index });
      look(picture.now.token ?? index);
    },
  });
  stage.hover.subscribe(stage.scope, (target) => tokens.forEach((token, index) => token.classList.toggle('is-marked', target?.position === index)));

  large.svg.addEventListener('pointermove', (event) => {
    const cell = large.cellAt(event);
    if (!cell) return leave();
    const [destination, source] = cell;
    stage.hover.publish({ layer: head.layer, head: head.head });
    look(picture.now.fromSource ? source : destination);
    stage.tip.show(`${head.name}   ${prompt.label}\n${names[destination]} attends to ${names[source]}: ${precise(head.rows[destination][source])}`, { getBoundingClientRect: () => large.boxOf(destination, source) });
  });
  large.svg.addEventListener('pointerleave', leave);
  large.svg.addEventListener('click', (event) => {
    const cell = large.cellAt(event);
    if (!cell) return;
    const token = cell[picture.now.fromSource ? 1 : 0];
    picture.set({ token });
    look(token);
  });
  look(held());
  return h('div', { class: 'head-view' }, h('div', { class: 'head-text' }, line, says), h('div', { class: 'panel-scroll', tabindex: 0, role: 'region', 'aria-label': `Attention of ${head.name}` }, large.svg));
}
