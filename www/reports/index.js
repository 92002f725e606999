// One renderer for each kind of report part, and the order in which a report is read.

import { h } from '../dom.js';
import { signed } from '../numbers.js';
import { drawDots } from './dots.js';
import { drawTable } from './table.js';
import { drawTokens } from './tokens.js';

/** @import { DotActions } from './dots.js' */
/** @import { Part, Report, Table } from '../types/engine.js' */

/**
 * @param {Part} part
 * @param {DotActions} actions
 * @returns {HTMLElement}
 */
function drawPart(part, actions) {
  switch (part.kind) {
    case 'table':
      return drawTable(part);
    case 'dots':
      return drawDots(part, actions);
    case 'tokens':
      return drawTokens(part);
  }
}

/**
 * @param {Report} report
 * @param {DotActions} [actions]
 * @returns {HTMLElement}
 */
export function drawReport(report, actions = {}) {
  const tables = report.parts.filter((part) => part.kind === 'table');
  const body = h('div', { class: 'report' });
  /** @type {HTMLElement | null} */
  let list = null;
  for (const part of report.parts) {
    if (part.kind !== 'table' || tables.length === 1) {
      body.append(drawPart(part, actions));
      continue;
    }
    // Several tables are folded, or eight groups would be a wall of numbers.
    if (!list) body.append((list = h('div', { class: 'folds' })));
    list.append(foldTable(part));
  }
  return body;
}

/** @param {Table} table */
function foldTable(table) {
  const mean = meanOf(table);
  return h(
    'details',
    { class: 'fold', data: { title: table.title } },
    h('summary', {}, h('span', { class: 'fold-title' }, table.title), mean !== null && h('span', { class: 'fold-mean' }, `mean ${signed(mean, 4)}`)),
    drawTable(table, { caption: false }),
  );
}

/** The number in the mean row, if the table has one. @param {Table} table */
function meanOf(table) {
  const column = table.columns.findIndex((candidate) => candidate.quantity === 'logit-difference');
  const cell = table.rows.find((row) => row.mark === 'mean')?.cells[column];
  return typeof cell === 'number' ? cell : null;
}

/** Keeps open what the reader had opened when a new report takes the place of an old one. @param {HTMLElement} before @param {HTMLElement} after */
export function keepFolds(before, after) {
  const opened = new Set([...before.querySelectorAll('details[open]')].map((fold) => /** @type {HTMLElement} */ (fold).dataset.title));
  for (const fold of after.querySelectorAll('details')) fold.open = opened.has(fold.dataset.title);
}
