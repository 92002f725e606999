// Line paths. A line with more points than pixels is reduced to its minimum and maximum in each half pixel, which looks the
// same as drawing all points, in a fraction of the time.

import { area, line } from '../../vendor/dist/libraries.js';
import { px } from '../../svg.js';

/** @typedef {(number | null | undefined)[]} Numbers */

/**
 * @param {Numbers} numbers
 * @param {(index: number) => number} x
 * @param {(value: number) => number} y
 * @param {number} width of the whole line in pixels
 */
export function linePath(numbers, x, y, width) {
  if (numbers.length > 2 * width) return envelope(numbers, x, y);
  const path = line()
    .defined((_, i) => isNumber(numbers[i]))
    .x((_, i) => px(x(i)))
    .y((_, i) => px(y(numbers[i] ?? 0)));
  return path(/** @type {any} */ (numbers)) ?? '';
}

/**
 * The band between two lines.
 *
 * @param {Numbers} low
 * @param {Numbers} high
 * @param {(index: number) => number} x
 * @param {(value: number) => number} y
 */
export function bandPath(low, high, x, y) {
  const path = area()
    .defined((_, i) => isNumber(low[i]) && isNumber(high[i]))
    .x((_, i) => px(x(i)))
    .y0((_, i) => px(y(/** @type {number} */ (low[i]))))
    .y1((_, i) => px(y(/** @type {number} */ (high[i]))));
  return path(/** @type {any} */ (low)) ?? '';
}

/** @param {Numbers} numbers @param {(index: number) => number} x @param {(value: number) => number} y */
function envelope(numbers, x, y) {
  /** @type {string[]} */
  const parts = [];
  let at = NaN;
  let low = Infinity;
  let high = -Infinity;
  let pen = 'M';
  const close = () => {
    if (low > high) return;
    parts.push(high > low ? `${pen}${at} ${px(y(low))}V${px(y(high))}` : `${pen}${at} ${px(y(low))}`);
    pen = 'L';
  };
  for (let i = 0; i < numbers.length; i += 1) {
    const place = Math.round(2 * x(i)) / 2;
    if (place !== at) {
      close();
      at = place;
      low = Infinity;
      high = -Infinity;
    }
    const value = numbers[i];
    if (!isNumber(value)) {
      close();
      pen = 'M';
      low = Infinity;
      high = -Infinity;
    } else {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  close();
  return parts.join('');
}

/** @param {number | null | undefined} value @returns {value is number} */
function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}
