// Attention of one head as a matrix: rows are destinations, columns are sources, masked positions are grey.

import { label, s } from '../../svg.js';

/** Cells are grouped by shade: one path per shade renders faster than one element per cell. */
const SHADES = 48;

/** @typedef {{ low: number, high: number, colour: (value: number) => string }} Scale */

/**
 * The cells, 1 x 1 unit each.
 *
 * @param {number[][]} rows
 * @param {Scale} scale
 */
export function cells(rows, { low, high, colour }) {
  const size = rows.length;
  /** @type {Map<number, string[]>} */
  const paths = new Map();
  rows.forEach((row, destination) => row.forEach((value, source) => {
    const shade = Math.max(0, Math.min(SHADES, Math.round((SHADES * (value - low)) / (high - low || 1))));
    const path = paths.get(shade) ?? [];
    path.push(`M${source} ${destination}h1v1h-1z`);
    paths.set(shade, path);
  }));
  const future = rows.map((row, destination) => (row.length < size ? `M${row.length} ${destination}h${size - row.length}v1h-${size - row.length}z` : '')).join('');
  return [
    s('path', { d: future, fill: 'var(--line)', 'shape-rendering': 'crispEdges' }),
    ...[...paths].map(([shade, path]) => s('path', { d: path.join(''), fill: colour(low + (shade / SHADES) * (high - low)), 'shape-rendering': 'crispEdges' })),
  ];
}

/** A thumbnail of a head. @param {number[][]} rows @param {Scale} scale @param {number} side in pixels */
export function thumbnail(rows, scale, side) {
  return s('svg', { width: side, height: side, viewBox: `0 0 ${rows.length} ${rows.length}`, 'aria-hidden': 'true' }, ...cells(rows, scale));
}

/**
 * The matrix with its token labels.
 *
 * @param {number[][]} rows
 * @param {string[]} labels of the tokens
 * @param {Scale} scale
 * @param {string} name
 * @param {number} width pixels that it may take
 */
export function matrix(rows, labels, scale, name, width) {
  const count = rows.length;
  const room = Math.min(120, Math.max(...labels.map((text) => text.length)) * 6.3) + 8;
  const left = room + 18;
  const side = Math.max(4, Math.min(26, Math.floor(Math.min(380, width - left - 4) / count)));
  const step = Math.ceil(12 / side);
  const across = count * side;
  const shown = labels.map((_, index) => index).filter((index) => index % step === 0);
  const cut = (/** @type {string} */ text) => (text.length > 18 ? `${text.slice(0, 17)}\u2026` : text);
  const marks = s('g', { 'pointer-events': 'none', 'data-screen': '' });
  const svg = s(
    'svg',
    { width: left + across + 4, height: across + room + 22, role: 'img', 'aria-label': `${name}: attention, rows are destinations, columns are sources`, class: 'matrix' },
    s('g', { transform: `translate(${left} 1) scale(${side})` }, ...cells(rows, scale)),
    s('rect', { x: left, y: 1, width: across, height: across, fill: 'none', stroke: 'var(--line-strong)' }),
    ...shown.map((index) => label(cut(labels[index]), left - 5, 1 + (index + 0.5) * side + 4, { 'text-anchor': 'end' })),
    ...shown.map((index) => label(cut(labels[index]), 0, 0, { 'text-anchor': 'end', transform: `translate(${left + (index + 0.5) * side + 4} ${across + 7}) rotate(-90)` })),
    label('destination', 0, 0, { 'text-anchor': 'middle', fill: 'var(--ink)', transform: `translate(11 ${across / 2}) rotate(-90)` }),
    label('source', left + across / 2, across + room + 17, { 'text-anchor': 'middle', fill: 'var(--ink)' }),
    marks,
  );
  return {
    svg,
    /** The cell under the pointer. @param {MouseEvent} event @returns {[number, number] | null} destination and source */
    cellAt(event) {
      const box = svg.getBoundingClientRect();
      const source = Math.floor((event.clientX - box.left - left) / side);
      const destination = Math.floor((event.clientY - box.top - 1) / side);
      return rows[destination]?.[source] === undefined ? null : [destination, source];
    },
    /** @param {number} destination @param {number} source */
    boxOf(destination, source) {
      const box = svg.getBoundingClientRect();
      return new DOMRect(box.left + left + source * side, box.top + 1 + destination * side, side, side);
    },
    /** Outlines a row, or a column if `fromSource`. @param {number} token @param {boolean} fromSource */
    mark(token, fromSource) {
      const [x, y, width, height] = fromSource ? [token, token, 1, count - token] : [0, token, token + 1, 1];
      marks.replaceChildren(s('rect', { x: left + x * side, y: 1 + y * side, width: width * side, height: height * side, fill: 'none', stroke: 'var(--mark-line)', 'stroke-width': 2 }));
    },
  };
}
