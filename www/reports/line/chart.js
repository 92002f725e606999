// Lines over a common axis, in one lane or in one lane each. Points have no elements of their own, so that thousands of
// neurons can be drawn; the pointer selects the nearest point, and the arrow keys move along a line.

import { tickText } from '../../numbers.js';
import { linear } from '../../scale.js';
import { hatching, label, newId, px, s } from '../../svg.js';
import { bandPath, linePath } from './path.js';
import { nearestPoint } from './nearest.js';
import { drawColumns } from './axis.js';

/** @import { Anchor } from '../../tip.js' */
/** @import { Numbers } from './path.js' */

/**
 * @typedef {object} Series
 * @property {string} colour
 * @property {Numbers} numbers
 * @property {Numbers} [low] the ends of the interval, drawn as a band
 * @property {Numbers} [high]
 *
 * @typedef {object} Lane
 * @property {string} name the label on its left
 * @property {Series[]} series
 *
 * @typedef {object} Frame everything that does not depend on the values
 * @property {string} name of the chart
 * @property {string} rows label of the rows
 * @property {string} columns label of the columns
 * @property {string[]} ticks a label for each column
 * @property {number} width of the lines
 * @property {number} height of a lane
 * @property {number} lanes number of lanes
 * @property {boolean} dense whether there are more columns than pixels
 *
 * @typedef {{ lane: number, series: number, column: number }} Point
 *
 * @typedef {object} Hooks
 * @property {(point: Point, anchor: Anchor) => void} onPoint
 * @property {() => void} onLeave
 * @property {(point: Point) => void} onClick
 * @property {(point: Point) => string} name accessible description of a point
 */

const LEFT = 58;
const TOP = 8;
const RIGHT = 12;
const GAP = 6;

export class LineChart {
  /** @type {SVGSVGElement} */
  svg;
  #frame;
  #hooks;
  #lines = s('g', { 'aria-hidden': 'true' });
  #cursor = s('g', { 'aria-hidden': 'true', 'pointer-events': 'none', 'data-screen': '' });
  #mark = s('g', { 'aria-hidden': 'true', 'pointer-events': 'none', 'data-screen': '' });
  /** @type {Lane[]} */
  #lanes = [];
  /** @type {(value: number) => number} */
  #y = () => 0;
  #middle = 0;
  #hatch = newId('hatch');
  /** The point that the keyboard is on. @type {Point} */
  #at = { lane: 0, series: 0, column: 0 };

