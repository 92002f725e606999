// Cell sizes and label positions of a heat map. All panels of a figure share one layout, computed without the values, so
// that nothing moves when they arrive.

import { columnCount, tickLabel } from '../grid-view.js';

/** @import { Grid } from '../../types/engine.js' */

/**
 * @typedef {object} Layout
 * @property {number} width of a cell
 * @property {number} height of a cell
 * @property {number} left room for the row labels
 * @property {number} bottom room for the column labels
 * @property {boolean} turned whether the column labels are rotated
 * @property {number[]} rowTicks the rows that have a label
 * @property {number[]} columnTicks the columns that have a label
 */

/** Average character width of 11 px text. Not measured, because the layout must not depend on when fonts are loaded. */
const LETTER = 6.3;

/** @param {Grid} grid @returns {Layout} */
export function layoutOf(grid) {
  const rows = grid.rows.ticks.length;
  const columns = Math.max(1, ...grid.panels.map((panel) => columnCount(grid, panel)));
  const single = grid.panels.length === 1;
  // Small grids get large cells, so that a small model's panels are legible too.
  const width = columns <= 16 ? Math.max(single ? 30 : columns <= 9 ? 18 : 17, Math.min(36, Math.floor(148 / columns))) : Math.max(4, Math.min(24, Math.floor(560 / columns)));
  // Square cells where there is room; flatter ones if there are many rows.
  const height = rows <= 16 ? Math.max(single ? 24 : 17, Math.min(30, Math.floor(120 / rows))) : rows <= 40 ? 15 : 9;
  const longest = (/** @type {string[]} */ texts) => Math.max(0, ...texts.map((text) => text.length)) * LETTER;
  const rowLabels = grid.rows.ticks.map((tick) => tickLabel(grid.rows, tick));
  const columnLabels = [grid.columns.ticks, ...grid.panels.map((panel) => panel.ticks ?? [])].flat().map((tick) => tickLabel(grid.columns, tick));
  const turned = longest(columnLabels) > width + 4 && columns <= 64;
  return {
    width,
    height,
    // Whole pixels, so that cell edges stay sharp.
    left: Math.round(Math.min(120, 21 + longest(grid.rows.counts === 'layer-head' ? ['L11'] : rowLabels))),
    bottom: 20 + (turned ? Math.min(110, longest(columnLabels)) : 14),
    turned,
    rowTicks: grid.rows.counts === 'layer-head' && height < 12
      ? indices(rows).filter((row) => /H0$/.test(grid.rows.ticks[row]))
      : every(rows, Math.ceil(12 / height)),
    columnTicks: every(columns, turned ? Math.ceil(12 / width) : Math.ceil((longest(columnLabels) + 4) / width)),
  };
}

/** @param {number} count */
function indices(count) {
  return Array.from({ length: count }, (_, index) => index);
}

/** @param {number} count @param {number} step */
function every(count, step) {
  return indices(count).filter((index) => index % step === 0);
}
