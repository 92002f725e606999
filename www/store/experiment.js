// The experiment document: its shape, its defaults and its prompts. Whether a pair can be run is decided by the engine.

/** @import { Experiment, Group, Pair, Field } from '../types/engine.js' */

/**
 * An experiment with its defaults filled in.
 * @typedef {Group & { symmetric: boolean }} FullGroup
 * @typedef {{ groups: FullGroup[], prepend_bos: boolean }} FullExperiment
 */

/** Most pairs of an experiment, wherever it comes from: more would keep the page busy for seconds at every key. */
export const MOST_PAIRS = 5000;

/** @type {Field[]} */
export const FIELDS = ['clean', 'corrupted', 'answer', 'distractor'];

/** @param {FullExperiment} experiment */
export function pairsOf({ groups }) {
  return groups.reduce((sum, { pairs }) => sum + pairs.length, 0);
}

/** @returns {Pair} */
export function emptyPair() {
  return { clean: '', corrupted: '', answer: '', distractor: '' };
}

/** @param {Pair} pair */
export function isEmptyPair(pair) {
  return FIELDS.every((field) => pair[field] === '');
}

/** @param {FullExperiment} experiment @returns {FullGroup} */
export function emptyGroup(experiment) {
  return { name: freeName(experiment, 'New group'), symmetric: true, pairs: [emptyPair()] };
}

/** `wish`, or `wish 2`, `wish 3`, ... if that name is taken. @param {FullExperiment} experiment @param {string} wish */
export function freeName(experiment, wish) {
  const taken = new Set(experiment.groups.map((group) => group.name));
  let name = wish;
  for (let n = 2; taken.has(name); n += 1) name = `${wish} ${n}`;
  return name;
}

/** @param {Experiment} experiment @returns {FullExperiment} */
export function withDefaults(experiment) {
  return {
    groups: experiment.groups.map((group) => ({
      name: group.name,
      symmetric: group.symmetric ?? true,
      pairs: group.pairs.map(({ clean, corrupted, answer, distractor }) => ({ clean, corrupted, answer, distractor })),
    })),
    prepend_bos: experiment.prepend_bos ?? true,
  };
}

/**
 * Checks the shape of a document that came from a link, a file or the browser's storage.
 *
 * @param {unknown} value
 * @returns {FullExperiment}
 * @throws {Error} with a message for the user, if it is not an experiment
 */
export function readExperiment(value) {
  const document = record(value, 'the document', ['groups', 'prepend_bos']);
  if (!Array.isArray(document.groups)) throw new Error('it has no list "groups"');
  if (!['undefined', 'boolean'].includes(typeof document.prepend_bos)) throw new Error('"prepend_bos" is neither true nor false');
  document.groups.forEach((item, g) => {
    const group = record(item, `group ${g}`, ['name', 'symmetric', 'pairs']);
    if (typeof group.name !== 'string') throw new Error(`group ${g} has no "name"`);
    if (!['undefined', 'boolean'].includes(typeof group.symmetric)) throw new Error(`"symmetric" of group ${g} is neither true nor false`);
    if (!Array.isArray(group.pairs)) throw new Error(`group ${g} has no list "pairs"`);
    group.pairs.forEach((item, p) => {
      const pair = record(item, `pair ${p} of group ${g}`, FIELDS);
      for (const field of FIELDS) {
        if (typeof pair[field] !== 'string') throw new Error(`pair ${p} of group ${g} has no text "${field}"`);
      }
    });
  });
  const experiment = withDefaults(/** @type {Experiment} */ (value));
  const pairs = pairsOf(experiment);
  if (pairs > MOST_PAIRS) throw new Error(`it has ${pairs} prompt pairs, and this page takes at most ${MOST_PAIRS}: split it into several files`);
  return experiment;
}

/**
 * Checks that `value` is an object with known fields only: a misspelt field must not be silently ignored.
 *
 * @param {unknown} value
 * @param {string} what
 * @param {string[]} known
 * @returns {Record<string, unknown>}
 */
function record(value, what, known) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not an object`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${what} has an unknown field "${unknown}"`);
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * One prompt to run: one side of a pair, taken as the clean prompt.
 * @typedef {{ group: number, pair: number, swapped: boolean, prompt: string, answer: string }} Case
 */

/**
 * The prompts that are run, in the engine's order. A symmetric pair yields two.
 *
 * @param {FullExperiment} experiment
 * @returns {Case[]}
 */
export function casesOf(experiment) {
  return experiment.groups.flatMap((group, g) =>
    group.pairs.flatMap((pair, p) => {
      const as = { group: g, pair: p, swapped: false, prompt: pair.clean, answer: pair.answer };
      return group.symmetric ? [as, { ...as, swapped: true, prompt: pair.corrupted, answer: pair.distractor }] : [as];
    }),
  );
}