  /** @param {Frame} frame @param {Hooks} hooks */
  constructor(frame, hooks) {
    this.#frame = frame;
    this.#hooks = hooks;
    const bottom = TOP + frame.lanes * (frame.height + GAP) - GAP;
    const axis = drawColumns(frame, (column) => this.#x(column), bottom);
    this.svg = s(
      'svg',
      {
        class: 'lines', width: LEFT + frame.width + RIGHT, height: bottom + axis.height, tabindex: 0, role: 'slider', 'aria-label': frame.name,
        'aria-valuemin': 0, 'aria-valuemax': frame.ticks.length - 1, 'aria-valuenow': 0,
      },
      // A transparent background that receives pointer events.
      s('rect', { width: LEFT + frame.width + RIGHT, height: bottom, fill: 'transparent', 'aria-hidden': 'true' }),
      s('g', { 'aria-hidden': 'true' }, ...axis.elements),
      hatching(this.#hatch), this.#lines, this.#mark, this.#cursor,
    );
    this.#listen();
  }

  /** @param {number} column */
  #x(column) {
    const { width, ticks, dense } = this.#frame;
    return LEFT + (dense ? (width * column) / Math.max(1, ticks.length - 1) : (width * (column + 0.5)) / ticks.length);
  }

  /** @param {number} lane */
  #top(lane) {
    return TOP + lane * (this.#frame.height + GAP);
  }

  /** Hatching where a lane has not been computed yet, as in heat maps. @param {Lane} lane */
  #missing({ series: [first] }) {
    const { height, ticks } = this.#frame;
    /** @type {[number, number][]} */
    const gaps = [];
    ticks.forEach((_, column) => {
      if ((first?.numbers[column] ?? null) !== null) return;
      const last = gaps.at(-1);
      if (last && last[1] === column) last[1] = column + 1;
      else gaps.push([column, column + 1]);
    });
    return gaps.map(([from, to]) => {
      const [left, right] = [this.#x(from), this.#x(Math.min(to, ticks.length - 1))];
      return s('rect', { x: px(left), width: px(Math.max(1, right - left)), height, fill: `url(#${this.#hatch})`, 'data-missing': '' });
    });
  }

  /**
   * @param {Lane[]} lanes
   * @param {{ low: number, high: number, middle: number | null, label: string }} scale
   * @param {{ point: Point, text: string }[]} named points with a label beside the line
   */
  paint(lanes, { low, high, middle, label: text }, named) {
    const { height, width } = this.#frame;
    const scale = linear([low, high], [height - 3, 3]);
    this.#lanes = lanes;
    this.#y = scale;
    this.#middle = middle ?? 0;
    const few = scale.ticks(2);
    const ticks = height > 100 ? scale.ticks(6) : few.length > 1 ? few : scale.ticks(3);
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
    const rules = ticks.map((tick) => `M${LEFT} ${px(scale(tick))}h${width}`).join('');
    const zero = middle !== null && middle >= low && middle <= high && `M${LEFT} ${px(scale(middle))}h${width}`;
    const many = lanes.length > 1;
    this.#lines.replaceChildren(
      ...lanes.map((lane, index) => s(
        'g',
        { transform: `translate(0 ${this.#top(index)})` },
        s('path', { d: rules, stroke: 'var(--line)', 'stroke-width': 1, fill: 'none' }),
        zero && s('path', { d: zero, stroke: 'var(--ink-soft)', 'stroke-width': 1, fill: 'none' }),
        ...this.#missing(lane),
        ...ticks.map((tick) => label(tickText(tick, step), LEFT - 5, px(scale(tick) + 4), { 'text-anchor': 'end', 'font-size': many ? 9.5 : 11 })),
        many && label(lane.name, 2, height / 2 + 4, { fill: 'var(--ink)' }),
        ...lane.series.map((series) => (series.low?.length && series.high ? s('path', { d: bandPath(series.low, series.high, (i) => this.#x(i), scale), fill: series.colour, 'fill-opacity': lane.series.length > 3 ? 0.08 : 0.16 }) : null)),
        ...lane.series.map((series) => s('path', { d: linePath(series.numbers, (i) => this.#x(i), scale, width), fill: 'none', stroke: series.colour, 'stroke-width': this.#frame.dense ? 1 : 1.6, 'stroke-linejoin': 'round' })),
      )),
      ...(many ? [] : [label(text, 0, 0, { 'text-anchor': 'middle', fill: 'var(--ink)', transform: `translate(11 ${TOP + height / 2}) rotate(-90)` })]),
      ...named.map(({ point, text: name }) => this.#name(point, name)),
    );
    this.#tell();
  }

  /** @param {Point} point */
  #value({ lane, series, column }) {
    return this.#lanes[lane]?.series[series]?.numbers[column] ?? null;
  }

  /** @param {Point} point @returns {[number, number]} */
  #place(point) {
    return [px(this.#x(point.column)), px(this.#top(point.lane) + this.#y(this.#value(point) ?? this.#middle))];
  }

  /** @param {Point} point @param {string} text */
  #name(point, text) {
    const [x, y] = this.#place(point);
    const isRight = x > LEFT + this.#frame.width - 60;
    const top = this.#top(point.lane);
    const baseline = Math.max(top + 9, Math.min(top + this.#frame.height - 1, y + 4));
    return label(text, isRight ? x - 4 : x + 4, baseline, { 'text-anchor': isRight ? 'end' : 'start', fill: 'var(--ink)', 'font-size': 10, stroke: 'var(--paper)', 'stroke-width': 2.5, 'paint-order': 'stroke' });
  }

  /** Marks what is hovered in another figure. @param {number} lane -1 for every lane @param {number} column -1 for the whole lane */
  mark(lane, column) {
    const lanes = lane >= 0 ? [lane] : this.#lanes.map((_, index) => index);
    if (lane < 0 && column < 0) return this.#mark.replaceChildren();
    this.#mark.replaceChildren(...lanes.map((index) => (column >= 0
      ? s('path', { d: `M${px(this.#x(column))} ${this.#top(index)}v${this.#frame.height}`, stroke: 'var(--ink)', 'stroke-width': 1, 'stroke-dasharray': '3 2' })
      : s('rect', { x: LEFT, y: this.#top(index), width: this.#frame.width, height: this.#frame.height, fill: 'none', stroke: 'var(--ink-soft)', 'stroke-dasharray': '3 2' }))));
  }

  #listen() {
    const { svg } = this;
    svg.addEventListener('pointermove', (event) => {
      const point = this.#nearest(event);
      if (point) this.#point(point);
      else this.#leave();
    });
    svg.addEventListener('pointerleave', () => this.#leave());
    svg.addEventListener('focus', () => {
      if (svg.matches(':focus-visible')) this.#point(this.#at);
    });
    svg.addEventListener('blur', () => this.#leave());
    svg.addEventListener('click', (event) => {
      const point = this.#nearest(event);
      if (!point) return;
      this.#at = point;
      this.#tell();
      this.#hooks.onClick(point);
    });
    svg.addEventListener('keydown', (event) => this.#key(event));
  }

  /** @param {MouseEvent} event @returns {Point | null} */
  #nearest(event) {
    const box = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const lane = Math.floor((y - TOP + GAP / 2) / (this.#frame.height + GAP));
    if (lane < 0 || lane >= this.#lanes.length || x < LEFT - 4 || x > LEFT + this.#frame.width + 4) return null;
    const found = nearestPoint(this.#lanes[lane].series.map((series) => series.numbers), {
      x, y: y - this.#top(lane), xOf: (column) => this.#x(column), yOf: this.#y, middle: this.#middle, dense: this.#frame.dense, left: LEFT, width: this.#frame.width,
    });
    return found && { lane, ...found };
  }

  /** @param {Point} point */
  #point(point) {
    const [x, y] = this.#place(point);
    const colour = this.#lanes[point.lane].series[point.series].colour;
    this.#cursor.replaceChildren(
      s('path', { d: `M${x} ${this.#top(point.lane)}v${this.#frame.height}`, stroke: 'var(--ink-soft)', 'stroke-width': 1 }),
      s('circle', { cx: x, cy: y, r: 4.5, fill: colour, stroke: 'var(--paper)', 'stroke-width': 1.5 }),
    );
    this.#hooks.onPoint(point, { getBoundingClientRect: () => {
      const box = this.svg.getBoundingClientRect();
      return new DOMRect(box.left + x - 5, box.top + y - 5, 10, 10);
    } });
  }

  #leave() {
    if (!this.#cursor.hasChildNodes()) return;
    this.#cursor.replaceChildren();
    this.#hooks.onLeave();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { lane, series, column } = this.#at;
    const last = this.#frame.ticks.length - 1;
    const lines = this.#lanes.flatMap(({ series: own }, l) => own.map((_, k) => ({ lane: l, series: k })));
    const line = lines.findIndex((candidate) => candidate.lane === lane && candidate.series === series);
    /** @param {number} step */
    const otherLine = (step) => ({ ...lines[Math.max(0, Math.min(lines.length - 1, line + step))], column });
    /** @type {Record<string, () => Point>} */
    const moves = {
      ArrowRight: () => ({ lane, series, column: Math.min(last, column + 1) }),
      ArrowLeft: () => ({ lane, series, column: Math.max(0, column - 1) }),
      ArrowDown: () => otherLine(1),
      ArrowUp: () => otherLine(-1),
      Home: () => ({ lane, series, column: 0 }),
      End: () => ({ lane, series, column: last }),
      // To the next less extreme value, and back.
      PageDown: () => ({ lane, series, column: this.#ranked(1) }),
      PageUp: () => ({ lane, series, column: this.#ranked(-1) }),
    };
    const move = moves[event.key];
    if (move) {
      this.#at = move();
      this.#tell();
      this.#point(this.#at);
    } else if (event.key === 'Enter') {
      this.#hooks.onClick(this.#at);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The column `step` places further when sorted by magnitude. @param {number} step */
  #ranked(step) {
    const { lane, series, column } = this.#at;
    const numbers = this.#lanes[lane].series[series].numbers;
    const size = (/** @type {number} */ index) => Math.abs((numbers[index] ?? this.#middle) - this.#middle);
    const order = numbers.map((_, index) => index).sort((a, b) => size(b) - size(a) || a - b);
    const next = order.indexOf(column) + step;
    // The first press goes to the most extreme point.
    if (step > 0 && column === 0 && order[0] !== 0) return order[0];
    return order[Math.max(0, Math.min(order.length - 1, next))];
  }

  #tell() {
    this.svg.setAttribute('aria-valuenow', String(this.#at.column));
    this.svg.setAttribute('aria-valuetext', this.#hooks.name(this.#at));
  }
}
