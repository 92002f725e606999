// The experiment document: its shape, its defaults and its prompts. Whether a pair can be run is decided by the engine.

/** @import { Experiment, Pair, PairTokens, Field, Role } from '../types/engine.js' */

/**
 * An experiment with its defaults filled in.
 * @typedef {Pair & { roles: Role[], more_answers: string[], more_distractors: string[] }} FullPair
 * @typedef {{ name: string, symmetric: boolean, roles: Role[], pairs: FullPair[] }} FullGroup
 * @typedef {{ groups: FullGroup[], prepend_bos: boolean }} FullExperiment
 */

/** Most pairs of an experiment, wherever it comes from: more would keep the page busy for seconds at every key. */
export const MOST_PAIRS = 5000;

/** What a role may be looked for at, besides a text. */
export const ANCHORS = ['first', 'last', 'changed', 'answer', 'distractor'];

/** Further tokens: with the answer, or the distractor, they are a set. @type {('more_answers' | 'more_distractors')[]} */
export const MORE = ['more_answers', 'more_distractors'];

/** @type {Field[]} */
export const FIELDS = ['clean', 'corrupted', 'answer', 'distractor'];

/** @param {FullExperiment} experiment */
export function pairsOf({ groups }) {
  return groups.reduce((sum, { pairs }) => sum + pairs.length, 0);
}

/** @returns {FullPair} */
export function emptyPair() {
  return fullPair({ clean: '', corrupted: '', answer: '', distractor: '' });
}

/** @param {Pair} pair */
export function isEmptyPair(pair) {
  return FIELDS.every((field) => pair[field] === '') && MORE.every((field) => !pair[field]?.length);
}

/** @param {FullExperiment} experiment @returns {FullGroup} */
export function emptyGroup(experiment) {
  return { name: freeName(experiment, 'New group'), symmetric: true, roles: [], pairs: [emptyPair()] };
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
      roles: group.roles ?? [],
      pairs: group.pairs.map(fullPair),
    })),
    prepend_bos: experiment.prepend_bos ?? true,
  };
}

/** @param {Pair} pair @returns {FullPair} */
export function fullPair({ clean, corrupted, answer, distractor, roles = [], more_answers = [], more_distractors = [] }) {
  return { clean, corrupted: corrupted ?? '', answer, distractor, roles, more_answers, more_distractors };
}

/** The document as it is written: what is empty is left out. @param {FullExperiment} experiment @returns {Experiment} */
export function withoutDefaults({ groups, prepend_bos }) {
  return {
    groups: groups.map(({ name, symmetric, roles, pairs }) => ({
      name, symmetric, ...(roles.length > 0 && { roles }),
      pairs: pairs.map((pair) => /** @type {Pair} */ (Object.fromEntries(Object.entries(pair).filter(([, value]) => !Array.isArray(value) || value.length > 0)))),
    })),
    prepend_bos,
  };
}

/** A group's pairs in groups of one length each, shortest first. @param {FullGroup} group @param {PairTokens[]} tokens @returns {FullGroup[]} */
export function byLength(group, tokens) {
  const length = (/** @type {number} */ pair) => tokens[pair]?.clean.length ?? 0;
  const lengths = [...new Set(group.pairs.map((_, pair) => length(pair)))].sort((a, b) => a - b);
  return lengths.map((own) => ({ ...group, name: `${group.name}, ${own} tokens`, pairs: group.pairs.filter((_, pair) => length(pair) === own) }));
}

/** @param {unknown} value @param {string} where */
function checkRoles(value, where) {
  if (value === undefined) return;
  if (!Array.isArray(value)) throw new Error(`"roles" of ${where} is no list`);
  for (const item of value) {
    const role = record(item, `a role of ${where}`, ['name', 'at', 'nth', 'offset']);
    if (typeof role.name !== 'string') throw new Error(`a role of ${where} has no "name"`);
    if (!isAnchor(role.at)) throw new Error(`the role ${role.name} of ${where} has no "at" that is known`);
    if (![role.nth ?? 1, role.offset ?? 0].every((number) => Number.isInteger(number) && Math.abs(Number(number)) < 2 ** 31)) throw new Error(`"nth" or "offset" of the role ${role.name} of ${where} is no whole number`);
  }
}

/** @param {unknown} at */
function isAnchor(at) {
  return typeof at === 'string' ? ANCHORS.includes(at) : typeof at === 'object' && at !== null && Object.keys(at).length === 1 && 'text' in at && typeof at.text === 'string';
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
    const group = record(item, `group ${g}`, ['name', 'symmetric', 'roles', 'pairs']);
    if (typeof group.name !== 'string') throw new Error(`group ${g} has no "name"`);
    if (!['undefined', 'boolean'].includes(typeof group.symmetric)) throw new Error(`"symmetric" of group ${g} is neither true nor false`);
    checkRoles(group.roles, `group ${g}`);
    if (!Array.isArray(group.pairs)) throw new Error(`group ${g} has no list "pairs"`);
    group.pairs.forEach((item, p) => {
      const pair = record(item, `pair ${p} of group ${g}`, [...FIELDS, ...MORE, 'roles']);
      checkRoles(pair.roles, `pair ${p} of group ${g}`);
      for (const field of MORE) {
        const tokens = pair[field] ?? [];
        if (!Array.isArray(tokens) || tokens.some((token) => typeof token !== 'string')) throw new Error(`"${field}" of pair ${p} of group ${g} is no list of texts`);
      }
      for (const field of FIELDS) {
        if (typeof pair[field] !== 'string' && !(field === 'corrupted' && pair[field] === undefined)) throw new Error(`pair ${p} of group ${g} has no text "${field}"`);
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
