// One panel of a heat map: cells, labels, a cursor, and a mark for what is hovered in another figure.

import { hatching, label, newId, s } from '../../svg.js';
import { columnCount, columnLabel, indexOnAxis, tickLabel } from '../grid-view.js';
import { BAND } from './layout.js';

/** @import { Grid, Panel } from '../../types/engine.js' */
/** @import { Anchor } from '../../tip.js' */
/** @import { Target } from '../hover.js' */
/** @import { Layout } from './layout.js' */

/** Labels are cut at this length; the tooltip has them in full. */
const LONGEST_LABEL = 16;
/** Visible on blue, red and white. */
const MARK = '#b98900';

/**
 * @typedef {object} Hooks
 * @property {(row: number, column: number, anchor: Anchor) => void} onPoint the pointer or the focus is on a cell
 * @property {() => void} onLeave
 * @property {(row: number, column: number) => void} onClick
 */

export class HeatPanel {
  /** @type {SVGSVGElement} */
  svg;
  #grid;
  #layout;
  #hooks;
  /** How many columns the grid has, and the first that is drawn. */
  #columns;
  #from;
  #rows = s('g', { role: 'rowgroup', 'shape-rendering': 'crispEdges' });
  /** @type {SVGRectElement[]} */
  #cells = [];
  /** The index of each cell's element. @type {Map<EventTarget, number>} */
  #places = new Map();
  #dots = s('g', { 'aria-hidden': 'true', 'pointer-events': 'none', fill: '#111418', stroke: '#ffffff', 'stroke-width': 0.75 });
  #cursor = cursor();
  #mark = s('g', { 'aria-hidden': 'true', 'pointer-events': 'none', 'data-screen': '' });
  #marked = '';
  /** The cell that is the panel's tab stop. */
  #stop = 0;

