// Figures that are updated in place, so that previews fill in without a jump and the focus stays where it is.

/** @import { Grid, Part } from '../types/engine.js' */
/** @import { Slices } from './slices.js' */

/** @typedef {(part: Part) => boolean} Update takes a new part; false if its shape differs, so that it has to be redrawn */

/** @type {WeakMap<Element, Update>} */
const updates = new WeakMap();

/** @param {Element} figure @param {Update} update */
export function updatable(figure, update) {
  updates.set(figure, update);
}

/**
 * Shows a new part in a figure that `drawPart` drew.
 *
 * @param {Element} figure
 * @param {Part} part
 * @returns {boolean} false if the figure cannot show it and has to be redrawn
 */
export function updatePart(figure, part) {
  return updates.get(figure)?.(part) ?? false;
}

/** @type {WeakMap<Element, Slices>} */
const painters = new WeakMap();

/** @param {Element} figure @param {Slices} slices the jobs that paint it */
export function paintedBy(figure, slices) {
  painters.set(figure, slices);
}

/** Resolves when a figure that `drawPart` drew is complete: large ones are painted in slices. @param {Element} figure @returns {Promise<void>} */
export async function whenPainted(figure) {
  await painters.get(figure)?.done;
}

/** Whether two grids differ only in their values. @param {Grid} a @param {Grid} b */
export function sameShape(a, b) {
  const shape = (/** @type {Grid} */ { title, note, site, rows, columns, measures, panels }) =>
    JSON.stringify([title, note, site, rows, columns, measures, panels.map((panel) => [panel.name, panel.group, panel.minus, panel.ticks, panel.prompts])]);
  return shape(a) === shape(b);
}
