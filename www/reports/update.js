// Pictures that take new numbers in place: a preview fills in without a jump, and the focus stays where it is.

/** @import { Grid, Part } from '../types/engine.js' */
/** @import { Slices } from './slices.js' */

/** @typedef {(part: Part) => boolean} Update takes a new part; false if it has another shape and must be drawn anew */

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
 * @returns {boolean} false if the figure cannot show it: then it must be drawn anew
 */
export function updatePart(figure, part) {
  return updates.get(figure)?.(part) ?? false;
}

/** @type {WeakMap<Element, Slices>} */
const painters = new WeakMap();

/** @param {Element} figure @param {Slices} slices what paints it */
export function paintedBy(figure, slices) {
  painters.set(figure, slices);
}

/** Fulfilled when a figure that `drawPart` drew is complete: large ones are painted bit by bit. @param {Element} figure @returns {Promise<void>} */
export async function whenPainted(figure) {
  await painters.get(figure)?.done;
}

/** Whether two grids differ in nothing but their numbers. @param {Grid} a @param {Grid} b */
export function sameShape(a, b) {
  const shape = (/** @type {Grid} */ { title, note, site, rows, columns, measures, panels }) =>
    JSON.stringify([title, note, site, rows, columns, measures, panels.map((panel) => [panel.name, panel.group, panel.minus, panel.ticks, panel.prompts])]);
  return shape(a) === shape(b);
}
