// The view of a grid: which measure, which values, on which scale, and the name of each cell.

import { precise, signed } from '../numbers.js';

/** @import { Axis, Grid, Measure, Panel, Values } from '../types/engine.js' */
/** @import { Target } from './hover.js' */
/** @import { PictureView } from '../store/view.js' */

/** @typedef {{ low: number, high: number, middle: number | null, below: boolean, above: boolean }} Domain the ends of a scale, and whether values lie beyond them */

/** The measure shown. @param {{ measures: Measure[] }} part @param {PictureView} view */
export function measureOf(part, view) {
  return Math.max(0, part.measures.findIndex((measure) => measure.name === view.measure));
}

/** A panel's values in a measure; null if the measure is not defined for it. @param {Panel} panel @param {number} measure @returns {Values | null} */
export function valuesOf(panel, measure) {
  return panel.values.find((values) => values.measure === measure) ?? null;
}

/**
 * The values that a panel shows. A difference between groups has no prompts, so it always shows the means.
 *
 * @param {Panel} panel
 * @param {number} measure
 * @param {PictureView} view
 * @returns {(number | null)[] | null}
 */
export function numbersOf(panel, measure, view) {
  const values = valuesOf(panel, measure);
  return values && (values.prompts[view.prompt] ?? values.mean);
}

/** The largest number of prompts in a panel. @param {Grid} grid */
export function promptCount(grid) {
  return Math.max(0, ...grid.panels.map((panel) => panel.prompts.length));
}

/**
 * The common scale of all panels. Single prompts share one as well, so that they can be compared.
 *
 * @param {Grid} grid
 * @param {PictureView} view
 * @returns {Domain}
 */
export function domainOf(grid, view) {
  return domainOfPanels(grid, grid.panels.filter((panel) => panel.minus === null), view);
}

/**
 * The scale of the differences between groups, fitted to them: they are a fraction of the groups' own numbers, and on the same
 * scale they would be blank. Null if there are none.
 *
 * @param {Grid} grid
 * @param {PictureView} view
 * @returns {Domain | null}
 */
export function differenceDomain(grid, view) {
  const panels = grid.panels.filter((panel) => panel.minus !== null);
  const domain = panels.length > 0 ? domainOfPanels(grid, panels, { ...view, prompt: -1, fit: true }) : null;
  if (!domain) return null;
  const limit = Math.max(Math.abs(domain.low), Math.abs(domain.high)) || 1;
  return { low: -limit, high: limit, middle: 0, below: false, above: false };
}

/** @param {Grid} grid @param {Panel[]} panels @param {PictureView} view @returns {Domain} */
function domainOfPanels(grid, panels, view) {
  const index = measureOf(grid, view);
  const { range, middle } = grid.measures[index];
  let low = Infinity;
  let high = -Infinity;
  for (const panel of panels) {
    const values = valuesOf(panel, index);
    if (!values) continue;
    for (const numbers of view.prompt >= 0 && values.prompts.length > 0 ? values.prompts : [values.mean]) {
      for (const number of numbers) {
        if (number === null || !Number.isFinite(number)) continue;
        if (number < low) low = number;
        if (number > high) high = number;
      }
    }
  }
  if (low > high) [low, high] = [middle ?? 0, (middle ?? 0) + 1];
  if (range && !view.fit) {
    // A patch that restores everything may give 1.0000001, which does not count as beyond the scale.
    const slack = 1e-3 * (range[1] - range[0]);
    return { low: range[0], high: range[1], middle, below: low < range[0] - slack, above: high > range[1] + slack };
  }
  if (middle === null) return { low, high: high > low ? high : low + 1, middle, below: false, above: false };
  const limit = Math.max(high - middle, middle - low) || 1;
  return { low: middle - limit, high: middle + limit, middle, below: false, above: false };
}

/** What a row or column stands for, as far as its axis says. @param {Axis} axis @param {number} index @returns {Target} */
function targetOnAxis(axis, index) {
  const tick = axis.ticks[index];
  switch (axis.counts) {
    case 'layer':
      return { layer: Number(tick) };
    case 'head':
      return { head: Number(tick) };
    case 'neuron':
      return { neuron: Number(tick) };
    case 'position':
      return { position: index };
    case 'component':
      return { component: tick };
    case 'layer-head': {
      const [, layer, head] = /L(\d+)H(\d+)/.exec(tick) ?? [];
      return { layer: Number(layer), head: Number(head) };
    }
    default:
      return {};
  }
}

