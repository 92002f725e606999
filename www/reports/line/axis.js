// The horizontal axis: a label per column, or round numbers if there are too many columns.

import { linear } from '../../scale.js';
import { label, px, s } from '../../svg.js';

/** @import { Frame } from './chart.js' */

const LETTER = 6.1;

/**
 * @param {Frame} frame
 * @param {(column: number) => number} x
 * @param {number} top
 * @returns {{ elements: SVGElement[], height: number }}
 */
export function drawColumns({ ticks, columns, dense, width }, x, top) {
  const middle = x((ticks.length - 1) / 2);
  const title = (/** @type {number} */ y) => label(columns, middle, y, { 'text-anchor': 'middle', fill: 'var(--ink)' });
  if (dense) {
    const places = linear([0, ticks.length - 1], [0, 1]).ticks(width > 500 ? 10 : 5).filter(Number.isInteger);
    return {
      elements: [...places.flatMap((place) => [
        s('path', { d: `M${px(x(place))} ${top}v4`, stroke: 'var(--ink-soft)' }),
        label(ticks[place], px(x(place)), top + 16, { 'text-anchor': 'middle' }),
      ]), title(top + 33)],
      height: 38,
    };
  }
  const longest = Math.min(120, Math.max(...ticks.map((tick) => tick.length)) * LETTER);
  const room = x(1) - x(0);
  const turned = ticks.length > 1 && longest + 4 > room;
  const step = turned ? Math.ceil(12 / room) : 1;
  const shown = ticks.map((_, index) => index).filter((index) => index % step === 0);
  const height = turned ? longest + 10 : 18;
  return {
    elements: [
      s('path', { d: shown.map((index) => `M${px(x(index))} ${top}v4`).join(''), stroke: 'var(--ink-soft)' }),
      ...shown.map((index) => (turned
        ? label(ticks[index], 0, 0, { 'text-anchor': 'end', transform: `translate(${px(x(index) + 4)} ${top + 8}) rotate(-90)` })
        : label(ticks[index], px(x(index)), top + 16, { 'text-anchor': 'middle' }))),
      title(top + height + 12),
    ],
    height: height + 18,
  };
}
