// The numbers of a grid: for each panel, measure and cell, the mean with its interval and one line per prompt.

import { columnCount, columnTicks, targetOf } from '../reports/grid-view.js';

/** @import { Grid } from '../types/engine.js' */
/** @import { CsvRow } from './csv.js' */

/** @param {Grid} grid @returns {Generator<CsvRow>} */
export function* gridRows(grid) {
  const { rows, columns, measures, panels, site } = grid;
  const first = targetOf(grid, 0, 0);
  // A component is identified by its tick label.
  const has = /** @type {const} */ (['layer', 'head', 'neuron', 'position']).filter((key) => first[key] !== undefined);
  yield ['panel', 'measure', 'site', ...has, `row: ${rows.label}`, `column: ${columns.label}`, 'prompt', 'value', 'interval low', 'interval high', 'p', 'p adjusted', 'clean mean', 'corrupted mean'];
  for (const panel of panels) {
    const ticks = columnTicks(grid, panel);
    const count = columnCount(grid, panel);
    for (const { measure, mean, low, high, p: ps = [], adjusted = [], prompts, clean, corrupted } of panel.values) {
      for (const [r, row] of rows.ticks.entries()) {
        for (let c = 0; c < count; c += 1) {
          const cell = r * count + c;
          const target = targetOf(grid, r, c);
          const name = site === null ? null : target.layer === undefined ? site : `blocks.${target.layer}.${site}`;
          const place = [panel.name, measures[measure].name, name, ...has.map((key) => target[key]), row, ticks[c]];
          yield [...place, '(mean)', mean[cell], low[cell], high[cell], ps[cell], adjusted[cell], clean, corrupted];
          for (const [p, numbers] of prompts.entries()) yield [...place, panel.prompts[p] ?? p, numbers[cell], null, null, null, null, null, null];
        }
      }
    }
  }
}
