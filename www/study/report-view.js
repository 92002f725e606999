// The layout of a figure's report: charts first, with their common controls above; tables that only back them up are
// folded; names of heads and neurons in tables open the inspector.

import { effect, untracked } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';
import { measureSwitch, promptChoice, scaleSwitch } from '../reports/grid-controls.js';
import { GAP, leastWidthOf, sideBySide } from '../reports/heat/layout.js';
import { drawPart, foldTable, repaintPart } from '../reports/index.js';

/** @import { Actions } from '../reports/actions.js' */
/** @import { Picture, Stage } from '../reports/stage.js' */
/** @import { Part, Report } from '../types/engine.js' */

/**
 * @typedef {object} Layout
 * @property {string} title the figure's title, not repeated above its chart
 * @property {Stage} stage
 * @property {'folded' | 'beside' | 'right' | undefined} tables folded even if there is only one; side by side; or beside the first chart
 * @property {Picture | null} measure the view that all charts of the figure share, with the measure of all patching figures
 */

/** @typedef {Extract<Part, { kind: 'heat' | 'line' }>} GridPart */

/** A table beside a map, and a scatter beside another, are this wide at least. */
const TABLE = 286;
/** The most that a table beside a single map takes, as in the style sheet. */
const ASIDE = 400;
const SCATTER = 330;
/** A map is no narrower than its colour scale. */
const SCALE = 252;
/** A table of more rows is folded: it would fill the screen by itself. */
const LONG_TABLE = 24;
/** Titles of tables that say how well the visitor did (crate/engine/src/analyses/shared/planted.rs): they stand open, above the pictures. */
const SCORE = 'Planted circuit: score';

/** @param {Report} report @param {Layout} layout */
export function layOut(report, { title, stage, tables: place, measure }) {
  const pictures = report.parts.filter((part) => part.kind !== 'table');
  const [scores, tables] = [true, false].map((isScore) => report.parts.filter((part) => part.kind === 'table').filter(({ title }) => title.startsWith(SCORE) === isScore));
  const own = measure ? stage.with({ pictures: () => measure }) : stage;
  const drawn = h('div', { class: 'report' });
  const isAside = place === 'right' && tables.length === 1;
  const draw = (/** @type {Part} */ part, /** @type {Stage} */ where) => drawPart(part, where, report.analysis);
  drawn.append(...scores.map((score) => draw(score, own)));
  for (const row of rowsOf(pictures)) {
    const table = isAside && row[0] === pictures[0] ? tables[0] : null;
    drawn.append(row.length > 1 ? inRow(row, table, own, draw, measure?.now.unfolded ?? false) : alone(row[0], table, own, draw));
  }
  if (isAside && !drawn.querySelector('.part-table')) drawn.append(draw(tables[0], own));
  if (place === 'beside') drawn.append(h('div', { class: 'tables-beside' }, ...tables.map((table) => draw(table, own))));
  else if (!isAside && tables.length > 0) {
    const isFolded = tables.length > 1 || place === 'folded' || tables[0].rows.length > LONG_TABLE;
    drawn.append(isFolded ? h('div', { class: 'folds' }, ...tables.map((table) => foldTable(table, own))) : draw(tables[0], own));
  }
  const grid = pictures.find((part) => part.kind === 'heat' || part.kind === 'line');
  if (measure && grid) {
    drawn.classList.add('report-shared');
    drawn.prepend(sharedControls(grid, measure, drawn, stage));
  }
  for (const part of drawn.querySelectorAll('.part')) {
    if (/** @type {HTMLElement} */ (part).dataset.title === title) part.classList.add('is-title-said');
  }
  for (const table of tables) linkNames(drawn, table.title, table.group ?? 0, stage.actions);
  return drawn;
}

/** @typedef {(part: Part, stage: Stage) => HTMLElement} Draw */

/** Maps or scatters of one group, as many in a row as there is room for, and a table at their end. @param {Part[]} parts @param {Part | null} table @param {Stage} stage @param {Draw} draw @param {boolean} unfolded */
function inRow(parts, table, stage, draw, unfolded) {
  const least = Math.max(...parts.map((part) => (part.kind === 'heat' ? Math.max(SCALE, leastWidthOf(part, unfolded)) : SCATTER)), table ? TABLE : 0);
  const { columns, width } = sideBySide(parts.length + (table ? 1 : 0), least, stage.width);
  const narrow = stage.with({ width: () => width });
  return h('div', { class: 'maps', style: { '--maps': String(columns) } }, ...parts.map((part) => draw(part, narrow)), table && draw(table, narrow));
}

/** A picture, with a table beside it if there is room. @param {Part} part @param {Part | null} table @param {Stage} stage @param {Draw} draw */
function alone(part, table, stage, draw) {
  if (!table || stage.width < ASIDE + 2 * GAP + TABLE) return draw(part, stage);
  return h('div', { class: 'map-and-table' }, draw(part, stage.with({ width: () => stage.width - ASIDE - 2 * GAP })), draw(table, stage));
}

/** Pictures that stand in one row: maps of one group, and scatters of one group. @param {Part[]} pictures @returns {Part[][]} */
function rowsOf(pictures) {
  /** @type {Part[][]} */
  const rows = [];
  for (const part of pictures) {
    const last = rows.at(-1);
    const isSmall = (part.kind === 'heat' || part.kind === 'scatter') && part.panels.length === 1;
    if (isSmall && last && last[0].kind === part.kind && /** @type {typeof part} */ (last[0]).panels.length === 1) last.push(part);
    else rows.push([part]);
  }
  return rows;
}

/** One set of controls for all charts of a figure. @param {GridPart} grid @param {Picture} shared @param {HTMLElement} drawn @param {Stage} stage */
function sharedControls(grid, shared, drawn, stage) {
  const repaint = () => drawn.querySelectorAll('.part').forEach(repaintPart);
  const isHeat = drawn.querySelector('.part-heat') !== null;
  const scale = isHeat ? scaleSwitch(grid, shared, () => {}) : null;
  const measures = measureSwitch(grid, shared, () => {});
  let isFirst = true;
  // The measure is that of all patching figures: it may be changed at another one.
  stage.scope.add(effect(() => {
    measures?.show(shared.now.measure || grid.measures[0].name);
    scale?.refresh();
    if (!isFirst) untracked(repaint);
    isFirst = false;
  }));
  return h('div', { class: 'controls shared-controls', data: { screen: true } }, measures, promptChoice(grid, shared, () => {}), scale);
}

/** Turns names such as L8N2744 in a table into buttons that open the inspector. @param {HTMLElement} drawn @param {string} title @param {number} group @param {Actions} actions */
function linkNames(drawn, title, group, actions) {
  const table = [...drawn.querySelectorAll('.data-table')].find((one) => /** @type {HTMLElement} */ (one).dataset.title === title);
  for (const cell of table?.querySelectorAll('td.q-text .prose-cell') ?? []) {
    const [, layer, kind, index] = /^L(\d+)([HN])(\d+)$/.exec(cell.textContent ?? '') ?? [];
    if (layer === undefined) continue;
    const open = () => {
      if (kind === 'H') actions.onHead?.({ layer: Number(layer), head: Number(index), group });
      else actions.onNeuron?.({ layer: Number(layer), neuron: Number(index), group });
    };
    cell.replaceChildren(h('button', { type: 'button', class: 'link', on: { click: open } }, cell.textContent));
  }
}
