// What can be inspected: a head, a neuron, a patch.

/**
 * @typedef {object} Item
 * @property {'head' | 'neuron' | 'patch'} kind
 * @property {number} group
 * @property {number} layer
 * @property {number} [head]
 * @property {number} [neuron]
 * @property {number} [position]
 * @property {string} [site] hook point of a patch: `blocks.7.attn.hook_z`
 */

export const ITEM_KINDS = ['head', 'neuron', 'patch'];

/** TransformerLens's name: `L7H11`, `L8N2744`, `blocks.7.attn.hook_z[head 11, position 3]`. @param {Item} item */
export function itemName({ kind, layer, head, neuron, position, site }) {
  if (kind === 'head') return `L${layer}H${head}`;
  if (kind === 'neuron') return `L${layer}N${neuron}`;
  const parts = [head !== undefined && `head ${head}`, neuron !== undefined && `neuron ${neuron}`, position !== undefined && `position ${position}`].filter(Boolean);
  return `${site}[${parts.length > 0 ? parts.join(', ') : 'all'}]`;
}

/** Whether two items are the same, possibly for different groups. @param {Item} a @param {Item} b */
export function sameItem(a, b) {
  return itemName(a) === itemName(b);
}
