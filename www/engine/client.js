// The page's only door to the engine: calls go to the worker, answers come back as promises.

/** @import { ModelChoice } from '../opening/choices.js' */
/** @import { Checked, Experiment, Grid, NotebookRequest, Opened, Panel, Place, Preset, Preview, Progress, Report, AnalysisInfo, StoredModel, DevicePreference } from '../types/engine.js' */

/**
 * @typedef {object} Calls
 * @property {{ args: { model: ModelChoice, device: DevicePreference }, result: Opened }} open
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

/** What the engine refuses, in words for the user. */
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
 * @property {(preview: Preview) => void} [onPreview] hears of figures that are not complete yet
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
    // What a worker said before it was replaced may come afterwards.
    const isOurs = () => worker === this.#worker;
    worker.addEventListener('message', (event) => { if (isOurs()) this.#hear(event.data); });
    // Only a worker script that cannot be loaded ends here; what goes wrong inside it is answered by itself.
    worker.addEventListener('error', () => { if (isOurs()) this.#failAll('The engine could not be loaded. Reload the page.'); });
    return worker;
  }

  /** A new worker in place of one that can compute nothing any more. No model is open in it; it is asked again what the old one left unanswered. */
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
  #hear({ id, progress, preview, result, error }) {
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
