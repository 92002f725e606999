// Runs one request at a time: just requested first, then in view, then the rest in page order.

import { EngineError } from '../engine/client.js';
import { placePart, placeReport } from './groups.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Part, Progress, Report } from '../types/engine.js' */
/** @import { Ask } from './request.js' */

/**
 * @typedef {object} Client a requester
 * @property {() => number} urgency 0: background; 1: in view; 2: just requested; 3: the inspector. Ties are broken by `order`, lowest first
 * @property {number} order
 * @property {() => void} onStart
 * @property {(progress: Progress) => void} onProgress
 * @property {(index: number, part: Part) => void} onPreview
 * @property {(report: Report, milliseconds: number) => void} onReport
 * @property {(error: EngineError) => void} onError
 * @property {() => void} [onInterrupted] its run was interrupted by a device failure and will be repeated
 */

/** @typedef {{ client: Client, ask: Ask, controller: AbortController }} Job */

export class Scheduler {
  #engine;
  #onCrash;
  #onLost;
  #onChange;
  /** @type {Map<Client, Job>} */
  #waiting = new Map();
  /** @type {Job | null} */
  #running = null;
  /** Whether a turn of the queue is already scheduled. */
  #coming = false;

  /**
   * @param {Engine} engine
   * @param {object} listeners
   * @param {(error: EngineError) => void} listeners.onCrash
   * @param {(error: EngineError) => Promise<void> | null} listeners.onLost the device has failed; settles when another is ready
   * @param {() => void} listeners.onChange
   */
  constructor(engine, { onCrash, onLost, onChange }) {
    this.#engine = engine;
    this.#onCrash = onCrash;
    this.#onLost = onLost;
    this.#onChange = onChange;
  }

  /** The client whose request is running. */
  get running() {
    return this.#running && !this.#running.controller.signal.aborted ? this.#running.client : null;
  }

  get waiting() {
    return [...this.#waiting.keys()];
  }

  /** Queues a request, replacing the client's previous one. @param {Client} client @param {Ask} ask */
  ask(client, ask) {
    this.#stop(client);
    this.#waiting.set(client, { client, ask, controller: new AbortController() });
    this.#onChange();
    this.#turn();
  }

  /** Drops the client's request; no more callbacks are made for it. @param {Client} client */
  drop(client) {
    if (this.#stop(client)) this.#onChange();
  }

  /** @param {Client} client */
  #stop(client) {
    const running = this.#running?.client === client && !this.#running.controller.signal.aborted;
    if (running) this.#running?.controller.abort();
    return this.#waiting.delete(client) || running;
  }

  /** Deferred to a microtask, so that requests made together are prioritised together. */
  #turn() {
    if (this.#running || this.#coming) return;
    this.#coming = true;
    queueMicrotask(() => {
      this.#coming = false;
      this.#next();
    });
  }

  #next() {
    if (this.#running) return;
    /** @type {Job | null} */
    let first = null;
    for (const job of this.#waiting.values()) {
      const before = first && (first.client.urgency() - job.client.urgency() || job.client.order - first.client.order);
      if (before === null || before < 0) first = job;
    }
    if (!first) return;
    this.#waiting.delete(first.client);
    this.#run(first);
  }

  /** @param {Job} job */
  async #run(job) {
    const { client, ask: { analysis, experiment, settings, shown }, controller: { signal } } = job;
    this.#running = job;
    const start = performance.now();
    client.onStart();
    this.#onChange();
    try {
      const report = await this.#engine.call('run', { analysis, experiment, settings }, {
        signal,
        onProgress: (progress) => {
          if (signal.aborted) return;
          client.onProgress(progress);
          this.#onChange();
        },
        onPreview: ({ index, part }) => { if (!signal.aborted) client.onPreview(index, placePart(part, shown)); },
      });
      if (!signal.aborted) client.onReport(placeReport(report, shown), performance.now() - start);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const back = error.code === 'compute' ? this.#onLost(error) : null;
      if (back) {
        this.#again(job);
        await back;
      } else if (!signal.aborted) {
        client.onError(error);
      }
      if (error.code === 'engine') this.#onCrash(error);
    } finally {
      this.#running = null;
      this.#onChange();
      this.#turn();
    }
  }

  /** Puts an interrupted request back into the queue. @param {Job} job */
  #again({ client, ask, controller }) {
    if (controller.signal.aborted) return;
    controller.abort();
    this.#waiting.set(client, { client, ask, controller: new AbortController() });
    client.onInterrupted?.();
    this.#onChange();
  }
}
