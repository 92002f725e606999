// A linear scale from numbers to pixels, with ticks at round numbers.

import { ticks } from './vendor/dist/libraries.js';

/**
 * @param {[number, number]} domain
 * @param {[number, number]} range
 */
export function linear([low, high], [from, to]) {
  const factor = high === low ? 0 : (to - from) / (high - low);
  const place = (/** @type {number} */ value) => from + (value - low) * factor;
  /** About `count` round numbers within the domain. @param {number} count @returns {number[]} */
  place.ticks = (count) => ticks(low, high, count);
  return place;
}
