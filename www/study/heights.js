// Heights of pictures, estimated from the model's size and the groups.

/** `layers` and `heads` of the model, `groups` shown, `width` of the article in pixels. @typedef {{ layers: number, heads: number, groups: number, width: number }} Size */

/** Height of title, caption and controls. */
export const FRAME = 78;
/** Of an analysis that has no estimate. */
export const UNKNOWN = 260;

/** A layer x position heat map. @param {Size} size */
export function positions({ layers, groups, width }) {
  return 100 + rowsOf(groups, 330, width) * (190 + rowHeight(layers, groups) * layers);
}

/** Lines over neurons, one lane per layer, and the table of the largest values. @param {Size} size @param {number} frame */
export function lanes({ layers, groups, width }, frame) {
  const lane = 86;
  return groups > 1 ? frame + rowsOf(groups, 380, width) * (60 + lane * layers) + 37 * groups : frame + lane * layers + 560;
}

/** Rows of maps in a figure: side by side for one group, stacked for several. @param {Size} size @param {number} maps */
export function mapRows({ groups, width }, maps) {
  return groups > 1 ? maps : Math.ceil(maps / Math.max(1, Math.floor((width + 22) / 286)));
}

/** @param {number} layers @param {number} groups */
export function rowHeight(layers, groups) {
  return layers <= 16 ? (groups === 1 ? 24 : 17) : 15;
}

/** @param {number} panels @param {number} each @param {number} width */
export function rowsOf(panels, each, width) {
  return Math.ceil(panels / Math.max(1, Math.floor(width / each)));
}
