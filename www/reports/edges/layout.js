// Where the nodes of the model's graph stand: layers from bottom to top, heads side by side, each MLP at the end of its layer.

/**
 * @typedef {{ x: number, y: number }} Place
 *
 * @typedef {object} Layout
 * @property {number} width
 * @property {number} height
 * @property {number} cell the distance of two heads
 * @property {number} row the distance of two layers
 * @property {number} layers
 * @property {number} heads
 * @property {(node: string) => Place} at
 */

/** An edge, from its name: what writes, what reads, and which part of a head reads. @typedef {{ from: string, to: string, part: '' | 'q' | 'k' | 'v' }} Edge */

const LEFT = 34;
const TOP = 26;
const BOTTOM = 44;

/** `a0.h1->a2.h3<q>` @param {string} name @returns {Edge} */
export function edgeOf(name) {
  const [from, reader] = name.split('->');
  const [to, part = ''] = reader.split(/[<>]/);
  return { from, to, part: /** @type {Edge['part']} */ (part) };
}

/** A node's layer and head, if it has them. @param {string} node @returns {{ layer?: number, head?: number }} */
export function placeOf(node) {
  const [, layer, head] = /^a(\d+)\.h(\d+)$/.exec(node) ?? [];
  if (layer !== undefined) return { layer: Number(layer), head: Number(head) };
  return node.startsWith('m') ? { layer: Number(node.slice(1)) } : {};
}

/** The name of a head as everywhere else on the page. @param {string} node */
export function shownName(node) {
  const { layer, head } = placeOf(node);
  if (head !== undefined) return `L${layer}H${head}`;
  return layer === undefined ? node : `MLP${layer}`;
}

/** @param {string[]} names of all edges @param {number} width there is @returns {Layout} */
export function layoutOf(names, width) {
  const places = [...new Set(names.map((name) => edgeOf(name).to))].map(placeOf);
  const layers = 1 + Math.max(...places.map(({ layer = 0 }) => layer));
  const heads = 1 + Math.max(...places.map(({ head = 0 }) => head));
  // The MLP takes the room of a head and a half.
  const cell = Math.max(16, Math.min(84, (width - LEFT - 12) / (heads + 1.5)));
  const row = layers > 6 ? 44 : 64;
  const inner = cell * (heads + 1.5);
  const height = TOP + BOTTOM + row * (layers + 1);
  /** @param {string} node */
  const at = (node) => {
    const { layer, head } = placeOf(node);
    if (layer === undefined) return { x: LEFT + inner / 2, y: node === 'input' ? height - BOTTOM : TOP };
    const y = height - BOTTOM - row * (layer + 0.9);
    // An MLP comes after the heads of its layer.
    return head === undefined ? { x: LEFT + cell * (heads + 0.75), y: y - row * 0.35 } : { x: LEFT + cell * (head + 0.5), y };
  };
  return { width: LEFT + inner + 12, height, cell, row, layers, heads, at };
}
