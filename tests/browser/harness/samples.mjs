// Synthetic reports in GPT-2 small's shapes, for tests of the renderers, which need no model.

/** @import { Attention, Axis, Grid, Measure, Panel, Part, Report, Token, Values } from '../../../www/types/engine.js' */

/** @typedef {(from: number, to: number) => number} Random */

/** A seeded random number generator. @param {number} seed @returns {Random} */
export function randomFrom(seed) {
  let state = seed;
  return (from, to) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from + ((to - from) * state) / 2 ** 32;
  };
}

export const GROUPS = ["'re they", "'re she", "'re he", "'re we", "'s she", "'s he", "'s we", "'s they"];
const WORDS = ['<|endoftext|>', 'We', "'re", ' helping', ' our', ' friend', ' when', ' they'];
/** @type {Token[]} */
export const TOKENS = WORDS.map((text, index) => ({ id: index === 0 ? 50256 : 1000 + index, text }));

/** @type {Measure[]} */
export const MEASURES = [
  { name: 'normalized', label: 'share of the effect', quantity: 'share', range: [-1, 1], middle: 0 },
  { name: 'logit-diff', label: 'logit difference', quantity: 'logit-difference', range: null, middle: 0 },
  { name: 'probability', label: 'probability', quantity: 'probability', range: [0, 1], middle: null },
];

/** @param {string} label @param {Axis['counts']} counts @param {string[]} ticks @returns {Axis} */
export function axis(label, counts, ticks) {
  return { label, counts, ticks };
}

/** @param {number} count @param {(index: number) => string} [text] */
export function ticks(count, text = String) {
  return Array.from({ length: count }, (_, index) => text(index));
}

/**
 * A grid with random values for every measure, prompt and panel.
 *
 * @param {Pick<Grid, 'title' | 'site' | 'rows' | 'columns'> & { groups: string[], prompts?: number, measures?: Measure[], seed?: number, sparse?: boolean, difference?: boolean, notComputed?: number }} what
 * @returns {Grid}
 */
export function grid({ title, site, rows, columns, groups, prompts = 8, measures = MEASURES, seed = 1, sparse = false, difference = false, notComputed = 0 }) {
  const random = randomFrom(seed);
  const most = columns.ticks.length;
  const all = Array.from({ length: rows.ticks.length * most }, () => {
    const small = random(-0.06, 0.06);
    return random(0, 1) > (sparse ? 0.999 : 0.93) ? random(-0.9, 1) : small;
  });
  // As in the engine's reports, position labels are in the panels. The second group's prompts are shorter.
  const hasPositions = columns.counts === 'position';
  /** @param {number} group @returns {Panel} */
  const panel = (group) => {
    const own = hasPositions && group === 1 ? most - 1 : most;
    return panelOf(group, own, all.filter((_, cell) => cell % most < own));
  };
  /** @param {number} group @param {number} width @param {number[]} base @returns {Panel} */
  const panelOf = (group, width, base) => ({
    name: groups[group],
    group,
    minus: null,
    changed: hasPositions ? [2] : [],
    counts: null,
    caution: null,
    ticks: hasPositions ? TOKENS.slice(-width).map((token, index) => `${token.text}_${index}`) : null,
    prompts: Array.from({ length: prompts }, (_, index) => `We're helping our friend when they ${index}`),
    pairs: Array.from({ length: prompts }, (_, index) => Math.floor(index / 2)),
    values: measures.map((measure, index) => {
      const scale = measure.quantity === 'probability' ? (/** @type {number} */ x) => Math.min(1, Math.abs(x)) : (/** @type {number} */ x) => x * (index === 1 ? 2.2 : 1);
      const own = Array.from({ length: prompts }, () => base.map((number) => scale(number * random(0.6, 1.2) + random(-0.02, 0.02))));
      const mean = base.map((_, cell) => own.reduce((sum, numbers) => sum + numbers[cell], 0) / prompts);
      /** @type {Values} */
      const values = {
        measure: index,
        mean: mean.map((number, cell) => (cell >= base.length - notComputed ? null : number)),
        low: mean.map((number) => number - 0.05),
        high: mean.map((number) => number + 0.05),
        p: [],
        adjusted: [],
        prompts: own,
        clean: index === 0 ? 1 : 2.813 - 0.1 * group,
        corrupted: index === 0 ? 0 : -1.204 + 0.1 * group,
      };
      return values;
    }),
  });
  const panels = groups.map((_, group) => panel(group));
  if (difference) {
    const minus = panels[1].values;
    panels.push({
      ...panels[0], name: `${groups[0]} \u2212 ${groups[1]}`, minus: 1, prompts: [],
      values: panels[0].values.map((values, index) => ({
        ...values, mean: values.mean.map((number, cell) => (number === null || minus[index].mean[cell] === null ? null : number - Number(minus[index].mean[cell]))),
        low: [], high: [], prompts: [], clean: null, corrupted: null,
      })),
    });
  }
  return { title, note: 'Made-up numbers, in the shape of real ones.', site, rows, columns: hasPositions ? { ...columns, ticks: [] } : columns, measures, panels };
}

