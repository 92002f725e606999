// One panel of a scatter: named points on two axes with zero lines, and the diagonal y = x where both count the same.

import { tickText } from '../../numbers.js';
import { linear } from '../../scale.js';
import { label, px, s } from '../../svg.js';

/** @import { Anchor } from '../../tip.js' */

/**
 * @typedef {object} Hooks
 * @property {(point: number, anchor: Anchor) => void} onPoint
 * @property {() => void} onLeave
 * @property {(point: number) => void} onClick
 * @property {(point: number) => string} name accessible description of a point
 */

const LEFT = 56;
const TOP = 8;
const RIGHT = 14;
const BOTTOM = 40;
/** How close to a point the pointer has to be, in pixels. */
const REACH = 14;
/** How many of the outermost points are labelled. */
const NAMED = 6;

export class ScatterPlot {
  /** @type {SVGSVGElement} */
  svg;
  #names;
  #colours;
  #hooks;
  #side;
  #axes = s('g', { 'aria-hidden': 'true' });
  #labels = s('g', { 'aria-hidden': 'true', 'pointer-events': 'none' });
  #cursor = s('circle', { r: 8, fill: 'none', stroke: 'var(--ink)', 'stroke-width': 1.5, display: 'none', 'pointer-events': 'none', 'aria-hidden': 'true', 'data-screen': '' });
  #mark = s('g', { 'pointer-events': 'none', 'aria-hidden': 'true', 'data-screen': '' });
  /** @type {SVGCircleElement[]} */
  #points;
  /** @type {[number, number][]} */
  #places = [];
  #stop = 0;
  #x;
  #y;
  #alike;

  /**
   * @param {{ name: string, names: string[], colours: string[], side: number, x: string, y: string, alike: boolean }} what
   * @param {Hooks} hooks
   */
  constructor({ name, names, colours, side, x, y, alike }, hooks) {
    this.#names = names;
    this.#colours = colours;
    this.#hooks = hooks;
    this.#side = side;
    this.#x = x;
    this.#y = y;
    this.#alike = alike;
    this.#points = names.map((_, index) => s('circle', { r: 4, fill: colours[index], 'fill-opacity': 0.9, stroke: 'var(--paper)', 'stroke-width': 0.75, role: 'option', 'aria-selected': 'false' }));
    this.svg = s(
      'svg',
      // Without tabindex=-1, Chromium makes an SVG with focus listeners a tab stop.
      { class: 'scatter', tabindex: -1, width: LEFT + side + RIGHT, height: TOP + side + BOTTOM },
      s('rect', { width: LEFT + side + RIGHT, height: TOP + side + BOTTOM, fill: 'transparent' }),
      this.#axes, this.#mark,
      s('g', { role: 'listbox', 'aria-label': name }, ...this.#points),
      this.#labels, this.#cursor,
    );
    this.#listen();
  }

  /** @param {number[]} xs @param {number[]} ys @param {{ x: [number, number], y: [number, number] }} domains */
  paint(xs, ys, domains) {
    const side = this.#side;
    const across = linear(domains.x, [LEFT, LEFT + side]);
    const up = linear(domains.y, [TOP + side, TOP]);
    const [low, high] = domains.x;
    /** @param {typeof across} scale */
    const ticksOf = (scale) => {
      const ticks = scale.ticks(5);
      const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
      return ticks.map((tick) => ({ at: px(scale(tick)), text: tickText(tick, step) }));
    };
    const ticks = { x: ticksOf(across), y: ticksOf(up) };
    const middle = { 'text-anchor': 'middle', fill: 'var(--ink)' };
    this.#axes.replaceChildren(
      s('path', { d: [...ticks.x.map(({ at }) => `M${at} ${TOP}v${side}`), ...ticks.y.map(({ at }) => `M${LEFT} ${at}h${side}`)].join(''), stroke: 'var(--line)' }),
      s('path', { d: `M${px(across(0))} ${TOP}v${side}M${LEFT} ${px(up(0))}h${side}`, stroke: 'var(--ink-soft)' }),
      ...(this.#alike ? [
        s('path', { d: `M${px(across(low))} ${px(up(low))}L${px(across(high))} ${px(up(high))}`, stroke: 'var(--ink-soft)', 'stroke-dasharray': '4 4', 'stroke-width': 0.9 }),
        label('x = y', 0, 0, { 'font-size': 9.5, 'text-anchor': 'end', transform: `translate(${LEFT + 0.72 * side - 4} ${TOP + 0.28 * side - 4}) rotate(-45)` }),
      ] : []),
      s('rect', { x: LEFT, y: TOP, width: side, height: side, fill: 'none', stroke: 'var(--line-strong)' }),
      ...ticks.x.map(({ at, text }) => label(text, at, TOP + side + 15, { 'text-anchor': 'middle' })),
      ...ticks.y.map(({ at, text }) => label(text, LEFT - 5, at + 4, { 'text-anchor': 'end' })),
      label(this.#x, LEFT + side / 2, TOP + side + 33, middle),
      label(this.#y, 0, 0, { ...middle, transform: `translate(11 ${TOP + side / 2}) rotate(-90)` }),
    );
    this.#places = xs.map((x, index) => [px(across(x)), px(up(ys[index]))]);
    this.#points.forEach((point, index) => {
      const [x, y] = this.#places[index] ?? [NaN, NaN];
      const isPlaced = Number.isFinite(x) && Number.isFinite(y);
      point.setAttribute('cx', String(isPlaced ? x : 0));
      point.setAttribute('cy', String(isPlaced ? y : 0));
      if (isPlaced) point.removeAttribute('display');
      else point.setAttribute('display', 'none');
      point.setAttribute('aria-label', this.#hooks.name(index));
    });
    this.#points[this.#stop]?.setAttribute('tabindex', '0');
    this.#labels.replaceChildren(...this.#nameOutermost([across(0), up(0)]));
  }

