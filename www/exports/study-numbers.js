// The numbers of a chart as tables for the report: the means shown by a grid, or only the largest where there are
// thousands. Everything else is in the CSV.

import { h } from '../dom.js';
import { formatQuantity } from '../numbers.js';
import { cellName, columnCount, columnTicks, measureOf, tickLabel, valuesOf, visible } from '../reports/grid-view.js';
import { outward } from '../reports/table.js';
import { visibleText } from '../reports/token.js';

/** @import { PictureView } from '../store/view.js' */
/** @import { Cell, Column, Dots, Grid, Mark, Panel, Part, Quantity, Table, Values } from '../types/engine.js' */

/** A panel with more cells, or more columns, than this is reduced to its largest values. */
const LARGEST_TABLE = 1500;
const WIDEST_TABLE = 64;
const TOP = 20;
/** Cells written between two pauses. */
const STEP = 200;

/** @param {Part} part @param {PictureView} view how the chart is shown @returns {Generator<undefined, HTMLElement[]>} */
export function* numberTables(part, view) {
  if (part.kind === 'dots') return [dotsTable(part)];
  if (part.kind !== 'heat' && part.kind !== 'line' && part.kind !== 'edges') return [];
  const measure = measureOf(part, view);
  const tables = [];
  if (part.rows.ticks.length === 1 && part.panels.every((panel) => panel.ticks === null) && part.columns.ticks.length <= LARGEST_TABLE) {
    tables.push(yield* columnsTable(part, measure));
  } else {
    for (const panel of part.panels) {
      const values = valuesOf(panel, measure);
      if (!values) continue;
      tables.push(yield* (values.mean.length > LARGEST_TABLE || columnCount(part, panel) > WIDEST_TABLE ? topTable(part, panel, values) : matrixTable(part, panel, values)));
    }
  }
  return tables;
}

/** A table with one line per row. @param {string} caption @param {(string | HTMLElement)[]} head @param {HTMLElement[]} body */
function numbersTable(caption, head, body) {
  return h('div', { class: 'wide' }, h('table', { class: 'numbers' }, h('caption', {}, caption),
    h('thead', {}, h('tr', {}, ...head.map((cell) => (typeof cell === 'string' ? h('th', { scope: 'col' }, cell) : cell)))), h('tbody', {}, ...body)));
}

/** @param {number | null | undefined} value @param {Quantity} quantity */
function numberCell(value, quantity) {
  return h('td', {}, typeof value === 'number' ? formatQuantity(value, quantity) : '');
}

/** One row per group, transposed: a line per column. @param {Grid} grid @param {number} measure @returns {Generator<undefined, HTMLElement>} */
function* columnsTable(grid, measure) {
  const { label, quantity } = grid.measures[measure];
  const groups = grid.panels.map((panel) => ({ name: panel.name, values: valuesOf(panel, measure) }));
  const [only] = groups;
  const interval = groups.length === 1 && only.values !== null && only.values.low.length > 0;
  const body = [];
  for (const [c, tick] of grid.columns.ticks.entries()) {
    if (c % STEP === 0) yield;
    body.push(h('tr', {}, h('th', { scope: 'row' }, tickLabel(grid.columns, tick)),
      ...groups.map(({ values }) => numberCell(values?.mean[c], quantity)),
      ...(interval ? [numberCell(only.values?.low[c], quantity), numberCell(only.values?.high[c], quantity)] : [])));
  }
  return numbersTable(`Mean ${label}`, [grid.columns.label, ...groups.map(({ name }) => name), ...(interval ? ['95 % interval from', 'to'] : [])], body);
}

/** @param {Grid} grid @param {Panel} panel @param {Values} values @returns {Generator<undefined, HTMLElement>} */
function* matrixTable(grid, panel, values) {
  const { label, quantity } = grid.measures[values.measure];
  const columns = columnCount(grid, panel);
  const ticks = columnTicks(grid, panel);
  const body = [];
  for (const [r, row] of grid.rows.ticks.entries()) {
    if (r % Math.max(1, Math.floor(STEP / columns)) === 0) yield;
    body.push(h('tr', {}, h('th', { scope: 'row' }, tickLabel(grid.rows, row)), ...values.mean.slice(r * columns, (r + 1) * columns).map((value) => numberCell(value, quantity))));
  }
  return numbersTable(`${panel.name}: mean ${label}`, [`${grid.rows.label} \\ ${grid.columns.label}`, ...ticks.slice(0, columns).map((tick) => tickLabel(grid.columns, tick))], body);
}

