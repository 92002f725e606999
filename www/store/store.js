// The one store of what the visitor chose: experiment, prompt under test, view, model. Everything else on the page is computed
// from it. Values are never changed in place; a change replaces them.

import { batch, computed, signal } from '../vendor/dist/libraries.js';
import { clampView, DEFAULT_VIEW, moveView } from './view.js';

/** @import { FullExperiment, FullGroup } from './experiment.js' */
/** @import { Checked, ModelInfo } from '../types/engine.js' */
/** @import { Loaded } from '../study/loaded.js' */
/** @import { View } from './view.js' */

/**
 * The prompt under test: a reference to one of the experiment's prompts, which follows edits, or free text.
 * @typedef {{ group: number, pair: number, swapped: boolean } | { prompt: string, answer: string }} TestPrompt
 */

/** What an experiment was before or after a change, and where its groups came from. @typedef {{ experiment: FullExperiment, moved: (number | null)[] }} Step */

/** Where each group was before the last change of structure. @typedef {{ moved: (number | null)[] }} Structure */

/** The open model, and a number that no other opening has had. @typedef {{ info: ModelInfo, serial: number }} OpenModel */

/** Edits of one field that are less than this apart are undone as one step. */
const COALESCE_MS = 1500;
const UNDO_STEPS = 200;

export class Store {
  #experiment = signal(/** @type {FullExperiment} */ ({ groups: [], prepend_bos: true }));
  #test = signal(/** @type {TestPrompt} */ ({ group: 0, pair: 0, swapped: false }));
  #view = signal(/** @type {View} */ (DEFAULT_VIEW));
  #isStarted = signal(false);
  #structure = signal(/** @type {Structure} */ ({ moved: [] }));
  /** The open model. */
  model = signal(/** @type {OpenModel | null} */ (null));
  /** Tokens and problems of the experiment, as far as the engine has told. */
  checked = signal(/** @type {Checked | null} */ (null));
  /** The study opened from a file, whose reports replace runs. */
  loaded = signal(/** @type {Loaded | null} */ (null));

