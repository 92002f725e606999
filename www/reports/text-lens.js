// Draws the `text-lens` part: the top tokens of the residual stream at each layer and position.

import { blues, textOn } from '../colour.js';
import { h } from '../dom.js';
import { fixed, formatQuantity } from '../numbers.js';
import { colourBar } from './colour-bar.js';
import { frame } from './frame.js';
import { visible } from './grid-view.js';
import { roveOver } from './rove.js';
import { scrolling } from './scrolling.js';
import { visibleText } from './token.js';

/** @import { Stage } from './stage.js' */
/** @import { Guess, Part, TextLens } from '../types/engine.js' */

/** @param {Extract<Part, { kind: 'text-lens' }>} part @param {Stage} stage */
export function drawTextLens(part, stage) {
  const cells = part.rows.map((row, r) => part.columns.map((_, c) => drawCell(part, row, r, c)));
  const heads = part.columns.map((token, c) => h('th', { scope: 'col' }, h('span', { class: 'lens-text' }, ...visibleText(token.text)), h('span', { class: 'lens-index' }, c)));
  const rowHeads = part.rows.map((row) => h('th', { scope: 'row' }, row));
  const table = h(
    'table',
    { class: 'lens', role: 'grid', 'aria-label': part.title },
    h('thead', {}, h('tr', {}, h('td', { class: 'lens-corner' }), ...heads)),
    h('tbody', {}, ...part.rows.map((_, r) => h('tr', {}, rowHeads[r], ...cells[r]))),
  );
  roveOver(table, cells, {
    onPoint: (r, c, cell) => {
      stage.hover.publish({ component: part.rows[r], position: c });
      stage.tip.show(describe(part, r, c), cell);
    },
    onLeave: () => {
      stage.hover.publish(null);
      stage.tip.hide();
    },
  });
  stage.hover.subscribe(stage.scope, (target) => {
    rowHeads.forEach((head, r) => head.classList.toggle('is-marked', target?.component === part.rows[r]));
    heads.forEach((head, c) => head.classList.toggle('is-marked', target?.position === c));
  });
  return frame(part, stage, {}, colourBar('probability of the token shown', { low: 0, high: 1, middle: null, below: false, above: false }, blues), 
    // The last position is the one whose next token is asked for.
    scrolling(stage, table, { unit: 60, what: 'position', start: Infinity }));
}

/** @param {TextLens} part @param {string} row @param {number} r @param {number} c */
function drawCell(part, row, r, c) {
  const best = part.cells[r]?.[c]?.[0];
  const colour = blues(best?.probability ?? 0);
  return h(
    'td',
    {
      role: 'gridcell', style: { background: colour, color: textOn(colour) }, data: { probability: best?.probability },
      'aria-label': best ? `${row}, position ${c}: ${JSON.stringify(best.token.text)}, ${formatQuantity(best.probability, 'probability')}` : `${row}, position ${c}`,
    },
    h('span', { class: 'lens-text' }, ...(best ? visibleText(best.token.text) : [])),
  );
}

/** @param {TextLens} part @param {number} r @param {number} c */
function describe(part, r, c) {
  const guesses = part.cells[r]?.[c] ?? [];
  const wide = Math.max(0, ...guesses.map((guess) => visible(guess.token.text).length));
  const line = (/** @type {Guess} */ { token, logit, probability }) =>
    `${visible(token.text).padEnd(wide)}  ${formatQuantity(probability, 'probability').padStart(7)}  logit ${fixed(logit, 4)}`;
  return [`${part.rows[r]}, after ${visible(part.columns[c].text)} (position ${c})`, ...guesses.map(line)].join('\n');
}
