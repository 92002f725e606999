// One figure's question and its answer. The question is computed from the store; the answer is found by the question. What is
// left to decide is when to ask: once typing pauses, when the figure comes into view, or when somebody wants it.

import { batch, computed, effect, signal, untracked } from '../vendor/dist/libraries.js';
import { EngineError } from '../engine/client.js';
import { keyOf } from './request.js';
import { URGENCY } from './scheduler.js';

/** @import { Store } from '../store/store.js' */
/** @import { Part, Progress, Report } from '../types/engine.js' */
/** @import { Ask } from './request.js' */
/** @import { Result, Results } from './results.js' */
/** @import { Scheduler } from './scheduler.js' */
/** @import { FigureEntry } from './sections.js' */
/** @import { Timing } from './timing.js' */

/** How long typing has to pause before a figure is computed again: as long as its last run took, within these limits. */
const PAUSE_MS = { least: 40, most: 300 };
/** Previews replace old results only after the run has taken this long. */
const PATIENCE_MS = 1500;

const NO_MODEL = 'Results appear here once a model is open.';

/**
 * - `idle`: not computed; `outdated`: what is shown answers an earlier question, and nothing is on its way
 * - `stale`: about to be computed, once typing pauses; then `queued`, `running`
 * - `fresh`: what is shown answers the question; `failed`: the run ended with an error, or was cancelled
 *
 * @typedef {'idle' | 'outdated' | 'stale' | 'queued' | 'running' | 'fresh' | 'failed'} RunState
 */

/**
 * What has become of the last request, and its question.
 * @typedef {{ kind: 'none' } | { kind: 'due' | 'queued', key: string } | { kind: 'running', key: string, started: number } | { kind: 'failed', key: string, error: EngineError }} Phase
 */

/** What a figure shows: the answer, or an earlier one. @typedef {Result & { key: string, serial: number, isFresh: boolean }} Shown */

/** @type {Phase} */
const NONE = { kind: 'none' };

/**
 * @typedef {object} RunOptions
 * @property {FigureEntry} entry
 * @property {number} order position on the page
 * @property {() => Ask | string} ask computes the request, or the reason why there is none
 * @property {Store} store
 * @property {Scheduler} scheduler
 * @property {Results} results
 * @property {Timing} timing
 * @property {() => void} onDone called with new results
 */

export class Run {
  entry;
  /** For the scheduler. */
  order;
  /** Whether the figure is on or near the screen. */
  inView = signal(false);
  /** Of the running request. */
  progress = signal(/** @type {Progress | null} */ (null));
  /** Unfinished parts of the running request, by their index in the report to come; null if there is nothing to show. */
  previews = signal(/** @type {Map<number, Part> | null} */ (null));
  /** The request, or the reason why there is none. */
  ask;
  /** The question: request and model. Empty if there is no request. */
  key;
  /** The answer to this very question. */
  result;
  /** What the figure shows. */
  shown;
  state;
  /** Whether what is running answers an earlier question: a sweep that was asked for goes on. */
  isEarlier;
  #options;
  #phase = signal(/** @type {Phase} */ (NONE));
  #last = signal(/** @type {Shown | null} */ (null));
  /** Whether to compute it: it came into view, or somebody asked. */
  #isWanted = false;
  #isAsked = false;
  /** What was decided last. */
  #decided = { key: '', serial: 0 };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pause = PAUSE_MS.most;
  #effects;

