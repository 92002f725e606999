// The layout of a figure's report: charts first, with their common controls above; tables that only back them up are
// folded; names of heads and neurons in tables open the inspector.

import { h } from '../dom.js';
import { measureSwitch, promptChoice, scaleSwitch } from '../reports/grid-controls.js';
import { drawPart, drawReport, foldTable } from '../reports/index.js';
import { viewOf } from '../reports/view.js';

/** @import { Actions } from '../reports/actions.js' */
/** @import { Report } from '../types/engine.js' */

/**
 * @typedef {object} Layout
 * @property {string} title the figure's title, not repeated above its chart
 * @property {Actions} actions
 * @property {'folded' | 'beside' | undefined} tables folded even if there is only one, or side by side
 * @property {{ measure: string, choose: (measure: string) => void } | null} measure the measure that all patching figures show
 * @property {() => void} redraw
 * @property {(name: string) => number} groupNamed
 */

/** @param {Report} report @param {Layout} layout */
export function layOut(report, layout) {
  const controls = layout.measure ? sharedControls(report, layout, layout.measure) : null;
  const pictures = report.parts.filter((part) => part.kind !== 'table');
  const tables = report.parts.filter((part) => part.kind === 'table');
  const beside = layout.tables === 'beside' && tables.length > 0;
  const folding = layout.tables === 'folded' && tables.length === 1;
  const drawn = drawReport(beside || folding ? { ...report, parts: pictures } : report, layout.actions);
  if (beside) drawn.append(h('div', { class: 'tables-beside' }, ...tables.map((table) => drawPart(table))));
  if (folding) drawn.append(h('div', { class: 'folds' }, foldTable(tables[0])));
  if (controls) drawn.classList.add('report-shared');
  const maps = [...drawn.children].filter((child) => child.matches('.part-heat'));
  if (maps.length > 1 && pictures.every((part) => part.kind !== 'heat' || part.panels.length === 1)) {
    const row = h('div', { class: 'maps' });
    maps[0].before(row);
    row.append(...maps);
  }
  if (controls) drawn.prepend(controls);
  for (const part of drawn.querySelectorAll('.part')) {
    if (/** @type {HTMLElement} */ (part).dataset.title === layout.title) part.classList.add('is-title-said');
  }
  linkNames(drawn, layout);
  return drawn;
}

/** One set of controls for all charts of a figure. @param {Report} report @param {Layout} layout @param {NonNullable<Layout['measure']>} measure */
function sharedControls(report, layout, measure) {
  const grids = report.parts.filter((part) => part.kind === 'heat' || part.kind === 'line');
  if (grids.length === 0) return null;
  const shared = viewOf(`${report.analysis}/all`);
  shared.measure = measure.measure;
  for (const part of report.parts) Object.assign(viewOf(`${report.analysis}/${part.kind}/${part.title}`), { measure: shared.measure, prompt: shared.prompt, fit: shared.fit });
  const [grid] = grids;
  return h('div', { class: 'controls shared-controls', data: { screen: true } },
    measureSwitch(grid, shared, () => measure.choose(shared.measure)),
    promptChoice(grid, shared, layout.redraw),
    scaleSwitch(grid, shared, layout.redraw));
}

/** Turns names such as L8N2744 in tables into buttons that open the inspector. @param {HTMLElement} drawn @param {Layout} layout */
function linkNames(drawn, { actions, groupNamed }) {
  for (const cell of drawn.querySelectorAll('td.q-text .prose-cell')) {
    const [, layer, kind, index] = /^L(\d+)([HN])(\d+)$/.exec(cell.textContent ?? '') ?? [];
    if (layer === undefined) continue;
    const table = /** @type {HTMLElement | null} */ (cell.closest('.data-table'));
    const group = groupNamed(table?.dataset.title ?? '');
    const open = () => {
      if (kind === 'H') actions.onHead?.({ layer: Number(layer), head: Number(index), group });
      else actions.onNeuron?.({ layer: Number(layer), neuron: Number(index), group });
    };
    cell.replaceChildren(h('button', { type: 'button', class: 'link', on: { click: open } }, cell.textContent));
  }
}
