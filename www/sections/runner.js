// Keeps one figure in step with its inputs: waits until typing pauses, stops a run that has become pointless, and lets
// only the latest answer through.

import { EngineError } from '../engine/client.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Figure } from './figure.js' */
/** @import { Experiment } from '../types/engine.js' */

const PAUSE_MS = 300;

/** @typedef {{ analysis: string, experiment: Experiment, settings: object }} Request */

export class Runner {
  #engine;
  #figure;
  /** What the figure shows or is about to show. */
  #key = '';
  /** @type {Request | null} */
  #request = null;
  /** @type {AbortController | null} */
  #running = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {(error: EngineError) => void} */
  #onEngineFailure;

  /** @param {Engine} engine @param {Figure} figure @param {(error: EngineError) => void} onEngineFailure */
  constructor(engine, figure, onEngineFailure) {
    this.#engine = engine;
    this.#figure = figure;
    this.#onEngineFailure = onEngineFailure;
  }

  /**
   * Asks for a request to be run; does nothing if it is the one already shown.
   *
   * @param {Request} request
   * @param {{ model: number, now?: boolean }} options `model` changes whenever another model has been opened
   */
  want(request, { model, now = false }) {
    const key = JSON.stringify([model, request]);
    if (key === this.#key && !now) return;
    this.#key = key;
    this.#request = request;
    this.#figure.stale();
    this.#running?.abort();
    clearTimeout(this.#timer);
    if (now) this.#run();
    else this.#timer = setTimeout(() => this.#run(), PAUSE_MS);
  }

  /** Runs the latest request again. */
  again() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    if (this.#request) this.#run();
  }

  /** The user's wish: stop, and keep what is shown. */
  cancel() {
    this.#running?.abort();
  }

  /** Forgets the request, for instance because no model is open. */
  forget() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = null;
    this.#request = null;
    this.#key = '';
  }

  async #run() {
    const request = this.#request;
    if (!request) return;
    const mine = new AbortController();
    this.#running = mine;
    this.#figure.busy();
    try {
      const report = await this.#engine.call('run', request, {
        signal: mine.signal,
        onProgress: (progress) => this.#running === mine && this.#figure.progress(progress),
      });
      if (this.#running === mine) this.#figure.show(report);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (this.#running === mine && this.#request === request) this.#figure.fail(error);
      if (error.code === 'engine') this.#onEngineFailure(error);
    } finally {
      if (this.#running === mine) this.#running = null;
    }
  }
}
