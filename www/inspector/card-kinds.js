// The three kinds of cards: what they request and how they draw it.

import { h } from '../dom.js';
import { actOnEnter, growWithText } from '../field.js';
import { drawPart } from '../reports/index.js';
import { itemName, placeNames, readPlace } from '../store/item.js';
import { drawPatchedRun } from './patched-run.js';

/** @import { Item } from '../store/item.js' */
/** @import { Direction } from '../store/view.js' */
/** @import { CardKind } from './card.js' */

/** The activations of a head that can be patched. */
const HEAD_SITES = [
  { site: 'hook_z', name: 'output' }, { site: 'hook_v', name: 'value' }, { site: 'hook_pattern', name: 'pattern' },
  { site: 'hook_q', name: 'query' }, { site: 'hook_k', name: 'key' },
];

/** What a head makes of what it reads, and so what paths lead to. */
const HEAD_READS = [{ part: 'q', name: 'query' }, { part: 'k', name: 'key' }, { part: 'v', name: 'value' }];

/** Figures that can be about one head; `edges` are the circuit's so far. @type {{ analysis: string, name: string, settings: (head: string, edges: string) => Record<string, string> }[]} */
const HEAD_FIGURES = [
  { analysis: 'score-decomposition', name: 'why it attends', settings: (head) => ({ head }) },
  { analysis: 'source-attribution', name: 'attribution by source', settings: (heads) => ({ heads }) },
  { analysis: 'head-atlas', name: 'composition', settings: (head) => ({ what: 'composition', head }) },
  { analysis: 'head-atlas', name: 'directions', settings: (head) => ({ what: 'directions', head }) },
  { analysis: 'circuit', name: 'the circuit with its edges', settings: (head, edges) => ({ edges: head.replace(/L(.*)H(.*)/, `${edges} *->a$1.h$2 a$1.h$2->*`).trim() }) },
];

/** What a patched activation can become. */
const EFFECTS = [
  { name: 'the other run\u2019s', effect: { replace: 'other' } },
  { name: 'zero', effect: { replace: 'zero' } },
  { name: 'the mean of the clean prompts', effect: { replace: { mean: 'clean' } } },
  { name: 'the mean of the corrupted prompts', effect: { replace: { mean: 'corrupted' } } },
];

/**
 * @param {{ direction: () => Direction, open: (item: Item) => void, ask: (analysis: string, settings: Record<string, string>) => void, circuit: () => string }} page
 * @returns {Record<Item['kind'], CardKind>}
 */
export function cardKinds({ direction, open, ask, circuit }) {
  return {
    head: {
      what: 'Head',
      analysis: 'attention',
      settings: (item, { prompt }) => ({ heads: itemName(item), prompt: String(prompt) }),
      draw: (report, stage) => report.parts.map((part) => drawPart(part, stage, 'inspector')),
      fields: (item) => [h('div', { class: 'card-patches' }, h('span', { class: 'setting-name' }, 'run with its'),
        ...HEAD_SITES.map(({ site, name }) => h('button', { type: 'button', class: 'link', on: { click: () => open({ ...item, kind: 'patch', site: `blocks.${item.layer}.attn.${site}` }) } }, name)),
        h('span', { class: 'setting-name' }, 'patched')),
      h('div', { class: 'card-patches' }, h('span', { class: 'setting-name' }, 'what reaches its'),
        ...HEAD_READS.map(({ part, name }) => h('button', { type: 'button', class: 'link', on: { click: () => ask('path-patching', { receivers: `${itemName(item)}.${part}` }) } }, name))),
      h('div', { class: 'card-patches' }, h('span', { class: 'setting-name' }, 'show'),
        ...HEAD_FIGURES.map(({ analysis, name, settings }) => h('button', { type: 'button', class: 'link', on: { click: () => ask(analysis, settings(itemName(item), circuit())) } }, name)))],
    },
    neuron: {
      what: 'Neuron',
      analysis: 'neuron-on-text',
      settings: (item, { text, full }, prompt) => ({ neuron: itemName(item), text: text || prompt, full: full || 'auto' }),
      draw: (report, stage) => {
        const [picture, ...tables] = report.parts.map((part) => drawPart(part, stage, 'inspector'));
        return [picture, h('div', { class: 'card-tables' }, ...tables)];
      },
      fields: neuronFields(open),
    },
    patch: {
      what: 'Patched run',
      analysis: 'intervene',
      settings: (item, { prompt, effect, others }) => {
        const names = [itemName(item), ...placeNames(others)];
        const list = names.flatMap((name) => readPlace(name) ?? []).map((place) => ({ ...place, effect: EFFECTS[effect].effect }));
        return { list: JSON.stringify(list), prompt: String(prompt), direction: direction() };
      },
      draw: drawPatchedRun,
      fields: (item, change) => {
        const unit = item.head !== undefined ? { kind: /** @type {const} */ ('head'), text: `L${item.layer}H${item.head}` } : item.neuron !== undefined ? { kind: /** @type {const} */ ('neuron'), text: `L${item.layer}N${item.neuron}` } : null;
        return [
          ...patchFields(item, change),
          ...(unit ? [h('div', { class: 'card-patches' }, h('button', { type: 'button', class: 'link', on: { click: () => open({ ...item, kind: unit.kind, site: undefined, position: undefined }) } }, `Everything about ${unit.text}`))] : []),
        ];
      },
    },
  };
}

