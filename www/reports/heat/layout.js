// Cell sizes and label positions of a heat map, fitted to the width that there is. All panels of a figure share one layout,
// computed without the values, so that nothing moves when they arrive.

import { columnCount, columnLabel, columnTicks, tickLabel } from '../grid-view.js';

/** @import { Grid } from '../../types/engine.js' */

/**
 * @typedef {object} Layout
 * @property {number} width of a cell
 * @property {number} height of a cell
 * @property {number} left room for the row labels
 * @property {number} bottom room for the column labels
 * @property {boolean} turned whether the column labels are rotated
 * @property {number} from the first column that is drawn; those before it are folded away
 * @property {number[]} rowTicks the rows that have a label
 * @property {number[]} columnTicks the columns that have a label
 */

/** Average character width of 11 px text. Not measured, because the layout must not depend on when fonts are loaded. */
const LETTER = 6.3;
/** Between panels, and between maps in a row. */
export const GAP = 18;
/** Cells are no narrower, so that the pointer and the labels find them; wider maps scroll. */
const LEAST = { few: 15, many: 12, crowd: 4 };
const MOST = { alone: 60, beside: 32 };
/** Room for the labels, the frame and the band of folded columns. */
const EDGE = 8;
export const BAND = 20;
/** Fewer columns than this are not worth folding. */
const FOLDED = 4;

/** The narrowest that a map with so many columns is drawn. @param {number} columns @param {number} left */
function leastWidth(columns, left) {
  return left + EDGE + columns * (columns <= 16 ? LEAST.few : columns <= 200 ? LEAST.many : LEAST.crowd);
}

/** How many maps stand side by side, and how wide each may be. @param {number} count @param {number} least width of a map @param {number} room */
export function sideBySide(count, least, room) {
  const columns = Math.max(1, Math.min(count, Math.floor((room + GAP) / (least + GAP))));
  return { columns, width: Math.floor((room - GAP * (columns - 1)) / columns) };
}

/** The positions before the first changed one, where both runs are the same; 0 if there is nothing to fold. @param {Grid} grid */
export function foldable(grid) {
  if (grid.columns.counts !== 'position' || grid.panels.length === 0) return 0;
  const first = Math.min(...grid.panels.map((panel) => panel.changed[0] ?? 0));
  return first >= FOLDED ? first : 0;
}

/** @param {Grid} grid @param {boolean} unfolded */
export function leastWidthOf(grid, unfolded) {
  const from = unfolded ? 0 : foldable(grid);
  const columns = Math.max(1, ...grid.panels.map((panel) => columnCount(grid, panel))) - from;
  return leastWidth(columns, leftOf(grid)) + (from > 0 ? BAND : 0);
}

/** @param {Grid} grid */
function leftOf(grid) {
  // With many heads only layers are named.
  const labels = grid.rows.counts === 'layer-head' && grid.rows.ticks.length > 40 ? ['L11'] : grid.rows.ticks.map((tick) => tickLabel(grid.rows, tick));
  // Whole pixels, so that cell edges stay sharp.
  return Math.round(Math.min(120, 21 + longest(labels)));
}

/** @param {Grid} grid @param {number} room pixels that all panels may take @param {boolean} unfolded @returns {Layout} */
export function layoutOf(grid, room, unfolded) {
  const rows = grid.rows.ticks.length;
  const from = unfolded ? 0 : foldable(grid);
  const all = Math.max(1, ...grid.panels.map((panel) => columnCount(grid, panel)));
  const columns = all - from;
  const left = leftOf(grid);
  const panels = Math.max(1, grid.panels.length);
  const least = leastWidth(columns, left) + (from > 0 ? BAND : 0);
  const { width: own } = sideBySide(panels, least, room);
  const most = panels === 1 ? MOST.alone : MOST.beside;
  const fitting = Math.floor((own - left - EDGE - (from > 0 ? BAND : 0)) / columns);
  const width = Math.max(columns <= 16 ? LEAST.few : columns <= 200 ? LEAST.many : LEAST.crowd, Math.min(most, fitting));
  // Nearly square where there is room; flatter if there are many rows.
  const height = rows <= 16 ? Math.max(17, Math.min(30, Math.round(0.85 * width))) : rows <= 40 ? 15 : 9;
  const columnLabels = grid.panels.flatMap((panel) => columnTicks(grid, panel).map((_, column) => columnLabel(grid, panel, column)));
  const turned = longest(columnLabels) > width + 4 && columns <= 200;
  return {
    width, height, left: left + (from > 0 ? BAND : 0), from, turned,
    bottom: 20 + (turned ? Math.min(110, longest(columnLabels)) : 14),
    rowTicks: grid.rows.counts === 'layer-head' && height < 12
      ? indices(rows).filter((row) => /H0$/.test(grid.rows.ticks[row]))
      : every(rows, Math.ceil(12 / height)),
    columnTicks: labelled(grid, all, from, turned ? Math.ceil(12 / width) : Math.ceil((longest(columnLabels) + 4) / width)),
  };
}

/** The columns with a label: every so many, and always the changed positions and the last. @param {Grid} grid @param {number} columns @param {number} from @param {number} step */
function labelled(grid, columns, from, step) {
  const changed = grid.panels.flatMap((panel) => panel.changed);
  const wanted = grid.columns.counts === 'position' ? [...new Set([...changed, columns - 1])].filter((column) => column >= from && column < columns).sort((a, b) => a - b) : [];
  const kept = wanted.filter((column, index) => index === 0 || column - wanted[index - 1] >= step);
  const others = indices(columns).filter((column) => column >= from && (column - from) % step === 0 && kept.every((one) => Math.abs(one - column) >= step));
  return [...kept, ...others].sort((a, b) => a - b);
}

/** @param {string[]} texts */
function longest(texts) {
  return Math.max(0, ...texts.map((text) => Math.min(16, text.length))) * LETTER;
}

/** @param {number} count */
function indices(count) {
  return Array.from({ length: count }, (_, index) => index);
}

/** @param {number} count @param {number} step */
function every(count, step) {
  return indices(count).filter((index) => index % step === 0);
}
