// Draws the `dots` part: one dot per prompt and the mean, one row per group, on a common axis.

import { diverging } from '../colour.js';
import { h } from '../dom.js';
import { formatQuantity, precise, plural } from '../numbers.js';
import { frame } from './frame.js';

/** @import { Dot, Dots, DotSeries, Part, Quantity } from '../types/engine.js' */
/** @import { Actions } from './actions.js' */
/** @import { Stage } from './stage.js' */

/**
 * @param {Extract<Part, { kind: 'dots' }>} part
 * @param {Stage} stage
 */
export function drawDots(part, stage) {
  const axis = axisOf(part);
  return frame(
    part,
    stage,
    {},
    h(
      'div',
      { class: 'dots', data: { quantity: part.quantity } },
      h('div', { class: 'dots-head', 'aria-hidden': 'true' }, h('span', {}, 'group'), h('span', { class: 'dots-axis-name' }, part.axis), h('span', { class: 'dots-mean' }, 'mean')),
      ...part.series.map((series) => drawSeries(series, part.quantity, axis, stage.actions)),
      h('div', { class: 'dots-axis', 'aria-hidden': 'true' }, h('span', {}), h('div', { class: 'dots-ticks' }, ...axis.ticks.map((tick) => drawTick(tick, axis))), h('span', {})),
    ),
  );
}

/** @typedef {{ low: number, high: number, ticks: number[], digits: number }} Axis */

/** An axis with round ticks that includes 0 and every value. @param {Dots} part @returns {Axis} */
function axisOf(part) {
  const values = part.series.flatMap((series) => [series.mean, ...(series.interval ?? []), ...series.points.map((point) => point.value)]).filter(Number.isFinite);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const span = high - low || 1;
  const magnitude = 10 ** Math.floor(Math.log10(span / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((candidate) => span / candidate <= 7) ?? span;
  // Leave room for the outermost dots, except at 0 if no value lies beyond it.
  const first = low < 0 ? Math.floor((low - 0.02 * span) / step) : 0;
  const last = high > 0 || low === 0 ? Math.ceil((high + 0.02 * span) / step) : 0;
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step || 0);
  return { low: first * step, high: last * step, ticks, digits: Math.max(0, -Math.floor(Math.log10(step))) };
}

/** @param {number} value @param {Axis} axis */
function placeOf(value, axis) {
  return `${(100 * (value - axis.low)) / (axis.high - axis.low)}%`;
}

/** @param {number} tick @param {Axis} axis */
function drawTick(tick, axis) {
  const text = tick === 0 ? '0' : Math.abs(tick).toFixed(axis.digits);
  return h('span', { class: tick === 0 ? 'tick tick-zero' : 'tick', style: { left: placeOf(tick, axis) } }, tick < 0 ? `\u2212${text}` : text);
}

/** @param {DotSeries} series @param {Quantity} quantity @param {Axis} axis @param {Actions} actions */
function drawSeries(series, quantity, axis, actions) {
  const mean = formatQuantity(series.mean, quantity);
  const name = actions.onSeries
    ? h('button', { type: 'button', class: 'dots-name', on: { click: () => actions.onSeries?.(series.group) } }, series.name)
    : h('span', { class: 'dots-name' }, series.name);
  const interval = series.interval ? `, 95 % interval ${series.interval.map((end) => formatQuantity(end, quantity)).join(' to ')}` : '';
  const limit = Math.max(Math.abs(axis.low), Math.abs(axis.high));
  const [from, to] = series.mean < 0 ? [series.mean, 0] : [0, series.mean];
  const strip = h(
    'div',
    { class: 'dots-strip', role: 'group', 'aria-label': `${series.name}: ${plural(series.points.length, 'prompt')}, mean ${mean}${interval}` },
    ...axis.ticks.map((tick) => h('span', { class: tick === 0 ? 'grid-line grid-zero' : 'grid-line', style: { left: placeOf(tick, axis) } })),
    h('span', { class: 'dots-bar', style: { left: placeOf(from, axis), width: `calc(${placeOf(to, axis)} - ${placeOf(from, axis)})` } }),
    // Drawn first, so that it is below the dots.
    series.interval && h('span', { class: 'dots-whisker', style: { left: placeOf(series.interval[0], axis), width: `calc(${placeOf(series.interval[1], axis)} - ${placeOf(series.interval[0], axis)})` } }, h('span', { class: 'dots-whisker-line' })),
    ...drawPoints(series, quantity, axis, limit, actions),
    h('span', { class: 'dots-mark', style: { left: placeOf(series.mean, axis) }, tip: sayMean(series) }),
  );
  roveFocus(strip);
  return h(
    'div',
    { class: 'dots-row', data: { group: series.group, name: series.name, mean: series.mean } },
    name,
    strip,
    h('span', { class: 'dots-mean', tip: sayMean(series) }, mean),
  );
}

/** @param {DotSeries} series */
function sayMean({ name, mean, interval }) {
  return `mean of ${name}\n${precise(mean)}${interval ? `\n95 % interval: ${precise(interval[0])} to ${precise(interval[1])}` : ''}`;
}

/** @param {DotSeries} series @param {Quantity} quantity @param {Axis} axis @param {number} limit @param {Actions} actions */
function drawPoints(series, quantity, axis, limit, actions) {
  const lanes = lanesOf(series.points, axis);
  return series.points.map((point, index) =>
    h('button', {
      type: 'button',
      class: 'dot',
      tabindex: index === 0 ? 0 : -1,
      data: { value: point.value },
      style: { left: placeOf(point.value, axis), '--lane': String(lanes[index]), background: diverging(softened(point.value, limit), 1) },
      'aria-label': `${point.label}: ${formatQuantity(point.value, quantity)}`,
      tip: `${point.label}\n${precise(point.value)}`,
      on: { click: () => actions.onDot?.(series.group, point.label, series.points.slice(0, index).filter(({ label }) => label === point.label).length) },
    }),
  );
}

/** Keeps enough colour in small values to show their sign. @param {number} value @param {number} limit */
function softened(value, limit) {
  return limit > 0 ? Math.sign(value) * (0.35 + 0.55 * Math.min(1, Math.abs(value) / limit)) : 0;
}

/** Vertical lanes, so that dots do not cover one another. @param {Dot[]} points @param {Axis} axis */
function lanesOf(points, axis) {
  const near = 0.014 * (axis.high - axis.low);
  /** @type {number[]} */
  const lanes = new Array(points.length).fill(0);
  const order = points.map((_, index) => index).sort((a, b) => points[a].value - points[b].value);
  order.forEach((index, place) => {
    const taken = new Set();
    for (let before = place - 1; before >= 0 && taken.size < 3 && points[index].value - points[order[before]].value < near; before -= 1) taken.add(lanes[order[before]]);
    lanes[index] = [0, -1, 1].find((lane) => !taken.has(lane)) ?? 0;
  });
  return lanes;
}

/** Roving tab index: one tab stop per row of dots; the arrow keys move along the axis. @param {HTMLElement} strip */
function roveFocus(strip) {
  strip.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const dots = [...strip.querySelectorAll('button')].sort((a, b) => Number(a.dataset.value) - Number(b.dataset.value));
    const current = dots.findIndex((dot) => dot === document.activeElement);
    const next = dots[Math.max(0, Math.min(dots.length - 1, current + step))];
    dots.forEach((dot) => dot.setAttribute('tabindex', dot === next ? '0' : '-1'));
    next?.focus();
    event.preventDefault();
  });
}
