// The numbers for a head, a neuron or a patch from all figures on the page, with a link to each figure.

import { h } from '../dom.js';
import { formatQuantity, full } from '../numbers.js';
import { indexOnAxis } from '../reports/grid-view.js';

/** @import { Grid, Panel, Report } from '../types/engine.js' */
/** @import { Item } from '../store/item.js' */

/** @param {Item} item @param {{ analysis: string, report: Report }[]} figures those with up-to-date results @param {(analysis: string) => void} goTo */
export function numbersTable(item, figures, goTo) {
  const parts = figures.filter(({ analysis }) => analysis !== 'compare').flatMap(({ analysis, report }) => report.parts.map((part) => ({ analysis, part })));
  const rows = parts.flatMap(({ analysis, part }) => {
    if (part.kind !== 'heat' && part.kind !== 'line') return [];
    if (item.kind === 'patch' && part.site !== siteOf(item)) return [];
    const panel = part.panels.find((one) => one.group === item.group && one.minus === null);
    const cell = panel ? cellOf(part, panel, item) : null;
    if (cell === null || !panel) return [];
    return [h('tr', {},
      h('th', { scope: 'row' }, h('button', { type: 'button', class: 'link', on: { click: () => goTo(analysis) } }, part.title)),
      valueCell(part, panel, cell))];
  });
  if (rows.length === 0) return [h('p', { class: 'hint' }, 'No figure on the page has a number for it on this group yet.')];
  return [
    h('h4', { class: 'card-subtitle' }, 'In the figures'),
    h('table', { class: 'numbers-table' }, h('caption', { class: 'visually-hidden' }, 'Its numbers in the figures on the page'), h('tbody', {}, ...rows)),
  ];
}

/** @param {Grid} grid @param {Panel} panel @param {number} cell */
function valueCell(grid, panel, cell) {
  const [first] = panel.values;
  const value = first?.mean[cell];
  if (!first || value === null || value === undefined) return h('td', { class: 'number' }, '\u2013');
  const { label, quantity } = grid.measures[first.measure];
  const [low, high] = [first.low[cell] ?? null, first.high[cell] ?? null];
  const interval = low !== null && high !== null ? `\n95 % interval: ${full(low)} to ${full(high)}` : '';
  return h('td', { class: 'number', data: { value }, tip: `${label}\n${full(value)}${interval}` }, formatQuantity(value, quantity));
}

/** The hook point's name within its layer. @param {Item} item */
function siteOf({ site }) {
  return site?.replace(/^blocks\.\d+\./, '');
}

/** The index of an item's number in a panel; null if it has none. @param {Grid} grid @param {Panel} panel @param {Item} item */
function cellOf(grid, panel, { layer, head, neuron, position }) {
  const target = { layer, head, neuron, position };
  const row = indexOnAxis(grid.rows, target);
  const columns = (panel.ticks ?? grid.columns.ticks).length;
  // Position labels are in the panels.
  const column = grid.columns.counts === 'position' ? (position !== undefined && position < columns ? position : -1) : indexOnAxis(grid.columns, target);
  const mentions = grid.rows.counts === 'layer-head' || [grid.rows.counts, grid.columns.counts].includes(head !== undefined ? 'head' : neuron !== undefined ? 'neuron' : 'position');
  return row >= 0 && column >= 0 && mentions ? row * columns + column : null;
}
