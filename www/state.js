// The page's own state: the experiment and the prompt under test, with undo. It is saved to localStorage on every
// change, so that nothing typed is lost.

import { readExperiment } from './experiment.js';

/** @import { FullExperiment } from './experiment.js' */

/**
 * The prompt under test: a reference to one of the experiment's prompts, which follows edits, or free text.
 * @typedef {{ group: number, pair: number, swapped: boolean } | { prompt: string, answer: string }} TestPrompt
 */

/**
 * @typedef {object} Change
 * @property {'field' | 'structure'} kind whether only the text of a field changed, or groups or pairs were added, removed or replaced
 */

const KEY = 'patchlab.draft';
/** Edits of one field that are less than this apart are undone as one step. */
const COALESCE_MS = 1500;
const UNDO_STEPS = 200;

export class State {
  /** @type {FullExperiment} */
  experiment = { groups: [], prepend_bos: true };
  /** @type {TestPrompt} */
  test = { group: 0, pair: 0, swapped: false };

  /** Whether an experiment has been loaded yet, from a link, the draft or a preset. */
  isStarted = false;

  /** @type {FullExperiment[]} */
  #past = [];
  /** @type {FullExperiment[]} */
  #future = [];
  #lastKey = '';
  #lastTime = 0;
  /** @type {((change: Change) => void)[]} */
  #listeners = [];
  /**
   * The address-bar fragments that the stored draft belongs to: the latest, and the one before, which a reload in the
   * middle of a change may still see.
   * @type {string[]}
   */
  #links = [];

  /** @param {(change: Change) => void} listener */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /**
   * Sets the first experiment. Undo goes back to `before`, if given.
   *
   * @param {FullExperiment} experiment
   * @param {TestPrompt | null} test
   * @param {FullExperiment | null} [before]
   */
  start(experiment, test, before = null) {
    this.isStarted = true;
    this.experiment = experiment;
    if (test) this.test = test;
    if (before && JSON.stringify(before) !== JSON.stringify(experiment)) this.#past.push(before);
    this.#announce('structure');
  }

  /**
   * Edits the experiment. Edits with the same `key` in quick succession are one undo step.
   *
   * @param {(experiment: FullExperiment) => void} edit works on a copy
   * @param {{ kind?: 'field' | 'structure', key?: string }} [options]
   */
  edit(edit, { kind = 'structure', key = '' } = {}) {
    const now = performance.now();
    if (!key || key !== this.#lastKey || now - this.#lastTime > COALESCE_MS) {
      this.#past.push(this.experiment);
      if (this.#past.length > UNDO_STEPS) this.#past.shift();
    }
    this.#lastKey = key;
    this.#lastTime = now;
    this.#future = [];
    const next = structuredClone(this.experiment);
    edit(next);
    this.experiment = next;
    this.#announce(kind);
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    const previous = this.#past.pop();
    if (!previous) return;
    this.#future.push(this.experiment);
    this.#step(previous);
  }

  redo() {
    const next = this.#future.pop();
    if (!next) return;
    this.#past.push(this.experiment);
    this.#step(next);
  }

  /** @param {FullExperiment} experiment */
  #step(experiment) {
    this.#lastKey = '';
    this.experiment = experiment;
    this.#announce('structure');
  }

  /** @param {TestPrompt} test */
  setTest(test) {
    this.test = test;
    this.#announce('field');
  }

  /** Whether there is a prompt under test: free text, or a pair that exists. */
  get hasTest() {
    return 'prompt' in this.test || this.experiment.groups[this.test.group]?.pairs[this.test.pair] !== undefined;
  }

  /** The prompt under test and its answer, as text. */
  testText() {
    if ('prompt' in this.test) return this.test;
    const pair = this.experiment.groups[this.test.group]?.pairs[this.test.pair];
    if (!pair) return { prompt: '', answer: '' };
    return this.test.swapped
      ? { prompt: pair.corrupted, answer: pair.distractor }
      : { prompt: pair.clean, answer: pair.answer };
  }

  /** @param {Change['kind']} kind */
  #announce(kind) {
    // The pair under test may have been removed: do not keep a dangling reference.
    if (!('prompt' in this.test) && !this.experiment.groups[this.test.group]?.pairs[this.test.pair]) {
      this.test = { group: 0, pair: 0, swapped: false };
    }
    this.save();
    for (const listener of this.#listeners) listener({ kind });
  }

  /** Records the link that the draft belongs to. @param {string} link */
  savedAs(link) {
    if (link !== this.#links[0]) this.#links = [link, ...this.#links].slice(0, 2);
    this.save();
  }

  save() {
    if (!this.isStarted) return;
    try {
      localStorage.setItem(KEY, JSON.stringify({ experiment: this.experiment, test: this.test, links: this.#links }));
    } catch {
      // Storage is full or disabled: the address bar still holds the experiment, unless it is too large for a link.
    }
  }
}

/**
 * The draft of the last visit, and the links it belongs to.
 *
 * @returns {{ experiment: FullExperiment, test: TestPrompt | null, links: string[] } | null}
 */
export function readDraft() {
  try {
    const draft = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    if (!draft) return null;
    return { experiment: readExperiment(draft.experiment), test: readTest(draft.test), links: Array.isArray(draft.links) ? draft.links.map(String) : [] };
  } catch {
    return null;
  }
}

/** @param {unknown} value @returns {TestPrompt | null} */
export function readTest(value) {
  if (typeof value !== 'object' || value === null) return null;
  const test = /** @type {Record<string, unknown>} */ (value);
  if (typeof test.prompt === 'string' && typeof test.answer === 'string') return { prompt: test.prompt, answer: test.answer };
  if (Number.isInteger(test.group) && Number.isInteger(test.pair)) {
    return { group: Number(test.group), pair: Number(test.pair), swapped: test.swapped === true };
  }
  return null;
}