  #past = signal(/** @type {Step[]} */ ([]));
  #future = signal(/** @type {Step[]} */ ([]));
  canUndo = computed(() => this.#past.value.length > 0);
  canRedo = computed(() => this.#future.value.length > 0);
  #lastKey = '';
  #lastTime = 0;

  get experiment() { return this.#experiment.value; }

  get view() { return this.#view.value; }

  /** Whether an experiment has been loaded yet, from a link, the draft or a preset. */
  get isStarted() { return this.#isStarted.value; }

  /** Another one whenever groups or pairs were added, removed or replaced, as opposed to a field's text being typed. */
  get structure() { return this.#structure.value; }

  /** The prompt under test. If its pair was removed, the first. @returns {TestPrompt} */
  get test() {
    const test = this.#test.value;
    if ('prompt' in test || this.experiment.groups[test.group]?.pairs[test.pair]) return test;
    return { group: 0, pair: 0, swapped: false };
  }

  /** Whether there is a prompt under test: free text, or a pair that exists. */
  get hasTest() {
    const { test } = this;
    return 'prompt' in test || this.experiment.groups[test.group]?.pairs[test.pair] !== undefined;
  }

  /** The prompt under test and its answer, as text. */
  testText() {
    const { test } = this;
    if ('prompt' in test) return test;
    const pair = this.experiment.groups[test.group]?.pairs[test.pair];
    if (!pair) return { prompt: '', answer: '' };
    return test.swapped ? { prompt: pair.corrupted, answer: pair.distractor } : { prompt: pair.clean, answer: pair.answer };
  }

  /**
   * Shows an experiment in a view, in one step. Undo goes back to the experiment before it, if there was one.
   *
   * @param {{ experiment: FullExperiment, test?: TestPrompt | null, view?: Partial<View>, before?: FullExperiment | null }} what
   *   `before`: what undo goes back to, where it was not on the page
   */
  apply({ experiment, test = null, view = {}, before = this.isStarted ? this.experiment : null }) {
    batch(() => {
      if (before && JSON.stringify(before) !== JSON.stringify(experiment)) this.#remember({ experiment: before, moved: before.groups.map((_, group) => group) });
      this.#lastKey = '';
      this.#isStarted.value = true;
      this.#experiment.value = experiment;
      if (test) this.#test.value = test;
      this.#view.value = clampView({ ...this.view, ...view }, experiment.groups.length);
      this.#structure.value = { moved: experiment.groups.map(() => null) };
    });
  }

  /**
   * Edits the experiment. Edits with the same `key` in quick succession are one undo step.
   *
   * @param {(experiment: FullExperiment) => void} edit works on a copy
   * @param {{ key?: string }} [options] `key`: the field whose text is typed; without one, groups or pairs are added or removed
   */
  edit(edit, { key = '' } = {}) {
    const now = performance.now();
    const before = this.experiment;
    const copies = before.groups.map(copyOf);
    const next = { ...before, groups: [...copies] };
    edit(next);
    // A group is known by its copy, wherever the edit has put it: names may be equal, or empty.
    const moved = next.groups.map((group) => oneOf(copies.indexOf(group)));
    batch(() => {
      if (!key || key !== this.#lastKey || now - this.#lastTime > COALESCE_MS) this.#remember({ experiment: before, moved: inverse(moved, before.groups.length) });
      this.#lastKey = key;
      this.#lastTime = now;
      this.#replace(next, moved, key === '');
    });
  }

  /** @param {Step} step */
  #remember(step) {
    this.#past.value = [...this.#past.value, step].slice(-UNDO_STEPS);
    this.#future.value = [];
  }

  /** @param {FullExperiment} experiment @param {(number | null)[]} moved where each group was before @param {boolean} [isStructure] */
  #replace(experiment, moved, isStructure = true) {
    const isSame = moved.length === this.experiment.groups.length && moved.every((from, to) => from === to);
    const test = this.#test.value;
    if (!isSame && !('prompt' in test)) this.#test.value = { ...test, group: Math.max(0, moved.indexOf(test.group)) };
    if (!isSame) this.#view.value = clampView(moveView(this.view, moved), experiment.groups.length);
    this.#experiment.value = experiment;
    if (isStructure) this.#structure.value = { moved };
  }

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  /** @param {{ value: Step[] }} from @param {{ value: Step[] }} to */
  #step(from, to) {
    const step = from.value.at(-1);
    if (!step) return;
    batch(() => {
      from.value = from.value.slice(0, -1);
      to.value = [...to.value, { experiment: this.experiment, moved: inverse(step.moved, this.experiment.groups.length) }];
      this.#lastKey = '';
      this.#replace(step.experiment, step.moved);
    });
  }

  /** The experiments that undo goes back to, the latest last. */
  get history() { return this.#past.value; }

  /** Takes up the history of the visit before a reload. @param {Step[]} history */
  resume(history) {
    this.#past.value = history.slice(-UNDO_STEPS);
  }

  /** @param {TestPrompt} test */
  setTest(test) {
    this.#test.value = test;
  }

  /** @param {Partial<View>} changes */
  setView(changes) {
    this.#view.value = clampView({ ...this.view, ...changes }, this.experiment.groups.length);
  }

  /** @param {string} analysis @param {string} name @param {string | number | boolean | null} value null to reset to the default */
  setSetting(analysis, name, value) {
    const { settings } = this.view;
    const own = { ...settings[analysis] };
    if (value === null) delete own[name];
    else own[name] = value;
    this.setView({ settings: { ...settings, [analysis]: own } });
  }
}

/** @param {FullGroup} group @returns {FullGroup} */
function copyOf(group) {
  return { ...group, pairs: group.pairs.map((pair) => ({ ...pair })) };
}

/** @param {number} index */
function oneOf(index) {
  return index < 0 ? null : index;
}

/** Where each of `count` groups went, from where each came. @param {(number | null)[]} moved @param {number} count */
function inverse(moved, count) {
  return Array.from({ length: count }, (_, group) => oneOf(moved.indexOf(group)));
}
