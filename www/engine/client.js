// The page's only interface to the engine: calls are posted to the worker, and results come back as promises.

/** @import { ModelChoice } from '../opening/choices.js' */
/** @import { Checked, Experiment, Grid, NotebookRequest, Opened, Panel, Place, Preset, Preview, Progress, Report, AnalysisInfo, StoredModel, DevicePreference } from '../types/engine.js' */

/**
 * @typedef {object} Calls
 * @property {{ args: { model: ModelChoice, device: DevicePreference, halved?: number }, result: Opened }} open
 * @property {{ args: { experiment: Experiment }, result: Checked }} check
 * @property {{ args: { analysis: string, experiment: Experiment, settings: object }, result: Report }} run
 * @property {{ args: { grid: Grid, group: number, minus: number }, result: Panel | null }} difference
 * @property {{ args: { request: NotebookRequest }, result: string }} notebook
 * @property {{ args: {}, result: AnalysisInfo[] }} catalogue
 * @property {{ args: {}, result: Preset[] }} presets
 * @property {{ args: { paused: boolean }, result: null }} pause
 * @property {{ args: {}, result: StoredModel[] }} stored
 * @property {{ args: { base: string }, result: null }} forget
 */

/** An error from the engine, with a message for the user. */
export class EngineError extends Error {
  /** @param {{ code: string, message: string, place?: Place | null }} failure */
  constructor({ code, message, place }) {
    super(message);
    this.name = 'EngineError';
    this.code = code;
    this.place = place ?? null;
  }
}

/**
 * @typedef {object} Options
 * @property {(progress: Progress) => void} [onProgress]
 * @property {(preview: Preview) => void} [onPreview] called with incomplete figures
 * @property {AbortSignal} [signal]
 *
 * @typedef {Omit<Options, 'signal'> & { resolve: (result: any) => void, reject: (error: EngineError) => void, request: object }} Pending
 */

export class Engine {
  /** @type {Worker} */
  #worker;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #next = 1;

  constructor() {
    this.#worker = this.#start();
  }

  #start() {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'engine' });
    // Messages of a worker that has been replaced may still arrive.
    const isCurrent = () => worker === this.#worker;
    worker.addEventListener('message', (event) => { if (isCurrent()) this.#receive(event.data); });
    // Only a worker script that fails to load ends up here; the worker reports its own errors.
    worker.addEventListener('error', () => { if (isCurrent()) this.#failAll('The engine could not be loaded. Reload the page.'); });
    return worker;
  }

  /** Replaces a worker that can no longer compute. The new one has no model open; unanswered requests are sent to it again. */
  restart() {
    this.#worker.terminate();
    this.#worker = this.#start();
    for (const { request } of this.#pending.values()) this.#worker.postMessage(request);
  }

  /**
   * @template {keyof Calls} K
   * @param {K} call
   * @param {Calls[K]['args']} args
   * @param {Options} [options]
   * @returns {Promise<Calls[K]['result']>} rejected with an `EngineError`
   */
  call(call, args, { onProgress, onPreview, signal } = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const request = { id, call, args };
      this.#pending.set(id, { resolve, reject, onProgress, onPreview, request });
      this.#worker.postMessage(request);
      const cancel = () => {
        if (this.#pending.has(id)) this.#worker.postMessage({ id: this.#next++, call: 'cancel', args: { id } });
      };
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** @param {any} message */
  #receive({ id, progress, preview, result, error }) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    if (progress) {
      pending.onProgress?.(progress);
      return;
    }
    if (preview) {
      pending.onPreview?.(preview);
      return;
    }
    this.#pending.delete(id);
    if (error) pending.reject(new EngineError(error));
    else pending.resolve(result);
  }

  /** @param {string} message */
  #failAll(message) {
    for (const { reject } of this.#pending.values()) reject(new EngineError({ code: 'engine', message }));
    this.#pending.clear();
  }
}
