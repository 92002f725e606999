// Linked hover: what is hovered or focused in one figure is marked in every other figure on the page.

/**
 * What a mark refers to: a head (layer and head), a neuron (layer and neuron), a cell of a residual-stream map (layer and
 * position), or a named component of the residual stream.
 *
 * @typedef {object} Target
 * @property {number} [layer]
 * @property {number} [head]
 * @property {number} [neuron]
 * @property {number} [position]
 * @property {string} [component]
 */

/**
 * @typedef {object} Listener
 * @property {Element} element the figure; unsubscribed once it has left the page
 * @property {(target: Target | null) => void} mark
 * @property {boolean} seen whether a hover has found it on the page; until then it may not have been inserted yet
 */

/** @type {Set<Listener>} */
const listeners = new Set();
let current = '';

/** Announces what is hovered or focused now; null for nothing. @param {Target | null} target */
export function publish(target) {
  const key = target ? JSON.stringify(target) : '';
  if (key === current) return;
  current = key;
  for (const listener of listeners) {
    if (listener.element.isConnected) listener.seen = true;
    else if (listener.seen) listeners.delete(listener);
    listener.mark(target);
  }
}

/** Calls `mark` for every target until the figure leaves the page. @param {Element} element @param {(target: Target | null) => void} mark */
export function subscribe(element, mark) {
  for (const listener of listeners) if (listener.seen && !listener.element.isConnected) listeners.delete(listener);
  listeners.add({ element, mark, seen: false });
}

/** `L7H11`, `L8N2744`, or whatever is known of the target. @param {Target} target */
export function nameOf({ layer, head, neuron, position, component }) {
  if (component !== undefined) return component;
  if (layer !== undefined && head !== undefined) return `L${layer}H${head}`;
  if (layer !== undefined && neuron !== undefined) return `L${layer}N${neuron}`;
  return [layer !== undefined && `layer ${layer}`, position !== undefined && `position ${position}`].filter(Boolean).join(', ');
}