/** What the activation becomes, and what else is patched in the same run. @type {CardKind['fields']} */
function patchFields(item, change) {
  // Ids are words: a list of them is separated by spaces.
  const id = `patch-also-${itemName(item).replace(/\W+/g, '-')}`;
  const effect = h('select', { 'aria-label': 'What it becomes', on: { change: () => change({ effect: effect.selectedIndex }) } }, ...EFFECTS.map(({ name }) => h('option', {}, name)));
  const error = h('p', { class: 'field-error', id: `${id}-error`, hidden: true });
  const others = h('input', { id, type: 'text', spellcheck: 'false', autocomplete: 'off', 'aria-describedby': error.id, placeholder: 'L9H6, blocks.9.hook_mlp_out' });
  const changed = () => {
    const unknown = placeNames(others.value).filter((name) => !readPlace(name));
    error.hidden = unknown.length === 0;
    others.setAttribute('aria-invalid', String(unknown.length > 0));
    error.textContent = unknown.length > 0 ? `Not a head, neuron or hook point: ${unknown.join(', ')}. Write them as L9H6, L8N2744 or blocks.9.hook_mlp_out[position 3].` : '';
    // Until it is corrected, the run is the one with the names before.
    if (unknown.length === 0) change({ others: others.value });
  };
  others.addEventListener('change', changed);
  actOnEnter(others, changed);
  return [
    h('label', { class: 'card-field' }, 'becomes', effect),
    h('label', { class: 'card-field', for: id }, 'together with', others),
    error,
  ];
}

/** @param {(item: Item) => void} open @returns {CardKind['fields']} */
function neuronFields(open) {
  return (item, change) => {
    const id = `neuron-text-${item.layer}-${item.neuron}`;
    const text = h('textarea', { id, rows: 1, spellcheck: 'false', autocomplete: 'off', placeholder: 'the prompt chosen above' });
    const full = h('input', { id: `${id}-full`, type: 'text', class: 'setting-short', placeholder: 'auto', autocomplete: 'off' });
    growWithText(text);
    const changed = () => change({ text: text.value, full: full.value });
    actOnEnter(text, changed);
    text.addEventListener('change', changed);
    full.addEventListener('change', changed);
    return [
      h('label', { class: 'card-field', for: id }, 'text', text),
      h('div', { class: 'card-patches' },
        h('label', { class: 'card-inline', for: full.id }, 'full colour at', full),
        h('button', { type: 'button', class: 'link', on: { click: () => open({ ...item, kind: 'patch', site: `blocks.${item.layer}.mlp.hook_post` }) } }, 'Run with it patched')),
    ];
  };
}