/** The cells furthest from the middle of the scale. @param {Grid} grid @param {Panel} panel @param {Values} values @returns {Generator<undefined, HTMLElement>} */
function* topTable(grid, panel, values) {
  const { label, quantity, middle } = grid.measures[values.measure];
  const columns = columnCount(grid, panel);
  /** @type {{ cell: number, value: number, size: number }[]} */
  const top = [];
  for (const [cell, value] of values.mean.entries()) {
    if (cell % 5000 === 0) yield;
    if (value === null) continue;
    const size = middle === null ? value : Math.abs(value - middle);
    if (top.length === TOP && size <= top[TOP - 1].size) continue;
    const at = top.findIndex((other) => size > other.size);
    top.splice(at < 0 ? top.length : at, 0, { cell, value, size });
    top.length = Math.min(top.length, TOP);
  }
  const interval = values.low.length > 0;
  const body = top.map(({ cell, value }) => h('tr', {},
    h('th', { scope: 'row' }, cellName(grid, panel, Math.floor(cell / columns), cell % columns)), numberCell(value, quantity),
    ...(interval ? [numberCell(values.low[cell], quantity), numberCell(values.high[cell], quantity)] : [])));
  return numbersTable(`${panel.name}: the ${top.length} largest of ${values.mean.length}`, ['', `mean ${label}`, ...(interval ? ['95 % interval from', 'to'] : [])], body);
}

/** @param {Dots} dots */
function dotsTable({ axis, quantity, series }) {
  return numbersTable(axis, ['group', 'prompt', axis], series.flatMap(({ name, points, mean, interval }) => [
    ...points.map((point) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'text' }, point.label), numberCell(point.value, quantity))),
    h('tr', { class: 'mark-mean' }, h('th', { scope: 'row' }, name),
      h('td', { class: 'text' }, interval ? `mean, 95 % interval ${formatQuantity(interval[0], quantity)} to ${formatQuantity(interval[1], quantity)}` : 'mean'), numberCell(mean, quantity)),
  ]));
}

/** Labels of marked rows. @type {Record<Mark, string>} */
const MARKS = { answer: 'answer', distractor: 'distractor', mean: '', passed: '\u2713', failed: '\u2717' };

/** A part that is itself a table. @param {Table} table @returns {Generator<undefined, HTMLElement>} */
export function* reportTable(table) {
  const body = [];
  for (const [index, row] of table.rows.entries()) {
    if (index % 20 === 0) yield;
    body.push(h('tr', { class: row.mark ? `mark-${row.mark}` : undefined },
      ...table.columns.map((column, c) => tableCell(row.cells[c], column, c === 0 && row.mark ? MARKS[row.mark] : ''))));
  }
  return h('div', { class: 'wide' }, h('table', { class: 'data' },
    h('thead', {}, h('tr', {}, ...table.columns.map(({ name, quantity }) => h('th', { scope: 'col', class: isText(quantity) ? 'text' : undefined }, name)))), h('tbody', {}, ...body)));
}

/** @param {Quantity} quantity */
function isText(quantity) {
  return quantity === 'text' || quantity === 'token';
}

/** @param {Cell} cell @param {Column} column @param {string} mark */
function tableCell(cell, { quantity }, mark) {
  const said = mark && h('span', { class: 'mark' }, `${mark} `);
  if (typeof cell === 'number') return h('td', {}, said, formatQuantity(cell, quantity));
  if (typeof cell === 'string') return h('td', { class: 'text' }, said, ...(quantity === 'text' ? [cell] : visibleText(cell)));
  if (cell && 'link' in cell) return h('td', { class: 'text' }, said, outward(cell));
  return h('td', { class: 'text' }, said, cell && tokenText(cell.text, cell.id));
}

/** A token, with visible spaces. @param {string} text @param {number} [id] */
function tokenText(text, id) {
  return h('span', { class: 'token', title: id === undefined ? null : `${visible(text)}, token id ${id}` }, ...visibleText(text), id !== undefined && h('small', {}, ` ${id}`));
}