  /** @param {[number, number]} origin */
  #nameOutermost([ox, oy]) {
    const order = this.#places.map(([x, y], index) => ({ x, y, index, distance: Math.hypot(x - ox, y - oy) })).filter(({ distance }) => distance > 0.12 * this.#side).sort((a, b) => b.distance - a.distance);
    /** @type {typeof order} */
    const named = [];
    for (const point of order) {
      if (named.length === NAMED) break;
      if (named.every((other) => Math.abs(other.y - point.y) > 12 || Math.abs(other.x - point.x) > 46)) named.push(point);
    }
    return named.map(({ x, y, index }) => {
      const width = 7 * this.#names[index].length;
      /** @param {number} from @param {number} to */
      const covers = (from, to) => this.#places.some(([px, py], other) => other !== index && px > from && px < to && Math.abs(py - y) < 9);
      const fits = x + width + 7 < LEFT + this.#side;
      const isLeft = !fits || (covers(x, x + width + 7) && !covers(x - width - 7, x) && x - width - 7 > LEFT);
      return label(this.#names[index], isLeft ? x - 7 : x + 7, y + 4, { fill: 'var(--ink)', 'font-size': 10, 'text-anchor': isLeft ? 'end' : 'start', stroke: 'var(--paper)', 'stroke-width': 2.5, 'paint-order': 'stroke' });
    });
  }

  /** Marks points that are hovered in another figure. @param {number[]} points */
  mark(points) {
    this.#mark.replaceChildren(...points.filter((point) => this.#places[point]).map((point) =>
      s('circle', { cx: this.#places[point][0], cy: this.#places[point][1], r: points.length > 1 ? 6 : 8, fill: 'none', stroke: 'var(--ink)', 'stroke-width': points.length > 1 ? 1 : 2 })));
  }

  #listen() {
    const { svg } = this;
    svg.addEventListener('pointermove', (event) => {
      const point = this.#nearest(event);
      if (point >= 0) this.#point(point);
      else this.#leave();
    });
    svg.addEventListener('pointerleave', () => this.#leave());
    svg.addEventListener('click', (event) => {
      const point = this.#nearest(event);
      if (point < 0) return;
      this.#moveTo(point, false);
      this.#hooks.onClick(point);
    });
    svg.addEventListener('focusin', (event) => {
      const point = this.#points.indexOf(/** @type {any} */ (event.target));
      if (point >= 0 && this.#points[point].matches(':focus-visible')) this.#point(point);
    });
    svg.addEventListener('focusout', () => this.#leave());
    svg.addEventListener('keydown', (event) => {
      const last = this.#points.length - 1;
      const row = this.#colours.indexOf(this.#colours.find((colour) => colour !== this.#colours[0]) ?? '');
      const next = { ArrowRight: this.#stop + 1, ArrowLeft: this.#stop - 1, ArrowDown: this.#stop + Math.max(1, row), ArrowUp: this.#stop - Math.max(1, row), Home: 0, End: last }[event.key];
      if (next !== undefined) this.#moveTo(Math.max(0, Math.min(last, next)), true);
      else if (event.key === 'Enter' || event.key === ' ') this.#hooks.onClick(this.#stop);
      else return;
      event.preventDefault();
    });
  }

  /** @param {MouseEvent} event */
  #nearest(event) {
    const box = this.svg.getBoundingClientRect();
    let best = -1;
    let least = REACH;
    this.#places.forEach(([x, y], index) => {
      const distance = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  /** @param {number} point */
  #point(point) {
    const [x, y] = this.#places[point];
    this.#cursor.setAttribute('cx', String(x));
    this.#cursor.setAttribute('cy', String(y));
    this.#cursor.removeAttribute('display');
    this.#hooks.onPoint(point, this.#points[point]);
  }

  #leave() {
    if (this.#cursor.hasAttribute('display')) return;
    this.#cursor.setAttribute('display', 'none');
    this.#hooks.onLeave();
  }

  /** @param {number} point @param {boolean} focus */
  #moveTo(point, focus) {
    // Only if it is another point: removing its tabindex would blur the focused point.
    if (point !== this.#stop) this.#points[this.#stop].removeAttribute('tabindex');
    this.#stop = point;
    this.#points[point].setAttribute('tabindex', '0');
    if (focus) this.#points[point].focus();
  }
}