/** @param {number} layers @param {string[]} groups @param {object} [more] @returns {Part} */
export function headGrid(layers, groups, more = {}) {
  return { kind: 'heat', ...grid({ title: 'Patching z of one head', site: 'attn.hook_z', rows: axis('layer', 'layer', ticks(layers)), columns: axis('head', 'head', ticks(12)), groups, seed: 3, ...more }) };
}

/** @param {string[]} groups @param {object} [more] @returns {Part} */
export function residualGrid(groups, more = {}) {
  return { kind: 'heat', ...grid({ title: 'Patching the residual stream', site: 'hook_resid_pre', rows: axis('layer', 'layer', ticks(12)), columns: axis('position', 'position', ticks(8)), groups, seed: 5, ...more }) };
}

/** Every edge of a model of this shape, in the engine's order. @param {number} layers @param {number} heads @param {string[]} groups @returns {Part} */
export function edgeGrid(layers, heads, groups) {
  /** @type {string[]} */
  const nodes = ['input'];
  /** @type {string[]} */
  const names = [];
  for (let layer = 0; layer < layers; layer += 1) {
    const own = ticks(heads, (head) => `a${layer}.h${head}`);
    for (const head of own) for (const part of 'qkv') names.push(...nodes.map((node) => `${node}->${head}<${part}>`));
    nodes.push(...own);
    names.push(...nodes.map((node) => `${node}->m${layer}`));
    nodes.push(`m${layer}`);
  }
  names.push(...nodes.map((node) => `${node}->logits`));
  const measures = [{ name: 'change', label: 'change of the logit difference', quantity: /** @type {const} */ ('logit-difference'), range: null, middle: 0 }];
  return { kind: 'edges', ...grid({ title: 'Edges, exact', site: null, rows: axis('', 'other', ['']), columns: axis('Edge', 'edge', names), groups, prompts: 2, measures, seed: 17 }) };
}

/** @param {string[]} groups @returns {Part} */
export function headPositionGrid(groups) {
  const rows = axis('head', 'layer-head', ticks(144, (index) => `L${Math.floor(index / 12)}H${index % 12}`));
  return { kind: 'heat', ...grid({ title: 'Patching one head at one position', site: 'attn.hook_z', rows, columns: axis('position', 'position', ticks(8)), groups, seed: 7 }) };
}

/** @param {string[]} groups @param {number} [prompts] @returns {Part} */
export function neuronGrid(groups, prompts = 1) {
  return { kind: 'line', ...grid({ title: 'Patching one neuron', site: 'mlp.hook_post', rows: axis('layer', 'layer', ticks(12)), columns: axis('neuron', 'neuron', ticks(3072)), groups, prompts, measures: MEASURES.slice(0, 2), seed: 11, sparse: true }) };
}

/** @param {string[]} groups @returns {Part} */
export function lensGrid(groups) {
  const points = [...ticks(12).flatMap((layer) => [`${layer}_pre`, `${layer}_mid`]), 'final_post'];
  const measures = [{ name: 'logit-diff', label: 'logit difference', quantity: /** @type {const} */ ('logit-difference'), range: null, middle: 0 }];
  const part = grid({ title: 'Logit lens', site: null, rows: axis('', 'other', ['logit difference']), columns: axis('residual stream after', 'component', points), groups, measures, seed: 13 });
  part.panels.forEach((panel, group) => panel.values.forEach((values) => {
    values.clean = null;
    values.corrupted = null;
    values.mean = points.map((_, index) => 2.6 / (1 + Math.exp(-(index - 15 - group) / 2)) - 0.1 * group);
    values.low = values.mean.map((number) => Number(number) - 0.25);
    values.high = values.mean.map((number) => Number(number) + 0.3);
  }));
  return { kind: 'line', ...part };
}

/** @param {string[]} groups @returns {Part} */
export function layersLine(groups) {
  return { kind: 'line', ...grid({ title: 'Share by layer and position', site: null, rows: axis('layer', 'layer', ticks(6)), columns: axis('position', 'position', ticks(8)), groups, seed: 17 }) };
}

/** @param {string[]} groups @returns {Part} */
export function scatter(groups) {
  const random = randomFrom(23);
  const names = ticks(144, (index) => `L${Math.floor(index / 12)}H${index % 12}`);
  const layers = names.map((_, index) => Math.floor(index / 12));
  const strong = names.map(() => random(0, 1) > 0.95);
  return {
    kind: 'scatter', alike: true, title: 'Value patching against output patching', note: 'Heads on the dashed line act through their values alone.',
    x: { label: 'patching v' }, y: { label: 'patching z' }, measures: MEASURES.slice(0, 2), names, layers,
    panels: groups.map((name, group) => ({
      name, group,
      values: [0, 1].map((measure) => {
        const y = names.map((_, index) => (strong[index] ? random(-0.4, 0.8) : random(-0.04, 0.04)) * (measure + 1));
        return { measure, x: y.map((value) => value * random(0.2, 1) + random(-0.02, 0.02)), y };
      }),
    })),
  };
}

