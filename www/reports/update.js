// Pictures that change in place, so that previews fill in without a jump and the focus stays where it is.

/** @import { Grid, Part } from '../types/engine.js' */

/**
 * @typedef {object} Alive
 * @property {() => void} repaint shows the picture again after a change of its view
 * @property {(part: Part) => boolean} [update] takes a new part; false if its shape differs, so that it has to be redrawn
 * @property {{ readonly done: Promise<unknown> }} [slices] the jobs that paint it
 * @property {() => number[]} [stops] the tab stop of each panel
 * @property {(stops: number[]) => void} [resume] takes up the tab stops of a picture that this one replaces
 */

/** @type {WeakMap<Element, Alive>} */
const pictures = new WeakMap();

/** @param {Element} figure @param {Alive} alive */
export function keepAlive(figure, alive) {
  pictures.set(figure, alive);
}

/**
 * Shows a new part in a picture that `drawPart` drew.
 *
 * @param {Element} figure
 * @param {Part} part
 * @returns {boolean} false if the picture cannot show it and has to be redrawn
 */
export function updatePart(figure, part) {
  return pictures.get(figure)?.update?.(part) ?? false;
}

/** Shows a picture again after its view was changed from outside. @param {Element} figure */
export function repaintPart(figure) {
  pictures.get(figure)?.repaint();
}

/** Gives the pictures of `after` the tab stops of those of `before`, of which they are new drawings. @param {Iterable<Element>} before @param {Iterable<Element>} after */
export function keepStops(before, after) {
  const stops = [...before].map((figure) => pictures.get(figure)?.stops?.() ?? []);
  [...after].forEach((figure, index) => pictures.get(figure)?.resume?.(stops[index] ?? []));
}

/** Resolves when a picture that `drawPart` drew is complete: large ones are painted in slices. @param {Element} figure @returns {Promise<void>} */
export async function whenPainted(figure) {
  await pictures.get(figure)?.slices?.done;
}

/** Whether two grids differ only in their values. @param {Grid} a @param {Grid} b */
export function sameShape(a, b) {
  const shape = (/** @type {Grid} */ { title, note, site, rows, columns, measures, panels }) =>
    JSON.stringify([title, note, site, rows, columns, measures, panels.map((panel) => [panel.name, panel.group, panel.minus, panel.ticks, panel.prompts])]);
  return shape(a) === shape(b);
}