/** @param {Grid} grid @param {number} row @param {number} column @returns {Target} */
export function targetOf(grid, row, column) {
  return { ...targetOnAxis(grid.rows, row), ...targetOnAxis(grid.columns, column) };
}

/** The column labels of a panel: position labels differ between panels. @param {Grid} grid @param {Panel} panel */
export function columnTicks(grid, panel) {
  return panel.ticks ?? grid.columns.ticks;
}

/** The number of columns of a panel: groups may have prompts of different lengths. @param {Grid} grid @param {Panel} panel */
export function columnCount(grid, panel) {
  const rows = grid.rows.ticks.length;
  return panel.values.length > 0 && rows > 0 ? panel.values[0].mean.length / rows : columnTicks(grid, panel).length;
}

/**
 * The row or column of a target; -1 if it has none on this axis.
 *
 * @param {Axis} axis
 * @param {Target | null} target
 * @param {number} [count] number of rows or columns, for an axis without labels
 */
export function indexOnAxis(axis, target, count = axis.ticks.length) {
  if (!target) return -1;
  const { layer, head, neuron, position, component } = target;
  /** @param {number | undefined} at */
  const counted = (at) => (at === undefined ? -1 : axis.ticks.indexOf(String(at)));
  switch (axis.counts) {
    case 'layer':
      return counted(layer);
    case 'head':
      return counted(head);
    case 'neuron':
      return counted(neuron);
    case 'position':
      return position !== undefined && position < count ? position : -1;
    case 'component':
      return component === undefined ? -1 : axis.ticks.indexOf(component);
    case 'layer-head':
      return layer === undefined || head === undefined ? -1 : axis.ticks.indexOf(`L${layer}H${head}`);
    default:
      return -1;
  }
}

/** Makes spaces and line breaks visible, for text that cannot be marked up. @param {string} text */
export function visible(text) {
  return text.replaceAll(' ', '\u00b7').replaceAll('\n', '\u21b5').replaceAll('\t', '\u21e5');
}

/** How many of a panel's prompts have a cell; null if all have all. @param {Panel} panel @param {number} cell */
export function countOf({ counts }, cell) {
  return counts ? counts[cell % counts.length] : null;
}

/** The rate of false discoveries at which cells are marked. */
export const RATE = 0.05;

/** Whether a cell's mean is among those of which at most this share is expected to be there by chance. @param {Values} values @param {PictureView} view @param {number} cell */
export function isMarked(values, view, cell) {
  return view.prompt < 0 && (values.adjusted?.[cell] ?? 1) <= RATE; // studies of earlier versions have none
}

/** What stands in place of a number. @param {Grid} grid @param {Panel} panel @param {PictureView} view @param {number} cell */
export function whyMissing(grid, panel, view, cell) {
  const values = valuesOf(panel, measureOf(grid, view));
  if (!values) return 'not defined for this group';
  const what = grid.columns.counts === 'role' ? 'such role' : 'such position';
  if (countOf(panel, cell) === 0) return `no prompt has ${what === 'such role' ? 'this role' : 'this position'}`;
  return values.prompts[view.prompt] !== undefined && panel.counts ? `this prompt has no ${what}` : 'not computed yet';
}

/** A tick label as it is shown beside the axis. @param {Axis} axis @param {string} tick */
export function tickLabel(axis, tick) {
  return axis.counts === 'position' ? visible(tick) : tick;
}

/** A column's label in a panel; where not all prompts have it, with how many do. @param {Grid} grid @param {Panel} panel @param {number} column */
export function columnLabel(grid, panel, column) {
  const tick = tickLabel(grid.columns, columnTicks(grid, panel)[column] ?? '');
  const count = panel.counts?.length === columnTicks(grid, panel).length ? panel.counts[column] : panel.prompts.length;
  return count < panel.prompts.length ? `${tick} (${count})` : tick;
}

/** Whether the only row is there just because a grid needs one. @param {Grid} grid */
function hasOneUnnamedRow({ rows }) {
  return rows.ticks.length === 1 && rows.counts === 'other';
}

/**
 * A cell's name: `L7H11`, else its row and column labels.
 *
 * @param {Grid} grid
 * @param {Panel} panel
 * @param {number} row
 * @param {number} column
 */
