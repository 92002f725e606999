// Linked hover: what the pointer or the focus is on in one picture is marked in every other picture on the page.

/**
 * What a mark in a picture is about. A head has a layer and a head, a neuron a layer and a neuron, a cell of a residual
 * map a layer and a position; a component of the residual stream has its name.
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
 * @property {Element} element the picture; once it has left the page, it hears no more
 * @property {(target: Target | null) => void} mark
 * @property {boolean} seen whether it has been on the page
 */

/** @type {Set<Listener>} */
const listeners = new Set();
let current = '';

/** Says what the pointer or the focus is on now; `null`: on nothing. @param {Target | null} target */
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

/** Has a picture hear of every target until it leaves the page. @param {Element} element @param {(target: Target | null) => void} mark */
export function subscribe(element, mark) {
  for (const listener of listeners) if (listener.seen && !listener.element.isConnected) listeners.delete(listener);
  listeners.add({ element, mark, seen: false });
}

/** TransformerLens's name: `L7H11`, `L8N2744`, else what is known of it. @param {Target} target */
export function nameOf({ layer, head, neuron, position, component }) {
  if (component !== undefined) return component;
  if (layer !== undefined && head !== undefined) return `L${layer}H${head}`;
  if (layer !== undefined && neuron !== undefined) return `L${layer}N${neuron}`;
  return [layer !== undefined && `layer ${layer}`, position !== undefined && `position ${position}`].filter(Boolean).join(', ');
}