  /** @param {RunOptions} options */
  constructor(options) {
    this.#options = options;
    const { entry, order, ask, store, results } = options;
    this.entry = entry;
    // Slow figures come after everything else.
    this.order = order + (entry.onDemand ? 1000 : 0);
    const loaded = (/** @type {Ask} */ request) => store.loaded.value?.find(keyOf(request)) ?? null;
    this.ask = computed(() => {
      const request = ask();
      return typeof request === 'string' || store.model.value || loaded(request) ? request : NO_MODEL;
    });
    this.key = computed(() => (typeof this.ask.value === 'string' ? '' : `${store.model.value?.serial ?? 0} ${keyOf(this.ask.value)}`));
    this.result = computed(() => (typeof this.ask.value === 'string' ? null : loaded(this.ask.value) ?? results.find(entry.analysis, this.key.value)));
    this.shown = computed(() => {
      const result = this.result.value;
      return result ? { ...result, key: this.key.value, serial: store.model.value?.serial ?? 0, isFresh: true } : this.#last.value;
    });
    this.isEarlier = computed(() => this.#phase.value.kind === 'running' && this.#phase.value.key !== this.key.value);
    this.state = computed(() => this.#stateNow());
    const effects = [
      effect(() => {
        const shown = this.shown.value;
        if (shown?.isFresh) this.#last.value = { ...shown, isFresh: false };
        // What was computed stays when the model is lost.
        else if (typeof this.ask.value === 'string' && this.ask.value !== NO_MODEL) this.#last.value = null;
      }),
      effect(() => {
        const about = { key: this.key.value, serial: store.model.value?.serial ?? 0, isAnswered: this.result.value !== null, inView: this.inView.value };
        untracked(() => this.#decide(about));
      }),
    ];
    this.#effects = () => effects.forEach((end) => end());
  }

  /** Ends the run and its effects. */
  end() {
    this.#stop();
    this.#effects();
  }

  /** @returns {RunState} */
  #stateNow() {
    const key = this.key.value;
    const phase = this.#phase.value;
    if (key === '') return this.#last.value ? 'outdated' : 'idle';
    if (phase.kind === 'running' || (phase.kind === 'queued' && phase.key === key)) return phase.kind;
    if (this.result.value) return 'fresh';
    if (phase.kind === 'failed' && phase.key === key) return 'failed';
    if (phase.kind === 'due') return 'stale';
    return this.#last.value ? 'outdated' : 'idle';
  }

  /** Why the last run failed, if it asked this question. */
  get error() {
    const phase = this.#phase.value;
    return phase.kind === 'failed' && phase.key === this.key.value ? phase.error : null;
  }

  /** When the running request was started. */
  get started() {
    const phase = this.#phase.value;
    return phase.kind === 'running' ? phase.started : 0;
  }

  /** @param {{ key: string, serial: number, isAnswered: boolean, inView: boolean }} about */
  #decide({ key, serial, isAnswered, inView }) {
    const { entry } = this.#options;
    const before = this.#decided;
    const phase = this.#phase.value;
    const isNew = key !== before.key;
    this.#decided = { key, serial };
    if (isNew) {
      const isOther = before.serial !== 0 && serial !== before.serial;
      // Another model may be a hundred times larger, so its figures are computed only when they come into view again.
      if (isOther && !entry.eager) this.#isWanted = false;
      // A sweep that was asked for is finished.
      if (key === '' || isOther || !(this.isSlow && phase.kind === 'running')) this.#stop();
    }
    if (key === '' || isAnswered) return;
    if (this.isSlow) {
      // It has not begun, so that it can begin with the new question.
      if (isNew && phase.kind === 'queued') this.#enqueue();
    } else if (this.#isWanted) {
      if (!isNew) return;
      // Nobody is typing.
      if (before.key === '' || serial !== before.serial) return this.#enqueue();
      this.#phase.value = { kind: 'due', key };
      this.#timer = setTimeout(() => this.#enqueue(), this.#pause);
    } else if (inView || entry.eager) {
      this.#isWanted = true;
      this.#enqueue();
    }
  }

  /** Computes what is due without waiting for a pause. */
  hasten() {
    if (this.#phase.value.kind === 'due') this.#enqueue();
  }

  /** Requests a run. @param {boolean} [now] somebody waits for it; otherwise it is one of all */
  request(now = true) {
    const phase = this.#phase.value;
    const key = this.key.value;
    if (key === '' || ((phase.kind === 'queued' || phase.kind === 'running') && phase.key === key)) return;
    if (this.result.value && !now) return;
    this.#stop();
    this.#isWanted = true;
    this.#isAsked = now;
    this.#enqueue();
  }

  #enqueue() {
    clearTimeout(this.#timer);
    const ask = this.ask.value;
    if (typeof ask === 'string') return;
    this.#phase.value = { kind: 'queued', key: this.key.value };
    this.#options.scheduler.ask(this, ask);
  }

  /** Cancels the run and keeps what is shown. */
  cancel() {
    const phase = this.#phase.value;
    if (phase.kind !== 'due' && phase.kind !== 'queued' && phase.kind !== 'running') return;
    this.#stop();
    this.#phase.value = { kind: 'failed', key: phase.key, error: new EngineError({ code: 'cancelled', message: 'Cancelled.' }) };
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#options.scheduler.drop(this);
    this.#settle(NONE);
  }

  /** @param {Phase} phase */
  #settle(phase) {
    this.#isAsked = false;
    this.#phase.value = phase;
    this.progress.value = null;
    this.previews.value = null;
  }

  // The scheduler's Client interface.

  get isSlow() {
    const { onDemand } = this.entry;
    const model = this.#options.store.model.value;
    return typeof onDemand === 'function' ? model !== null && onDemand(model.info) : onDemand ?? false;
  }

  urgency() {
    if (this.entry.edits) return URGENCY.editor;
    if (this.entry.inspects) return URGENCY.inspector;
    if (this.isSlow) return this.#isAsked ? URGENCY.sweep : URGENCY.background;
    return this.#isAsked ? URGENCY.asked : this.inView.value ? URGENCY.inView : URGENCY.background;
  }

  /** @param {Ask} ask about how many seconds it takes */
  guess(ask) {
    const model = this.#options.store.model.value;
    return model ? this.#options.timing.guess(ask, model.info, this.entry) : 0;
  }

  onStart() {
    const phase = this.#phase.value;
    if (phase.kind === 'queued') this.#phase.value = { kind: 'running', key: phase.key, started: performance.now() };
  }

  /** @param {Progress} progress */
  onProgress(progress) {
    this.progress.value = progress;
  }

  /** @param {number} index @param {Part} part */
  onPreview(index, part) {
    if (this.isEarlier.value || (this.#last.value && performance.now() - this.started < PATIENCE_MS)) return;
    this.previews.value = new Map([...this.previews.value ?? [], [index, part]]);
  }

  /** @param {Report} report @param {number} milliseconds */
  onReport(report, milliseconds) {
    const { store, timing, results, onDone } = this.#options;
    const phase = this.#phase.value;
    if (phase.kind !== 'running') return;
    const ask = this.ask.value;
    if (typeof ask !== 'string' && store.model.value) timing.learn(ask, store.model.value.info, this.entry, milliseconds);
    if (!this.entry.inspects) this.#pause = Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, milliseconds));
    const result = { report, milliseconds, from: null };
    batch(() => {
      results.put(this.entry.analysis, phase.key, result);
      // The latest there is, although the question has changed meanwhile.
      if (phase.key !== this.key.value) this.#last.value = { ...result, key: phase.key, serial: store.model.value?.serial ?? 0, isFresh: false };
      this.#settle(NONE);
    });
    if (this.result.value) onDone();
  }

  /** The device failed: the run is repeated on the next device. */
  onInterrupted() {
    const phase = this.#phase.value;
    if (phase.kind === 'running') this.#settle({ kind: 'queued', key: phase.key });
  }

  /** @param {EngineError} error */
  onError(error) {
    const phase = this.#phase.value;
    if (phase.kind === 'running' || phase.kind === 'queued') this.#settle({ kind: 'failed', key: phase.key, error });
  }
}
