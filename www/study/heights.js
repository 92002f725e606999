// Estimates figure heights from the model's size and the groups, so that the page does not change its length when they are
// computed.

/** @import { ModelInfo } from '../types/engine.js' */

/** @typedef {{ layers: number, heads: number, groups: number, width: number }} Size */

/** Height of title, caption and controls. */
const FRAME = 78;

/** @type {Record<string, (size: Size) => number>} */
const HEIGHTS = {
  'logit-diff': ({ groups }) => 139 + 70.6 * groups,
  'test-prompt': () => 470,
  'logit-lens': ({ width }) => (width < 500 ? 470 : 450),
  'layer-attribution': ({ groups }) => 483 + 37 * groups,
  'text-lens': ({ layers }) => 154 + 21 * (2 * layers + 1),
  'head-attribution': ({ layers, heads, groups, width }) => 136 + rowsOf(groups, 60 + 30 * heads, width) * (110 + rowHeight(layers, groups) * layers),
  attention: () => FRAME + 560,
  'residual-patching': (size) => 100 + positions(size),
  'component-patching': (size) => 136 + mapRows(size, 2) * positions(size),
  'head-patching': (size) => mapRows(size, 5) * (136 + rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (134 + rowHeight(size.layers, size.groups) * size.layers)) + 2 * (90 + (size.groups > 1 ? 360 * rowsOf(size.groups, 340, size.width) : 510)),
  'neuron-attribution': (size) => lanes(size, 190),
  'neuron-patching': (size) => lanes(size, 246),
  'neuron-on-text': () => 560,
  checks: ({ groups }) => (groups > 1 ? 60 + 37 * groups : 282),
  'notebook-figures': () => 64,
};

/** @param {string} analysis @param {Pick<ModelInfo, 'n_layers' | 'n_heads'>} model @param {{ groups: number, width: number }} about */
export function heightOf(analysis, model, about) {
  return HEIGHTS[analysis]?.({ layers: model.n_layers, heads: model.n_heads, ...about }) ?? 260;
}

/** A layer x position heat map. @param {Size} size */
function positions({ layers, groups, width }) {
  return 100 + rowsOf(groups, 330, width) * (190 + rowHeight(layers, groups) * layers);
}

/** Lines over neurons, one lane per layer, and the table of the largest values. @param {Size} size @param {number} frame */
function lanes({ layers, groups, width }, frame) {
  const lane = 86;
  return groups > 1 ? frame + rowsOf(groups, 380, width) * (60 + lane * layers) + 37 * groups : frame + lane * layers + 560;
}

/** Rows of maps in a figure: side by side for one group, stacked for several. @param {Size} size @param {number} maps */
function mapRows({ groups, width }, maps) {
  return groups > 1 ? maps : Math.ceil(maps / Math.max(1, Math.floor((width + 22) / 286)));
}

/** @param {number} layers @param {number} groups */
function rowHeight(layers, groups) {
  return layers <= 16 ? (groups === 1 ? 24 : 17) : 15;
}

/** @param {number} panels @param {number} each @param {number} width */
function rowsOf(panels, each, width) {
  return Math.ceil(panels / Math.max(1, Math.floor(width / each)));
}
