// One renderer per kind of report part.

import { h } from '../dom.js';
import { signed } from '../numbers.js';
import { drawAttention } from './attention/index.js';
import { drawDots } from './dots.js';
import { drawLater } from './later.js';
import { drawHeat } from './heat/index.js';
import { drawLine } from './line/index.js';
import { drawScatter } from './scatter/index.js';
import { drawTable } from './table.js';
import { drawTextLens } from './text-lens.js';
import { drawTokenValues } from './token-values.js';
import { drawTokens } from './tokens.js';

/** @import { Stage } from './stage.js' */
/** @import { Part } from '../types/engine.js' */
/** @typedef {Extract<Part, { kind: 'table' }>} TablePart */

export { keepStops, repaintPart, updatePart, whenPainted } from './update.js';

/**
 * @param {Part} part
 * @param {Stage} stage
 * @param {string} [place] where the part is shown, e.g. an analysis: its view is kept by place, kind and title
 * @returns {HTMLElement}
 */
export function drawPart(part, stage, place = '') {
  const name = nameOf(part, place);
  switch (part.kind) {
    case 'table':
      return drawTable(part, stage);
    case 'dots':
      return drawDots(part, stage);
    case 'tokens':
      return drawTokens(part, stage);
    case 'heat':
      return drawHeat(part, stage, name);
    case 'line':
      return drawLine(part, stage, name);
    case 'edges':
      return drawLater(part, stage, name);
    case 'scatter':
      return drawScatter(part, stage, name);
    case 'attention':
      return drawAttention(part, stage, name);
    case 'text-lens':
      return drawTextLens(part, stage);
    case 'token-values':
      return drawTokenValues(part, stage);
  }
}

/** The name under which the view of a picture is kept. @param {Part} part @param {string} place */
export function nameOf({ kind, title }, place) {
  return `${place}/${kind}/${title}`;
}

/** A folded table of more rows is drawn when it is opened: a thousand take longer than a key may wait. */
const LONG_TABLE = 300;

/** A folded table: its title and summary. @param {TablePart} table @param {Stage} stage */
export function foldTable(table, stage) {
  const fold = h('details', { class: 'fold', data: { title: table.title, group: table.group } },
    h('summary', {}, h('span', { class: 'fold-title' }, table.title), outcomeOf(table)));
  const draw = () => fold.append(drawTable(table, stage, { caption: false }));
  if (table.rows.length > LONG_TABLE) fold.addEventListener('toggle', draw, { once: true });
  else draw();
  return fold;
}

/** The summary of a folded table: its mean, or how many of its checks passed. @param {TablePart} table */
export function outcomeOf(table) {
  const mean = meanOf(table);
  if (mean !== null) return h('span', { class: 'fold-mean' }, `mean ${signed(mean, 4)}`);
  const failed = table.rows.filter((row) => row.mark === 'failed').length;
  const passed = table.rows.filter((row) => row.mark === 'passed').length;
  if (failed + passed === 0) return null;
  return h('span', { class: failed > 0 ? 'fold-mean link-error' : 'fold-mean' }, failed > 0 ? `${failed} of ${table.rows.length} fail` : `all ${passed} hold`);
}

/** The number in the mean row, if the table has one. @param {TablePart} table */
function meanOf(table) {
  const column = table.columns.findIndex((candidate) => candidate.quantity === 'logit-difference');
  const cell = table.rows.find((row) => row.mark === 'mean')?.cells[column];
  return typeof cell === 'number' ? cell : null;
}

/** Keeps folds open when a new report replaces an old one. @param {HTMLElement} before @param {HTMLElement} after */
export function keepFolds(before, after) {
  const opened = new Set([...before.querySelectorAll('details[open]')].map((fold) => /** @type {HTMLElement} */ (fold).dataset.title));
  for (const fold of after.querySelectorAll('details')) fold.open = opened.has(fold.dataset.title);
}
