// The layout of a figure's report: charts first, with their common controls above; tables that only back them up are
// folded; names of heads and neurons in tables open the inspector.

import { effect, untracked } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';
import { measureSwitch, promptChoice, scaleSwitch } from '../reports/grid-controls.js';
import { drawPart, drawReport, foldTable, repaintPart } from '../reports/index.js';

/** @import { Actions } from '../reports/actions.js' */
/** @import { Picture, Stage } from '../reports/stage.js' */
/** @import { Part, Report } from '../types/engine.js' */

/**
 * @typedef {object} Layout
 * @property {string} title the figure's title, not repeated above its chart
 * @property {Stage} stage
 * @property {'folded' | 'beside' | undefined} tables folded even if there is only one, or side by side
 * @property {Picture | null} measure the view that all charts of the figure share, with the measure of all patching figures
 */

/** @typedef {Extract<Part, { kind: 'heat' | 'line' }>} GridPart */

/** @param {Report} report @param {Layout} layout */
export function layOut(report, { title, stage, tables: place, measure }) {
  const pictures = report.parts.filter((part) => part.kind !== 'table');
  const tables = report.parts.filter((part) => part.kind === 'table');
  const beside = place === 'beside' && tables.length > 0;
  const folding = place === 'folded' && tables.length === 1;
  const own = measure ? stage.with({ pictures: () => measure }) : stage;
  const drawn = drawReport(beside || folding ? { ...report, parts: pictures } : report, own);
  if (beside) drawn.append(h('div', { class: 'tables-beside' }, ...tables.map((table) => drawPart(table, own))));
  if (folding) drawn.append(h('div', { class: 'folds' }, foldTable(tables[0], own)));
  const maps = [...drawn.children].filter((child) => child.matches('.part-heat'));
  if (maps.length > 1 && pictures.every((part) => part.kind !== 'heat' || part.panels.length === 1)) {
    const row = h('div', { class: 'maps' });
    maps[0].before(row);
    row.append(...maps);
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

/** One set of controls for all charts of a figure. @param {GridPart} grid @param {Picture} shared @param {HTMLElement} drawn @param {Stage} stage */
function sharedControls(grid, shared, drawn, stage) {
  const repaint = () => drawn.querySelectorAll('.part').forEach(repaintPart);
  const measures = measureSwitch(grid, shared, () => {});
  let isFirst = true;
  // The measure is that of all patching figures: it may be changed at another one.
  stage.scope.add(effect(() => {
    measures?.show(shared.now.measure || grid.measures[0].name);
    if (!isFirst) untracked(repaint);
    isFirst = false;
  }));
  return h('div', { class: 'controls shared-controls', data: { screen: true } }, measures, promptChoice(grid, shared, () => {}), scaleSwitch(grid, shared, () => {}));
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
