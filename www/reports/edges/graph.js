// One panel of the graph of edges: the strongest ones as curves from what writes to what reads.

import { category } from '../../colour.js';
import { label, s } from '../../svg.js';
import { edgeOf, shownName } from './layout.js';

/** @import { Anchor } from '../../tip.js' */
/** @import { Edge, Layout } from './layout.js' */

/**
 * @typedef {object} Hooks
 * @property {(edge: number, anchor: Anchor) => void} onEdge
 * @property {(node: string, anchor: Anchor) => void} onNode
 * @property {() => void} onLeave
 * @property {(edge: number, isShifted: boolean) => void} onClick
 * @property {(node: string) => void} onNodeClick
 * @property {(edge: number) => string} name accessible description of an edge
 */

/** Queries, keys and values arrive side by side. */
const ENTRY = { '': 0, q: -5, k: 0, v: 5 };

export class EdgeGraph {
  /** @type {SVGSVGElement} */
  svg;
  #layout;
  #edges;
  #hooks;
  #lines = s('g', { fill: 'none', 'stroke-linecap': 'round' });
  /** @type {Map<string, SVGCircleElement>} */
  #nodes = new Map();

  /** @param {string} title @param {string[]} names of all edges @param {Layout} layout @param {Hooks} hooks */
  constructor(title, names, layout, hooks) {
    this.#layout = layout;
    this.#edges = names.map(edgeOf);
    this.#hooks = hooks;
    const texts = s('g', { 'aria-hidden': 'true', 'pointer-events': 'none' });
    for (let layer = 0; layer < layout.layers; layer += 1) texts.append(label(`L${layer}`, 4, layout.at(`a${layer}.h0`).y + 4));
    for (const [node, name, dy] of /** @type {const} */ ([['input', 'input', 20], ['logits', 'logits', -12]])) {
      const { x, y } = layout.at(node);
      texts.append(label(name, x, y + dy, { 'text-anchor': 'middle' }));
    }
    const bottom = layout.height - 6;
    for (let head = 0; head < layout.heads; head += 1) texts.append(label(String(head), layout.at(`a0.h${head}`).x, bottom, { 'text-anchor': 'middle' }));
    texts.append(label('head', 4, bottom), label('MLP', layout.at('m0').x, bottom, { 'text-anchor': 'middle' }));
    const circles = s('g', {});
    for (const node of new Set(this.#edges.flatMap(({ from, to }) => [from, to]))) circles.append(this.#node(node));
    this.svg = s('svg', { class: 'edge-graph', width: layout.width, height: layout.height, viewBox: `0 0 ${layout.width} ${layout.height}`, role: 'group', 'aria-label': title }, texts, this.#lines, circles);
  }

  /** @param {string} node */
  #node(node) {
    const { x, y } = this.#layout.at(node);
    const isMlp = node.startsWith('m');
    const circle = s('circle', { cx: x, cy: y, r: isMlp ? 5.5 : 4, fill: 'var(--paper)', stroke: 'var(--ink-soft)', 'stroke-width': 1, 'data-node': node });
    circle.addEventListener('pointerenter', () => this.#hooks.onNode(node, circle));
    circle.addEventListener('pointerleave', () => this.#hooks.onLeave());
    circle.addEventListener('click', () => this.#hooks.onNodeClick(node));
    this.#nodes.set(node, circle);
    return circle;
  }

  /** Shows some edges, the strongest last, so that it lies on top. @param {{ edge: number, value: number, size: number, isEstimate: boolean }[]} shown `size` from 0 to 1 */
  paint(shown) {
    const joined = new Set(shown.flatMap(({ edge }) => [this.#edges[edge].from, this.#edges[edge].to]));
    for (const [node, circle] of this.#nodes) {
      circle.setAttribute('fill', joined.has(node) ? 'var(--ink)' : 'var(--paper)');
      circle.setAttribute('stroke-opacity', joined.has(node) ? '1' : '0.35');
    }
    this.#lines.replaceChildren(...shown.map(({ edge, value, size, isEstimate }) => this.#line(edge, value, size, isEstimate)));
  }

  /** @param {number} index @param {number} value @param {number} size @param {boolean} isEstimate */
  #line(index, value, size, isEstimate) {
    const path = s('path', {
      d: curve(this.#edges[index], this.#layout), stroke: category(value < 0 ? 1 : 0), 'stroke-width': (0.8 + 5.2 * size).toFixed(2), 'stroke-opacity': (0.35 + 0.6 * size).toFixed(2),
      'stroke-dasharray': isEstimate ? '5 4' : null, tabindex: 0, role: 'button', 'aria-label': this.#hooks.name(index), 'data-edge': index,
    });
    // A long curve has its tip at the pointer.
    const show = (/** @type {PointerEvent | FocusEvent} */ event) => this.#hooks.onEdge(index, 'clientX' in event ? { getBoundingClientRect: () => new DOMRect(event.clientX, event.clientY, 1, 1) } : path);
    path.addEventListener('pointerenter', show);
    path.addEventListener('focus', show);
    for (const end of ['pointerleave', 'blur']) path.addEventListener(end, () => this.#hooks.onLeave());
    path.addEventListener('click', (event) => this.#hooks.onClick(index, event.shiftKey));
    path.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      this.#hooks.onClick(index, event.shiftKey);
    });
    return path;
  }

  /** Marks the nodes that are hovered elsewhere. @param {(node: string) => boolean} isMarked */
  mark(isMarked) {
    for (const [node, circle] of this.#nodes) circle.setAttribute('stroke-width', isMarked(node) ? '3' : '1');
  }
}

/** @param {Edge} edge @param {Layout} layout */
function curve({ from, to, part }, { at }) {
  const a = at(from);
  const b = at(to);
  const x = b.x + ENTRY[part];
  // Straight up at both ends: edges between neighbours are short, and long ones do not run through the nodes between.
  const bend = Math.max(14, (a.y - b.y) * 0.45);
  return `M${a.x.toFixed(1)} ${a.y.toFixed(1)}C${a.x.toFixed(1)} ${(a.y - bend).toFixed(1)} ${x.toFixed(1)} ${(b.y + bend).toFixed(1)} ${x.toFixed(1)} ${(b.y + 4).toFixed(1)}`;
}

/** An edge as people read it. @param {Edge} edge */
export function readable({ from, to, part }) {
  return `${shownName(from)} \u2192 ${shownName(to)}${part && `, ${{ q: 'queries', k: 'keys', v: 'values' }[part]}`}`;
}
