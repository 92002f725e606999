// The page's only interface to the engine: calls are posted to the worker, and results come back as promises.

/** @import { ModelChoice } from '../opening/choices.js' */
/** @import { Checked, Experiment, Grid, NotebookRequest, Opened, Panel, Place, Preset, Preview, Progress, ReadCircuit, Report, WriteCircuit, AnalysisInfo, StoredModel, DevicePreference } from '../types/engine.js' */

/**
 * @typedef {object} Calls
 * @property {{ args: { model: ModelChoice, device: DevicePreference, halved?: number }, result: Opened }} open
 * @property {{ args: { experiment: Experiment }, result: Checked }} check
 * @property {{ args: { text: string }, result: Experiment }} read
 * @property {{ args: { text: string }, result: ReadCircuit }} circuit
 * @property {{ args: { circuit: WriteCircuit }, result: string }} circuitFile
 * @property {{ args: { analysis: string, experiment: Experiment, settings: object, first?: boolean }, result: Report }} run
 * @property {{ args: { grid: Grid, group: number, minus: number }, result: Panel | null }} difference
 * @property {{ args: { request: NotebookRequest }, result: string }} notebook
 * @property {{ args: {}, result: AnalysisInfo[] }} catalogue
 * @property {{ args: {}, result: Preset[] }} presets
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
 * @typedef {Options & { resolve: (result: any) => void, reject: (error: EngineError) => void, request: { id: number, call: string, args: object } }} Pending
 */

/** This script may be part of a bundle, and another page may use it: the worker is found from the site's folder. */
function startWorker() {
  const site = import.meta.url.slice(0, import.meta.url.lastIndexOf('/www/'));
  return new Worker(new URL(`${site}/www/engine/worker.js`), { type: 'module', name: 'engine' });
}

/** A call that can also be paused. @template T @typedef {Promise<T> & { pause: (paused: boolean) => void }} Call */

export class Engine {
  #makeWorker;
  /** @type {Worker} */
  #worker;
  /** Why the worker answers nothing any more. @type {EngineError | null} */
  #dead = null;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #next = 1;
  /** Why a new worker would not understand this page. */
  #outdated = '';
  /** The call that opened the model that the page knows of; 0 before the first. */
  #model = 0;

  /** @param {() => Worker} [makeWorker] */
  constructor(makeWorker = startWorker) {
    this.#makeWorker = makeWorker;
    this.#worker = this.#start();
  }

  #start() {
    const worker = this.#makeWorker();
    // Messages of a worker that has been replaced may still arrive.
    const isCurrent = () => worker === this.#worker;
    worker.addEventListener('message', (event) => { if (isCurrent()) this.#receive(event.data); });
    // Only a worker script that fails to load ends up here; the worker reports its own errors.
    worker.addEventListener('error', () => { if (isCurrent()) this.#die('The engine could not be loaded. Reload the page.'); });
    return worker;
  }

  /** From now on new workers would be of another version than the page. The one at work goes on. @param {string} why a sentence */
  retire(why) {
    this.#outdated = why;
  }

  /**
   * Replaces a worker that can no longer compute. The new one has no model open; unanswered requests are sent to it again, but
   * for runs, which fail as the device did.
   */
  restart() {
    this.#worker.terminate();
    if (this.#outdated) return this.#die(`${this.#outdated} Reload the page to go on: what you have typed is kept.`);
    this.#dead = null;
    this.#worker = this.#start();
    for (const [id, { request, signal, reject }] of [...this.#pending]) {
      const isRun = request.call === 'run';
      if (signal?.aborted || isRun) {
        this.#pending.delete(id);
        reject(new EngineError(signal?.aborted ? { code: 'cancelled', message: 'Cancelled.' } : { code: 'compute', message: 'The device failed while computing.' }));
      } else {
        this.#worker.postMessage(request);
      }
    }
  }

  /**
   * @template {keyof Calls} K
   * @param {K} call
   * @param {Calls[K]['args']} args
   * @param {Options} [options]
   * @returns {Call<Calls[K]['result']>} rejected with an `EngineError`
   */
  call(call, args, { onProgress, onPreview, signal } = {}) {
    const id = this.#next++;
    /** @param {string} name @param {object} about */
    const control = (name, about) => {
      if (this.#pending.has(id)) this.#worker.postMessage({ id: this.#next++, call: name, args: { id, ...about } });
    };
    const promise = new Promise((resolve, reject) => {
      if (this.#dead) return reject(this.#dead);
      // A run is answered by this model or not at all.
      const request = { id, call, args: call === 'run' ? { ...args, model: this.#model } : args };
      this.#pending.set(id, { resolve, reject, onProgress, onPreview, signal, request });
      this.#worker.postMessage(request);
      const cancel = () => control('cancel', {});
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
    return Object.assign(promise, { pause: (/** @type {boolean} */ paused) => control('pause', { paused }) });
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
    if (pending.request.call === 'open' && result) this.#model = id;
    if (error) pending.reject(new EngineError(error));
    else pending.resolve(result);
  }

  /** @param {string} message */
  #die(message) {
    this.#dead = new EngineError({ code: 'engine', message });
    for (const { reject } of this.#pending.values()) reject(this.#dead);
    this.#pending.clear();
  }
}