export function cellName(grid, panel, row, column) {
  const kinds = `${grid.rows.counts}/${grid.columns.counts}`;
  const target = targetOf(grid, row, column);
  if (kinds === 'layer/head' || kinds === 'head/layer') return `L${target.layer}H${target.head}`;
  if (kinds === 'layer/neuron') return `L${target.layer}N${target.neuron}`;
  const one = (/** @type {Axis} */ axis, /** @type {string} */ tick) => (axis.counts === 'layer' ? `L${tick}` : tickLabel(axis, tick));
  const columnTick = columnTicks(grid, panel)[column] ?? '';
  if (hasOneUnnamedRow(grid)) return one(grid.columns, columnTick);
  return `${one(grid.rows, grid.rows.ticks[row])}, ${one(grid.columns, columnTick)}`;
}

/**
 * The full description of a cell, for its tooltip.
 *
 * @param {Grid} grid
 * @param {Panel} panel
 * @param {PictureView} view
 * @param {number} row
 * @param {number} column
 * @returns {string}
 */
export function describeCell(grid, panel, view, row, column) {
  const index = measureOf(grid, view);
  const measure = grid.measures[index];
  const values = valuesOf(panel, index);
  const cell = row * columnCount(grid, panel) + column;
  const number = numbersOf(panel, index, view)?.[cell];
  const target = targetOf(grid, row, column);
  const site = grid.site && target.layer !== undefined ? `blocks.${target.layer}.${grid.site}` : null;
  const isPrompt = values?.prompts[view.prompt] !== undefined;
  const lines = [
    `${cellName(grid, panel, row, column)}${grid.panels.length > 1 ? `   ${panel.name}` : ''}`,
    `${measure.label}: ${number === null || number === undefined ? whyMissing(grid, panel, view, cell) : precise(number)}`,
  ];
  const count = countOf(panel, cell);
  const over = count === null ? `${values?.prompts.length} prompts` : `the ${count} of ${panel.prompts.length} prompts that have it`;
  const mean = values?.mean[cell] ?? null;
  if (isPrompt) lines.push(`prompt ${view.prompt + 1}: ${visible(panel.prompts[view.prompt] ?? '')}`, `mean over ${over}: ${mean === null ? 'not computed yet' : precise(mean)}`);
  else if (count && count < panel.prompts.length) lines.push(`mean over ${over}`);
  const [low, high] = [values?.low[cell] ?? null, values?.high[cell] ?? null];
  if (low !== null && high !== null) lines.push(`95 % interval of the mean: ${precise(low)} to ${precise(high)}`);
  const [p, adjusted] = [values?.p?.[cell] ?? null, values?.adjusted?.[cell] ?? null];
  if (p !== null && adjusted !== null) lines.push(`p = ${precise(p)} by sign flips over pairs, ${precise(adjusted)} adjusted for ${values?.p.length} cells`);
  const place = `${grid.columns.label} ${tickLabel(grid.columns, columnTicks(grid, panel)[column] ?? '')}`;
  lines.push(hasOneUnnamedRow(grid) ? place : `${grid.rows.label} ${tickLabel(grid.rows, grid.rows.ticks[row])}, ${place}`);
  if (site) lines.push(site);
  const means = baselines(grid, panel, index);
  if (means) lines.push(means);
  return lines.join('\n');
}

/** Why the shares that a panel shows say little; null if it shows none, or they may be read as they are. @param {Grid} grid @param {Panel} panel @param {PictureView} view */
export function cautionOf(grid, panel, view) {
  return grid.measures[measureOf(grid, view)].quantity === 'share' ? panel.caution : null;
}

/**
 * The unpatched clean and corrupted means: the measure's own, or those of the first measure that has any, because a
 * normalised value means little without them.
 *
 * @param {Grid} grid
 * @param {Panel} panel
 * @param {number} measure
 */
export function baselines(grid, panel, measure) {
  const own = valuesOf(panel, measure);
  // For a normalised effect they are 1 and 0 by definition.
  const telling = [own, ...panel.values].filter((candidate) => candidate && grid.measures[candidate.measure].quantity !== 'share');
  const values = telling.find((candidate) => candidate && candidate.clean !== null && candidate.corrupted !== null);
  if (!values || values.clean === null || values.corrupted === null) return '';
  const { label } = grid.measures[values.measure];
  return `${label}: clean\u00a0${signed(values.clean, 3)}, corrupted\u00a0${signed(values.corrupted, 3)}`;
}
