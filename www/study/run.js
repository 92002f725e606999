// Keeps one figure up to date with its inputs: waits until typing pauses, cancels runs that have become pointless, and
// shows kept reports again without a run.

import { EngineError } from '../engine/client.js';

/** @import { Part, Progress, Report } from '../types/engine.js' */
/** @import { Figure } from './figure.js' */
/** @import { LoadedReport } from './loaded.js' */
/** @import { Ask } from './request.js' */
/** @import { Results } from './results.js' */
/** @import { Scheduler } from './scheduler.js' */

/** Debounce before a figure is computed again: as long as its last run took, within these limits. */
const PAUSE_MS = { least: 40, most: 300 };

/** @typedef {'idle' | 'queued' | 'running' | 'fresh' | 'stale' | 'failed'} RunState */

/**
 * @typedef {object} RunOptions
 * @property {string} analysis
 * @property {number} order position on the page
 * @property {Figure} figure
 * @property {boolean} onDemand
 * @property {boolean} eager whether it is computed before it comes into view
 * @property {Scheduler} scheduler
 * @property {Results} results
 * @property {() => void} onState
 * @property {(milliseconds: number) => void} onTime
 */

export class Run {
  /** @type {RunState} */
  state = 'idle';
  /** @type {Progress | null} */
  progress = null;
  started = 0;
  /** Whether the figure is on or near the screen. */
  inView = false;
  analysis;
  order;
  #options;
  /** Keys of the report that is shown and of the one that should be. */
  #shownKey = '';
  #key = '';
  #model = 0;
  /** @type {Ask | null} */
  #ask = null;
  /** Whether to compute it: it was scrolled into view, requested, or shown before. */
  #wanted = false;
  #askedNow = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pause = PAUSE_MS.most;

  /** @param {RunOptions} options */
  constructor(options) {
    this.#options = options;
    this.analysis = options.analysis;
    // Slow figures come after everything else.
    this.order = options.order + (options.onDemand ? 1000 : 0);
  }

  /** The current request, if there is one. */
  get ask() {
    return this.#ask;
  }

  get figure() {
    return this.#options.figure;
  }

  /** @param {RunState} state */
  #enter(state) {
    this.state = state;
    if (state !== 'running') this.progress = null;
    this.#options.onState();
  }

  /**
   * Called when the inputs may have changed.
   *
   * @param {Ask | string} ask the request, or the reason why there is none
   * @param {{ model: number, now?: boolean, loaded?: LoadedReport | null }} options `model` changes whenever another model
   *   has been opened; `loaded` is the report from a file that replaces the run
   */
  want(ask, { model, now = false, loaded = null }) {
    const isOther = this.#model !== 0 && model !== this.#model;
    this.#model = model;
    if (typeof ask === 'string') {
      this.forget();
      this.figure.wait(ask);
      return;
    }
    const key = JSON.stringify([loaded?.key ?? model, ask]);
    const first = this.#ask === null;
    this.#ask = ask;
    if (key === this.#key && !now) return;
    this.#key = key;
    this.#stop();
    if (loaded) {
      this.#wanted = true;
      this.#show(loaded.report, null, loaded.from);
      return;
    }
    // Another model may be a hundred times larger, so its figures are computed only when they come into view again.
    if (isOther && !this.#options.eager) {
      this.#wanted = false;
      if (this.figure.outdated()) this.#enter('idle');
      else this.#invite();
    }
    if (key === this.#shownKey) {
      this.figure.fresh();
      this.#enter('fresh');
      return;
    }
    const kept = this.#options.results.find(this.analysis, key);
    if (kept && this.#wanted) {
      this.#show(kept, null);
    } else if (this.#wanted) {
      this.figure.stale();
      this.#enter('stale');
      if (now) this.#enqueue();
      else this.#timer = setTimeout(() => this.#enqueue(), this.#pause);
    } else {
      if (first || this.state === 'failed') this.#invite();
      this.look(this.inView);
    }
  }

  #invite() {
    this.figure.wait(this.#options.onDemand ? 'Computed on request.' : 'Computed when it comes into view.', true);
    this.#enter('idle');
  }

  /** Called when the figure comes into view or leaves it. @param {boolean} inView */
  look(inView) {
    this.inView = inView;
    if ((inView || this.#options.eager) && !this.#wanted && !this.#options.onDemand && this.#ask && this.state === 'idle') {
      this.#wanted = true;
      this.#enqueue();
    }
  }

  /** Requests a run. @param {boolean} [now] before everything else */
  request(now = true) {
    if (!this.#ask || this.state === 'queued' || this.state === 'running') return;
    if (this.state === 'fresh' && !now) return;
    this.#wanted = true;
    this.#askedNow = now;
    this.#enqueue();
  }

  #enqueue() {
    clearTimeout(this.#timer);
    if (!this.#ask) return;
    this.figure.queue();
    this.#enter('queued');
    this.#options.scheduler.ask(this, this.#ask);
  }

  /** Cancels the run and keeps what is shown. */
  cancel() {
    if (!['queued', 'running', 'stale'].includes(this.state)) return;
    this.#stop();
    this.figure.fail(new EngineError({ code: 'cancelled', message: 'Cancelled.' }));
    this.#enter('failed');
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#options.scheduler.drop(this);
  }

  /** Resets the figure: another model has been opened, or there is no request. */
  forget() {
    this.#stop();
    this.#ask = null;
    this.#key = '';
    this.#shownKey = '';
    this.#enter('idle');
  }

  // The scheduler's Client interface.

  urgency() {
    return this.#askedNow ? 2 : this.inView ? 1 : 0;
  }

  onStart() {
    this.started = performance.now();
    this.figure.start();
    this.#enter('running');
  }

  /** @param {Progress} progress */
  onProgress(progress) {
    this.progress = progress;
    this.figure.progress(progress);
  }

  /** @param {number} index @param {Part} part */
  onPreview(index, part) {
    this.figure.preview(index, part);
  }

  /** @param {Report} report @param {number} milliseconds */
  onReport(report, milliseconds) {
    this.#options.onTime(milliseconds);
    this.#pause = Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, milliseconds));
    this.#show(report, milliseconds);
  }

  /** @param {Report} report @param {number | null} milliseconds @param {string | null} [from] the file it came from */
  #show(report, milliseconds, from = null) {
    this.#askedNow = false;
    this.#shownKey = this.#key;
    this.figure.show(report, milliseconds, from);
    this.#enter('fresh');
    this.#options.results.put(this.analysis, this.#key, report);
  }

  /** The device failed: the run is repeated on the next device. */
  onInterrupted() {
    this.figure.queue();
    this.#enter('queued');
  }

  /** @param {EngineError} error */
  onError(error) {
    this.#askedNow = false;
    this.figure.fail(error);
    this.#enter('failed');
  }
}
