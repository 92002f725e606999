// A part's numbers as tidy CSV, one observation per line, as pandas and R expect. Numbers have all their digits, and the
// whole part is written, whatever is currently shown. Texts come from anyone, by link: none begins like a formula. Tokens like
// "null" and "NA" are text, which pandas has to be told (docs/study.md).

import { csvFormatRow } from '../vendor/dist/libraries.js';
import { gridRows } from './csv-grid.js';

/** @import { Attention, Cell, Dots, Part, Scatter, Table, TextLens, TokenRows, TokenValues } from '../types/engine.js' */

/** @typedef {(string | number | null | undefined)[]} CsvRow */

/** What spreadsheets take for a formula. */
const FORMULA = /^[\t\r]*[=+@-]/;
/** Without it, spreadsheets do not read UTF-8; with it, R does not read the first column's name. */
const BYTE_ORDER_MARK = '\ufeff';

/** @param {Part} part @param {{ forSpreadsheets?: boolean }} [options] @returns {Blob} */
export function csvOf(part, { forSpreadsheets = false } = {}) {
  /** @type {string[]} */
  const chunks = forSpreadsheets ? [BYTE_ORDER_MARK] : [];
  let lines = [];
  for (const row of rowsOf(part)) {
    lines.push(lineOf(row));
    // In pieces, because a sweep over neurons would not fit into one string.
    if (lines.length === 10_000) {
      chunks.push(`${lines.join('\n')}\n`);
      lines = [];
    }
  }
  chunks.push(lines.length > 0 ? `${lines.join('\n')}\n` : '');
  return new Blob(chunks, { type: 'text/csv;charset=utf-8' });
}

/**
 * The same as one string, built in steps; null if it would exceed the limit.
 *
 * @param {Part} part
 * @param {number} limit most characters
 * @returns {Generator<undefined, string | null>}
 */
export function* shortCsv(part, limit) {
  const lines = [];
  let length = 0;
  for (const row of rowsOf(part)) {
    const line = `${lineOf(row)}\n`;
    length += line.length;
    if (length > limit) return null;
    lines.push(line);
    if (lines.length % 500 === 0) yield;
  }
  return lines.join('');
}

/** @param {CsvRow} row */
function lineOf(row) {
  return csvFormatRow(row.map((value) => (value === null || value === undefined ? '' : typeof value === 'string' ? inert(value) : String(value))));
}

/** A text that no spreadsheet computes: an apostrophe in front makes it text there. @param {string} text */
function inert(text) {
  return FORMULA.test(text) ? `'${text}` : text;
}

/** @param {Part} part @returns {Iterable<CsvRow>} */
function rowsOf(part) {
  switch (part.kind) {
    case 'heat':
    case 'line':
    case 'edges':
      return gridRows(part);
    case 'table':
      return tableRows(part);
    case 'dots':
      return dotsRows(part);
    case 'tokens':
      return tokensRows(part);
    case 'scatter':
      return scatterRows(part);
    case 'attention':
      return attentionRows(part);
    case 'text-lens':
      return lensRows(part);
    case 'token-values':
      return valuesRows(part);
  }
}

/** @param {Table} table @returns {CsvRow[]} */
function tableRows({ columns, rows }) {
  /** @param {Cell} cell */
  const text = (cell) => (typeof cell === 'object' && cell !== null ? cell.text : cell);
  // A token column becomes two: text and id.
  const head = columns.flatMap((column) => (column.quantity === 'token' ? [column.name, `${column.name} id`] : [column.name]));
  return [['mark', ...head], ...rows.map((row) => [row.mark, ...columns.flatMap((column, c) => {
    const cell = row.cells[c];
    return column.quantity === 'token' ? [text(cell), typeof cell === 'object' && cell !== null && 'id' in cell ? cell.id : null] : [text(cell)];
  })])];
}

/** @param {Dots} dots @returns {CsvRow[]} */
function dotsRows({ axis, series }) {
  return [['group', 'prompt', axis, 'interval low', 'interval high'],
    ...series.flatMap(({ name, points, mean, interval }) => [
      [name, '(mean)', mean, interval?.[0], interval?.[1]],
      ...points.map((point) => [name, point.label, point.value, null, null]),
    ])];
}

/** @param {TokenRows} tokens @returns {CsvRow[]} */
function tokensRows({ rows }) {
  return [['row', 'position', 'token', 'id'], ...rows.flatMap(({ label, tokens }) => tokens.map((token, index) => [label, index, token.text, token.id]))];
}

/** @param {Scatter} scatter @returns {CsvRow[]} */
function scatterRows({ x, y, measures, names, layers, panels }) {
  return [['panel', 'measure', 'name', 'layer', x.label, y.label],
    ...panels.flatMap((panel) => panel.values.flatMap((values) => names.map((name, index) => [panel.name, measures[values.measure].name, name, layers[index], values.x[index], values.y[index]])))];
}

/** @param {Attention} attention @returns {Generator<CsvRow>} */
function* attentionRows({ quantity, prompts }) {
  yield ['prompt', 'head', 'attribution', 'destination', 'destination token', 'source', 'source token', quantity];
  for (const { label, tokens, heads } of prompts) {
    for (const { name, attribution, rows } of heads) {
      for (const [to, row] of rows.entries()) {
        for (const [from, value] of row.entries()) yield [label, name, attribution, to, tokens[to].text, from, tokens[from].text, value];
      }
    }
  }
}

/** @param {TextLens} lens @returns {CsvRow[]} */
function lensRows({ columns, rows, cells }) {
  return [['point', 'position', 'prompt token', 'rank', 'token', 'id', 'logit', 'probability'],
    ...rows.flatMap((row, r) => columns.flatMap((column, c) => (cells[r]?.[c] ?? []).map(({ token, logit, probability }, rank) =>
      [row, c, column.text, rank, token.text, token.id, logit, probability])))];
}

/** @param {TokenValues} values @returns {CsvRow[]} */
function valuesRows({ quantity, rows }) {
  return [['text', 'position', 'token', 'id', quantity], ...rows.flatMap(({ label, tokens, values }) => tokens.map((token, index) => [label, index, token.text, token.id, values[index]]))];
}
