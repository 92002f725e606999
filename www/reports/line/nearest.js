// Which point of a line the pointer selects.

/** @import { Numbers } from './path.js' */

/**
 * The point nearest to the pointer; if there are more points than pixels, the most extreme one nearby, because its peak
 * is what is visible there.
 *
 * @param {Numbers[]} lines
 * @param {{ x: number, y: number, xOf: (column: number) => number, yOf: (value: number) => number, middle: number, dense: boolean, left: number, width: number }} at
 * @returns {{ series: number, column: number } | null}
 */
export function nearestPoint(lines, { x, y, xOf, yOf, middle, dense, left, width }) {
  const reach = dense ? 4 : Infinity;
  let best = null;
  let least = Infinity;
  lines.forEach((numbers, series) => {
    const around = dense ? 1 + Math.ceil((reach * numbers.length) / width) : 1;
    const centre = Math.round(((x - left) / width) * (dense ? numbers.length - 1 : numbers.length) - (dense ? 0 : 0.5));
    for (let column = Math.max(0, centre - around); column <= Math.min(numbers.length - 1, centre + around); column += 1) {
      const value = numbers[column];
      if (typeof value !== 'number') continue;
      const distance = dense ? -Math.abs(value - middle) : Math.hypot(2 * (xOf(column) - x), yOf(value) - y);
      if (Math.abs(xOf(column) - x) <= reach && distance < least) {
        least = distance;
        best = { series, column };
      }
    }
  });
  return best;
}
