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

/**
 * Reads what `itemName` writes, and heads and neurons by their short names, which stand for their outputs.
 * @param {string} text @returns {{ site: string, head?: number, neuron?: number, position?: number } | null}
 */
export function readPlace(text) {
  const unit = /^L(\d+)([HN])(\d+)$/i.exec(text.trim());
  if (unit) {
    const [, layer, kind, index] = unit;
    return kind.toUpperCase() === 'H'
      ? { site: `blocks.${Number(layer)}.attn.hook_z`, head: Number(index) }
      : { site: `blocks.${Number(layer)}.mlp.hook_post`, neuron: Number(index) };
  }
  const named = /^([\w.]+?)(?:\[([^\]]*)\])?$/.exec(text.trim());
  if (!named) return null;
  const place = { site: named[1] };
  for (const part of (named[2] ?? '').split(',').map((word) => word.trim()).filter((word) => word && word !== 'all')) {
    const index = /^(head|neuron|position)[ =](\d+)$/.exec(part);
    if (!index) return null;
    Object.assign(place, { [index[1]]: Number(index[2]) });
  }
  return place;
}

/** Splits a list of names at its commas, but not at those in brackets. @param {string} text */
export function placeNames(text) {
  return text.split(/,(?![^[]*\])/).map((name) => name.trim()).filter(Boolean);
}
