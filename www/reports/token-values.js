// Draws the `token-values` part: texts with tokens coloured by value, white to red, as in Neuroscope.

import { reds, textOn } from '../colour.js';
import { h } from '../dom.js';
import { formatQuantity, precise } from '../numbers.js';
import { colourBar } from './colour-bar.js';
import { frame } from './frame.js';
import { roveOver } from './rove.js';
import { visibleText } from './token.js';

/** @import { Stage } from './stage.js' */
/** @import { Part } from '../types/engine.js' */

/** @param {Extract<Part, { kind: 'token-values' }>} part @param {Stage} stage */
export function drawTokenValues(part, stage) {
  const [low, high] = part.range;
  const place = (/** @type {number} */ value) => (high > low ? (value - low) / (high - low) : 0);
  const values = part.rows.flatMap((row) => row.values);
  const rows = part.rows.map((row) => row.tokens.map((token, index) => {
    const colour = reds(place(row.values[index]));
    return h(
      'span',
      { class: 'valued', role: 'option', 'aria-selected': 'false', style: { background: colour, color: textOn(colour) }, data: { value: row.values[index] }, 'aria-label': `${JSON.stringify(token.text)}: ${formatQuantity(row.values[index], part.quantity)}` },
      ...visibleText(token.text),
    );
  }));
  const drawn = rows.map((tokens, r) => {
    const { label, min, max } = part.rows[r];
    const line = h('div', { class: 'valued-line', role: 'listbox', 'aria-orientation': 'horizontal', 'aria-label': label || part.title }, ...tokens);
    roveOver(line, [tokens], {
      onPoint: (_, c, cell) => {
        stage.hover.publish({ position: c });
        const token = part.rows[r].tokens[c];
        stage.tip.show(`${JSON.stringify(token.text)}   id ${token.id}, position ${c}\n${part.quantity}: ${precise(part.rows[r].values[c])}`, cell);
      },
      onLeave: () => {
        stage.hover.publish(null);
        stage.tip.hide();
      },
    });
    stage.hover.subscribe(stage.scope, (target) => tokens.forEach((token, c) => token.classList.toggle('is-marked', target?.position === c)));
    const range = h('p', { class: 'valued-range' }, h('span', {}, `max ${formatQuantity(max, part.quantity)}`), h('span', {}, `min ${formatQuantity(min, part.quantity)}`));
    return h('div', { class: 'valued-row' }, h('div', { class: 'valued-head' }, h('span', { class: 'valued-label' }, label), range), line);
  });
  const domain = { low, high, middle: null, below: values.some((value) => value < low), above: values.some((value) => value > high) };
  return frame(part, stage, {}, colourBar(part.quantity, domain, (value) => reds(place(value))), ...drawn);
}