/** @param {number} heads @param {'attention' | 'score'} [quantity] @param {Token[]} [tokens] @returns {Part} */
export function attention(heads, quantity = 'attention', tokens = TOKENS) {
  const random = randomFrom(29);
  /** @type {Attention} */
  const part = {
    title: 'What the strongest heads attend to', note: 'Heads by their attribution to the logit difference.', quantity,
    prompts: GROUPS.slice(0, 2).map((group, index) => ({
      group: index, prompt: 0, label: `${group}: We're helping our friend when they`, tokens,
      heads: Array.from({ length: heads }, (_, place) => {
        const [layer, head] = [(7 + place) % 12, (11 + 5 * place) % 12];
        return {
          name: `L${layer}H${head}`, layer, head, attribution: random(-0.6, 1),
          rows: tokens.map((_, destination) => {
            const scores = Array.from({ length: destination + 1 }, (_, source) => random(-1, 2) + (source === 0 ? 2 : source === 2 ? 3 : 0));
            if (quantity === 'score') return scores;
            const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
            return scores.map((score) => Math.exp(score) / sum);
          }),
        };
      }),
    })),
  };
  return { kind: 'attention', ...part };
}

/** @returns {Part} */
export function textLens() {
  const random = randomFrom(31);
  const rows = [...ticks(12).flatMap((layer) => [`${layer}_pre`, `${layer}_mid`]), 'final_post'];
  const guesses = [' are', "'re", ' is', ' friend', ' the', ',', '\n', ' helping', ' themselves', ' were'];
  return {
    kind: 'text-lens', title: 'The likeliest token at each point', note: 'Read down a column: the prediction forms layer by layer.', columns: TOKENS, rows,
    cells: rows.map((_, r) => TOKENS.map(() => {
      const best = Math.min(0.97, random(0.02, 0.3) + (r / rows.length) ** 2 * random(0, 0.9));
      return Array.from({ length: 5 }, (_, rank) => ({
        token: { id: rank, text: guesses[Math.floor(random(0, guesses.length))] }, logit: 18 - 2 * rank + random(-1, 1), probability: best * 0.45 ** rank,
      }));
    })),
  };
}

/** @returns {Part} */
export function tokenValues() {
  const random = randomFrom(37);
  const text = Array.from({ length: 6 }, () => WORDS.slice(1)).flat();
  return {
    kind: 'token-values', title: 'L8N2744 on texts', note: 'Activation after the GELU.', quantity: 'activation', range: [0, 4],
    rows: ['We\u2019re helping our friend', 'A longer text'].map((label, row) => {
      const tokens = text.slice(0, row === 0 ? 7 : 42).map((word, index) => ({ id: index, text: word }));
      const values = tokens.map(() => (random(0, 1) > 0.8 ? random(0.5, 4) : random(-0.17, 0.2)));
      return { label, tokens, values, min: Math.min(...values), max: Math.max(...values) };
    }),
  };
}

/** @returns {Part} */
export function checksTable() {
  return {
    kind: 'table', title: 'Checks', note: 'Each on this device, with this model.', group: null,
    columns: [{ name: 'check', quantity: 'text', bars: true }, { name: 'largest error', quantity: 'error', bars: true }, { name: 'allowed', quantity: 'error', bars: true }],
    rows: [
      { cells: ['patching nothing changes nothing', 0, 1e-5], mark: 'passed' },
      { cells: ['components sum to the logit difference', 3.0517578125e-6, 1e-3], mark: 'passed' },
      { cells: ['attention rows sum to 1', 0.0021, 1e-5], mark: 'failed' },
    ],
  };
}

/** @returns {Part} */
export function dots() {
  const random = randomFrom(41);
  return {
    kind: 'dots', title: 'Logit difference of each prompt', note: null, axis: 'logit(answer) \u2212 logit(distractor)', quantity: 'logit-difference',
    series: GROUPS.slice(0, 4).map((name, group) => {
      const points = Array.from({ length: 8 }, (_, index) => ({ label: `prompt ${index}`, value: random(-0.5, 3) - 0.6 * group }));
      const mean = points.reduce((sum, point) => sum + point.value, 0) / points.length;
      return { name, group, points, mean, interval: /** @type {[number, number]} */ ([mean - 0.6, mean + 0.7]) };
    }),
  };
}

/** @param {Part[]} parts @returns {Report} */
export function report(parts) {
  return { analysis: 'sample', title: 'Sample', model: 'made up', device: 'none', parts, problems: [] };
}
