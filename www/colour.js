// Colours for figures. Cell colours are the same in both themes, so that a figure reads the same everywhere. Lines and
// points are drawn on the page's background, so they are lighter in the dark theme.

/** @typedef {number[]} Rgb red, green and blue from 0 to 255 */

/** ColorBrewer's RdBu with 11 classes, from the most negative to the most positive. @type {Rgb[]} */
const RDBU = [
  [103, 0, 31], [178, 24, 43], [214, 96, 77], [244, 165, 130], [253, 219, 199], [247, 247, 247],
  [209, 229, 240], [146, 197, 222], [67, 147, 195], [33, 102, 172], [5, 48, 97],
];
/** ColorBrewer's Blues, from white. @type {Rgb[]} */
const BLUES = [[255, 255, 255], [222, 235, 247], [198, 219, 239], [158, 202, 225], [107, 174, 214], [66, 146, 198], [33, 113, 181], [8, 81, 156], [8, 48, 107]];
/** White to red, as in Neuroscope. @type {Rgb[]} */
const REDS = [[255, 255, 255], [254, 224, 210], [252, 187, 161], [252, 146, 114], [251, 106, 74], [239, 59, 44], [203, 24, 29]];

/** Matplotlib's viridis. @type {Rgb[]} */
const VIRIDIS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140], [34, 168, 132], [68, 191, 112],
  [122, 209, 81], [189, 223, 38], [253, 231, 37],
];

/** Okabe and Ito's colour-blind-safe colours, as [light theme, dark theme]; without yellow, which is invisible on white. */
const CATEGORIES = [
  ['#0072b2', '#3f9fdc'], ['#d55e00', '#e8752a'], ['#009e73', '#1fb98c'], ['#cc79a7', '#d892b9'],
  ['#56b4e9', '#8accf2'], ['#e69f00', '#efb73d'], ['#7f4f24', '#b5855a'], ['#6b6b6b', '#a3a3a3'],
];

/** @param {Rgb[]} stops @param {number} place from 0 to 1 @returns {Rgb} */
function between(stops, place) {
  const at = Math.max(0, Math.min(1, place || 0)) * (stops.length - 1);
  const left = Math.min(Math.floor(at), stops.length - 2);
  return stops[left].map((from, i) => Math.round(from + (at - left) * (stops[left + 1][i] - from)));
}

/** @param {Rgb} rgb */
function css(rgb) {
  return `rgb(${rgb.join(' ')})`;
}

/**
 * The diverging RdBu scale that TransformerLens notebooks use, from `-limit` to `limit`; blue is positive.
 *
 * @param {number} value
 * @param {number} limit
 * @returns {string}
 */
export function diverging(value, limit) {
  return css(between(RDBU, limit > 0 ? (value / limit + 1) / 2 : 0.5));
}

/** White to blue. @param {number} place from 0 to 1 */
export function blues(place) {
  return css(between(BLUES, place));
}

/** White to red. @param {number} place from 0 to 1 */
export function reds(place) {
  return css(between(REDS, place));
}

/** Sequential colours, for layers: viridis without the end that vanishes into the background. @param {number} place from 0 to 1 */
export function ordered(place) {
  return `light-dark(${css(between(VIRIDIS, 0.92 * place))}, ${css(between(VIRIDIS, 0.22 + 0.78 * place))})`;
}

/** Categorical colours, for groups. @param {number} index */
export function category(index) {
  const [light, dark] = CATEGORIES[index % CATEGORIES.length];
  return `light-dark(${light}, ${dark})`;
}

/** Black or white, whichever is more readable on `rgb(r g b)`. @param {string} colour */
export function textOn(colour) {
  const [r, g, b] = (colour.match(/\d+/g) ?? []).map((part) => (Number(part) / 255 > 0.04 ? ((Number(part) / 255 + 0.055) / 1.055) ** 2.4 : 0));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff';
}

/**
 * A colour scale as a lookup table, because it is applied to thousands of cells.
 *
 * @param {{ low: number, high: number, middle: number | null }} domain
 * @returns {(value: number) => string}
 */
export function shades({ low, high, middle }) {
  const limit = middle === null ? 0 : Math.max(high - middle, middle - low);
  const from = middle === null ? low : middle - limit;
  const span = middle === null ? high - low : 2 * limit;
  const steps = 254;
  const table = Array.from({ length: steps + 1 }, (_, i) => (middle === null ? blues(i / steps) : css(between(RDBU, i / steps))));
  return (value) => table[span > 0 ? Math.max(0, Math.min(steps, Math.round((steps * (value - from)) / span))) : middle === null ? 0 : steps / 2];
}
