// The few points of dense lines that are labelled.

/** @import { Lane, Point } from './chart.js' */

const MOST = 4;

/**
 * The most extreme points of all lanes that are far enough apart for their labels.
 *
 * @param {Lane[]} lanes
 * @param {number} middle
 * @returns {Point[]}
 */
export function peaks(lanes, middle) {
  /** @type {(Point & { size: number })[]} */
  let found = [];
  let least = 0;
  lanes.forEach(({ series: [{ numbers }] }, lane) => {
    // A label takes up this share of a line.
    const room = numbers.length * 0.16;
    for (let column = 0; column < numbers.length; column += 1) {
      const value = numbers[column];
      const size = typeof value === 'number' ? Math.abs(value - middle) : 0;
      if (size <= least) continue;
      const rival = found.find((other) => other.lane === lane && Math.abs(other.column - column) < room);
      if (rival && rival.size >= size) continue;
      found = [...found.filter((other) => other !== rival), { lane, series: 0, column, size }].sort((a, b) => b.size - a.size).slice(0, MOST);
      least = found.length === MOST ? found[MOST - 1].size : 0;
    }
  });
  return found;
}