  /** @param {Grid} grid @param {Panel} panel @param {Layout} layout @param {Hooks} hooks */
  constructor(grid, panel, layout, hooks) {
    this.#grid = grid;
    this.#layout = layout;
    this.#hooks = hooks;
    this.#columns = columnCount(grid, panel);
    this.#from = layout.from;
    const width = (this.#columns - layout.from) * layout.width;
    const height = grid.rows.ticks.length * layout.height;
    const hatch = newId('hatch');
    this.svg = s(
      'svg',
      // Without tabindex=-1, Chromium makes an SVG with focus listeners a tab stop.
      { class: 'heat', tabindex: -1, width: layout.left + width + 4, height: height + layout.bottom + 2, role: 'grid', 'aria-label': `${grid.title}, ${panel.name}`, 'aria-rowcount': grid.rows.ticks.length, 'aria-colcount': this.#columns },
      hatching(hatch),
      this.#drawLabels(panel),
      s('rect', { x: layout.left, y: 1, width, height, fill: `url(#${hatch})`, stroke: 'var(--line-strong)', 'stroke-width': 1, 'aria-hidden': 'true' }),
      this.#drawBand(height),
      this.#rows,
      this.#dots,
      this.#drawLayers(width),
      this.#mark,
      this.#cursor,
    );
    this.#listen();
  }

  /** Folded columns: a narrow band in their place. @param {number} height */
  #drawBand(height) {
    if (this.#from === 0) return null;
    const x = this.#layout.left - BAND;
    return s('g', { 'aria-hidden': 'true' },
      s('rect', { x, y: 1, width: BAND - 4, height, fill: 'var(--panel)', stroke: 'var(--line-strong)' }),
      label(`0\u2013${this.#from - 1}: the same`, 0, 0, { 'text-anchor': 'middle', 'font-size': 10, transform: `translate(${x + 11} ${1 + height / 2}) rotate(-90)` }));
  }

  #drawCells() {
    const { width, height, left } = this.#layout;
    const row = s('g', { role: 'row' }, ...Array.from({ length: this.#columns - this.#from }, (_, column) =>
      s('rect', { x: left + column * width, width, height, role: 'gridcell', 'aria-colindex': this.#from > 0 ? this.#from + column + 1 : null })));
    this.#rows.append(...this.#grid.rows.ticks.map((_, index) => {
      const own = /** @type {SVGGElement} */ (row.cloneNode(true));
      own.setAttribute('transform', `translate(0 ${1 + index * height})`);
      this.#cells.push(.../** @type {Iterable<SVGRectElement>} */ (own.children));
      return own;
    }));
    this.#cells.forEach((cell, index) => this.#places.set(cell, index));
  }

  /** Lines between layers, where each row is a head. @param {number} width */
  #drawLayers(width) {
    const { left, height } = this.#layout;
    if (this.#grid.rows.counts !== 'layer-head') return null;
    const layers = this.#grid.rows.ticks.map((tick) => /^L\d+/.exec(tick)?.[0]);
    const starts = layers.map((layer, row) => (row > 0 && layer !== layers[row - 1] ? row : 0)).filter(Boolean);
    const path = starts.map((row) => `M${left - 4} ${1 + row * height}h${width + 4}`).join('');
    return s('path', { d: path, stroke: 'var(--ink-soft)', 'stroke-width': 0.75, 'aria-hidden': 'true', 'pointer-events': 'none' });
  }

  /** @param {Panel} panel */
  #drawLabels(panel) {
    const { rows, columns } = this.#grid;
    const { width, height, left, turned, rowTicks, columnTicks: columnTicksShown, bottom } = this.#layout;
    const bottomOfCells = 1 + rows.ticks.length * height;
    const shown = columnTicksShown.filter((column) => column < this.#columns);
    const middle = { 'text-anchor': 'middle' };
    return s(
      'g',
      { 'aria-hidden': 'true' },
      ...rowTicks.map((row) => {
        const text = rows.counts === 'layer-head' && height < 12 ? rows.ticks[row].replace(/H0$/, '') : tickLabel(rows, rows.ticks[row]);
        return label(cut(text), left - (this.#from > 0 ? BAND : 0) - 5, 1 + (row + 0.5) * height + 4, { 'text-anchor': 'end' });
      }),
      ...shown.map((column) => {
        const x = left + (column - this.#from + 0.5) * width;
        const text = cut(columnLabel(this.#grid, panel, column));
        const strong = panel.changed.includes(column) ? { fill: 'var(--ink)', 'font-weight': 700 } : {};
        return turned
          ? label(text, 0, 0, { 'text-anchor': 'end', ...strong, transform: `translate(${x + 4} ${bottomOfCells + 6}) rotate(-90)` })
          : label(text, x, bottomOfCells + 14, { ...middle, ...strong });
      }),
      label(rows.label, 0, 0, { ...middle, fill: 'var(--ink)', transform: `translate(11 ${bottomOfCells / 2}) rotate(-90)` }),
      label(columns.label, left + ((this.#columns - this.#from) * width) / 2, bottomOfCells + bottom - 4, { ...middle, fill: 'var(--ink)' }),
    );
  }

  /** @param {(number | null)[] | null} numbers @param {(value: number) => string} colour @param {boolean} [muted] whether the colours say little */
  paint(numbers, colour, muted = false) {
    this.#rows.setAttribute('opacity', muted ? '0.4' : '1');
    if (this.#cells.length === 0) this.#drawCells();
    this.#cells.forEach((cell, index) => {
      const number = numbers?.[this.#gridIndex(index)] ?? null;
      // A cell without a value shows the hatching behind it.
      cell.setAttribute('fill', number === null || Number.isNaN(number) ? 'transparent' : colour(number));
    });
    this.#cells[this.#stop]?.setAttribute('tabindex', '0');
  }

  /** Dots in some cells. @param {(cell: number) => boolean} marked */
  dot(marked) {
    const { width, height, left } = this.#layout;
    const cells = Array.from(this.#cells.keys()).filter((index) => marked(this.#gridIndex(index)));
    this.#dots.replaceChildren(...cells.map((index) => s('circle', { cx: left + ((index % this.#drawn) + 0.5) * width, cy: 1 + (Math.floor(index / this.#drawn) + 0.5) * height, r: Math.min(2.5, width / 5) })));
    return cells.length;
  }

  /** Sets the accessible labels of the cells. @param {(cell: number) => string} say */
  name(say) {
    this.#cells.forEach((cell, index) => cell.setAttribute('aria-label', say(this.#gridIndex(index))));
  }

  get #drawn() {
    return this.#columns - this.#from;
  }

  /** The index in the grid of a drawn cell. @param {number} cell */
  #gridIndex(cell) {
    return Math.floor(cell / this.#drawn) * this.#columns + this.#from + (cell % this.#drawn);
  }

  /** Marks what is hovered in another figure: a cell, else the whole row or column. @param {Target | null} target */
  mark(target) {
    const row = indexOnAxis(this.#grid.rows, target);
    const found = indexOnAxis(this.#grid.columns, target, this.#columns);
    // A folded position is not there.
    const column = found < this.#from ? -1 : found - this.#from;
    const key = found >= 0 && column < 0 ? 'folded' : `${row} ${column}`;
    if (key === this.#marked) return;
    this.#marked = key;
    if (key === 'folded' || (row < 0 && column < 0)) return this.#mark.replaceChildren();
    const { width, height, left } = this.#layout;
    const x = left + Math.max(0, column) * width;
    const y = 1 + Math.max(0, row) * height;
    const across = column < 0 ? this.#drawn * width : width;
    const down = row < 0 ? this.#grid.rows.ticks.length * height : height;
    const whole = row < 0 || column < 0;
    this.#mark.replaceChildren(
      ...(whole ? [] : [s('rect', { x: x - 1, y: y - 1, width: across + 2, height: down + 2, fill: 'none', stroke: '#ffffff', 'stroke-width': 2 })]),
      s('rect', { x, y, width: across, height: down, fill: 'none', stroke: whole ? '#111418' : MARK, 'stroke-width': whole ? 1 : 2, 'stroke-dasharray': whole ? '3 2' : null }),
    );
  }

  /** @param {EventTarget | null} target */
  #at(target) {
    return (target && this.#places.get(target)) ?? -1;
  }

  #listen() {
    const { svg } = this;
    svg.addEventListener('pointermove', (event) => {
      const cell = this.#at(event.target);
      if (cell < 0) this.#leave();
      else this.#point(cell);
    });
    svg.addEventListener('pointerleave', () => this.#leave());
    svg.addEventListener('focusin', (event) => {
      const cell = this.#at(event.target);
      if (cell >= 0 && this.#cells[cell].matches(':focus-visible')) this.#point(cell);
    });
    svg.addEventListener('focusout', () => this.#leave());
    svg.addEventListener('click', (event) => {
      const cell = this.#at(event.target);
      if (cell >= 0) this.#click(cell);
    });
    svg.addEventListener('keydown', (event) => this.#key(event));
  }

  /** @param {number} cell */
  #point(cell) {
    const { width, height, left } = this.#layout;
    const columns = this.#drawn;
    const row = Math.floor(cell / columns);
    this.#cursor.setAttribute('transform', `translate(${left + (cell % columns) * width} ${1 + row * height})`);
    for (const rect of this.#cursor.children) {
      rect.setAttribute('width', String(width));
      rect.setAttribute('height', String(height));
    }
    this.#cursor.removeAttribute('display');
    this.#hooks.onPoint(row, this.#from + (cell % columns), this.#cells[cell]);
  }

  #leave() {
    if (this.#cursor.hasAttribute('display')) return;
    this.#cursor.setAttribute('display', 'none');
    this.#hooks.onLeave();
  }

  /** @param {number} cell */
  #click(cell) {
    this.#moveTo(cell, false);
    this.#hooks.onClick(Math.floor(cell / this.#drawn), this.#from + (cell % this.#drawn));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const columns = this.#drawn;
    const rows = this.#grid.rows.ticks.length;
    const row = Math.floor(this.#stop / columns);
    const column = this.#stop % columns;
    /** @type {Record<string, [number, number]>} */
    const moves = {
      ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1], ArrowDown: [row + 1, column], ArrowUp: [row - 1, column],
      Home: [row, 0], End: [row, columns - 1], PageUp: [0, column], PageDown: [rows - 1, column],
    };
    const move = moves[event.key];
    if (move) {
      const [r, c] = move;
      this.#moveTo(Math.max(0, Math.min(rows - 1, r)) * columns + Math.max(0, Math.min(columns - 1, c)), true);
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.#click(this.#stop);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The cell that is the tab stop. */
  get stop() {
    return this.#stop;
  }

  /** @param {number} cell */
  stopAt(cell) {
    if (this.#cells.length === 0) this.#stop = cell;
    else if (this.#cells[cell]) this.#moveTo(cell, false);
  }

  /** @param {number} cell @param {boolean} focus */
  #moveTo(cell, focus) {
    // Only if it is another cell: removing its tabindex would blur the focused cell.
    if (cell !== this.#stop) this.#cells[this.#stop].removeAttribute('tabindex');
    this.#stop = cell;
    this.#cells[cell].setAttribute('tabindex', '0');
    if (focus) this.#cells[cell].focus();
  }
}

/** @param {string} text */
function cut(text) {
  return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 1)}\u2026` : text;
}

/** An outline that is visible on every colour. */
function cursor() {
  return s('g', { display: 'none', 'pointer-events': 'none', 'aria-hidden': 'true', 'data-screen': '' },
    s('rect', { fill: 'none', stroke: '#ffffff', 'stroke-width': 4 }), s('rect', { fill: 'none', stroke: '#111418', 'stroke-width': 2 }));
}
