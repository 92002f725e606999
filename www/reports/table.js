// Draws the `table` part. A column's quantity decides how its cells are formatted.

import { diverging } from '../colour.js';
import { h } from '../dom.js';
import { formatQuantity, full } from '../numbers.js';
import { frame } from './frame.js';
import { tokenChip, visibleText } from './token.js';

/** @import { Stage } from './stage.js' */
/** @import { Cell, Column, Link, Part, Quantity, Row, Table } from '../types/engine.js' */

/** Text for screen readers for marks that are shown as a line or a tint. */
const MARKS = { answer: 'answer', distractor: 'distractor', mean: 'mean', passed: 'passed', failed: 'failed' };

/**
 * @param {Extract<Part, { kind: 'table' }>} part
 * @param {Stage} stage
 * @param {{ caption?: boolean }} [options] `caption`: whether to show the title; false where it is shown elsewhere
 */
export function drawTable(part, stage, { caption = true } = {}) {
  const limits = part.columns.map((_, c) => limitOf(part, c));
  const table = h(
    'table',
    { class: 'data-table', data: { title: part.title } },
    h('caption', { class: 'visually-hidden' }, part.title),
    h('thead', {}, h('tr', {}, ...part.columns.map((column) => h('th', { scope: 'col', class: `q-${column.quantity}` }, column.name)))),
    h('tbody', {}, ...part.rows.map((row) => drawRow(row, part.columns, limits))),
  );
  return frame(
    part,
    stage,
    { caption },
    // Focusable, so that a table wider than the screen can be scrolled with the keyboard.
    h('div', { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': part.title || 'Table' }, table),
  );
}

/** The largest magnitude in a column: the full length of its bars. @param {Table} table @param {number} column */
function limitOf(table, column) {
  const numbers = table.rows.map((row) => row.cells[column]).filter((cell) => typeof cell === 'number');
  return Math.max(0, ...numbers.map(Math.abs));
}

/** @param {Row} row @param {Column[]} columns @param {number[]} limits */
function drawRow(row, columns, limits) {
  return h(
    'tr',
    { data: { mark: row.mark }, class: row.mark ? `mark-${row.mark}` : '' },
    ...columns.map((column, c) => drawCell(row.cells[c], column, limits[c], c === 0 && row.mark ? MARKS[row.mark] : '')),
  );
}

/** @param {Cell} cell @param {Column} column @param {number} limit @param {string} mark */
function drawCell(cell, { quantity, bars }, limit, mark) {
  const sign = { passed: '\u2713', failed: '\u2717' }[mark];
  const spoken = mark && [h('span', { class: 'visually-hidden' }, `${mark}: `), sign && h('span', { class: 'mark-sign', 'aria-hidden': 'true' }, sign)];
  if (typeof cell === 'number') {
    return h(
      'td',
      { class: `number q-${quantity}`, data: { quantity, value: cell }, tip: full(cell) },
      h('span', { class: 'cell' }, spoken, bars && bar(cell, quantity, limit), h('span', { class: 'digits' }, formatQuantity(cell, quantity))),
    );
  }
  if (typeof cell === 'string') return h('td', { class: `q-${quantity}`, data: { quantity } }, spoken, h('span', { class: 'prose-cell' }, ...(quantity === 'text' ? [cell] : visibleText(cell))));
  if (cell && 'link' in cell) return h('td', { class: `q-${quantity}`, data: { quantity } }, spoken, outward(cell));
  if (cell) return h('td', { class: `q-${quantity}`, data: { quantity, id: cell.id } }, spoken, tokenChip(cell));
  return h('td', { class: `q-${quantity}` }, spoken);
}

/** A link to a document elsewhere. Reports may come from strangers, so that nothing but the web is linked to. @param {Link} cell */
export function outward({ text, link }) {
  return /^https?:\/\//i.test(link) ? h('a', { href: link, target: '_blank', rel: 'noreferrer' }, text) : text;
}

/** @param {number} value @param {Quantity} quantity @param {number} limit */
function bar(value, quantity, limit) {
  if (quantity === 'probability') {
    return h('span', { class: 'bar-track', 'aria-hidden': 'true' }, h('span', { class: 'bar-fill', style: { width: `${100 * Math.min(1, Math.max(0, value))}%` } }));
  }
  if (quantity === 'logit-difference') {
    // A column of numbers that all read 0.0000 has no bars.
    const half = limit > 0.00005 ? Math.min(50, (50 * Math.abs(value)) / limit) : 0;
    return h('span', { class: 'bar-track bar-centred', 'aria-hidden': 'true' },
      h('span', { class: 'bar-fill', style: { left: `${value < 0 ? 50 - half : 50}%`, width: `${half}%`, background: diverging(Math.sign(value) * 0.8, 1) } }));
  }
  return null;
}
