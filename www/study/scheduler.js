// Which request the engine computes: the inspector's first, then what is in view, then the rest in page order. One that is more
// urgent and no longer, or takes a moment where the running one takes long, interrupts it; that goes on where it was.

import { EngineError } from '../engine/client.js';
import { placePart, placeReport } from './groups.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Part, Progress, Report } from '../types/engine.js' */
/** @import { Ask } from './request.js' */

/**
 * @typedef {object} Client a requester
 * @property {() => number} urgency see `URGENCY`; ties are broken by `order`, lowest first
 * @property {number} order
 * @property {boolean} [isSlow] known to be slow, whatever the guess
 * @property {(ask: Ask) => number} guess about how many seconds a request takes
 * @property {() => void} onStart
 * @property {(progress: Progress) => void} onProgress
 * @property {(index: number, part: Part) => void} onPreview
 * @property {(report: Report, milliseconds: number) => void} onReport
 * @property {(error: EngineError) => void} onError
 * @property {() => void} [onInterrupted] its run was interrupted by a device failure and will be repeated
 */

/** `waited`: milliseconds for which it was interrupted. @typedef {{ client: Client, ask: Ask, controller: AbortController, waited: number }} Job */

/**
 * `sweep`: asked for once, and knowingly slow. `asked`: somebody has just pressed its button. `editor`: shown beside what is
 * being typed.
 */
export const URGENCY = { background: 0, sweep: 0.5, inView: 1, asked: 2, inspector: 3, editor: 4 };

/** A run of less than `moment` seconds need not wait for one of more than `long`. */
const QUICK = { moment: 1.5, long: 4 };
/** How many runs may be under way, all but one of them interrupted: each holds its activations. */
const MOST_BEGUN = 3;

export class Scheduler {
  #engine;
  #onCrash;
  #onLost;
  /** @type {Map<Client, Job>} */
  #waiting = new Map();
  /** The runs under way: the last one computes, and goes before the one before it. @type {Job[]} */
  #begun = [];
  /** Whether a turn of the queue is already scheduled. */
  #coming = false;

  /**
   * @param {Pick<Engine, 'call'>} engine
   * @param {object} listeners
   * @param {(error: EngineError) => void} listeners.onCrash
   * @param {(error: EngineError) => Promise<void> | null} listeners.onLost the device has failed; settles when another is ready
   */
  constructor(engine, { onCrash, onLost }) {
    this.#engine = engine;
    this.#onCrash = onCrash;
    this.#onLost = onLost;
  }

  /** Queues a request, replacing the client's previous one. @param {Client} client @param {Ask} ask */
  ask(client, ask) {
    this.drop(client);
    this.#waiting.set(client, { client, ask, controller: new AbortController(), waited: 0 });
    this.#turn();
  }

  /** Drops the client's request; no more callbacks are made for it. @param {Client} client */
  drop(client) {
    this.#waiting.delete(client);
    for (const job of this.#begun) if (job.client === client) job.controller.abort();
  }

  /** Deferred to a microtask, so that requests made together are prioritised together. */
  #turn() {
    if (this.#coming) return;
    this.#coming = true;
    queueMicrotask(() => {
      this.#coming = false;
      this.#next();
    });
  }

  #next() {
    /** @type {Job | null} */
    let first = null;
    for (const job of this.#waiting.values()) {
      const before = first && (first.client.urgency() - job.client.urgency() || job.client.order - first.client.order);
      if (before === null || before < 0) first = job;
    }
    if (!first) return;
    const top = this.#begun.at(-1);
    if (top && !this.#interrupts(first, top)) {
      const moment = [...this.#waiting.values()].find((job) => this.#interrupts(job, top));
      if (!moment) return;
      first = moment;
    }
    this.#waiting.delete(first.client);
    void this.#run(first);
  }

  /** @param {Job} job @param {Job} top the one that computes */
  #interrupts(job, top) {
    // One that was given up ends within a chunk.
    if (this.#begun.length >= MOST_BEGUN || top.controller.signal.aborted) return false;
    const [seconds, others] = [job, top].map(({ client, ask }) => client.guess(ask));
    // What is interrupted waits for all of the other: a long run never makes a short one wait.
    if (job.client.isSlow || seconds > Math.max(others, QUICK.moment)) return false;
    return job.client.urgency() > top.client.urgency() || (seconds < QUICK.moment && others > QUICK.long);
  }

  /** @param {Job} job */
  async #run(job) {
    const { client, ask: { analysis, experiment, settings, shown }, controller: { signal } } = job;
    const interrupted = this.#begun.at(-1);
    this.#begun.push(job);
    const start = performance.now();
    client.onStart();
    try {
      const report = await this.#engine.call('run', { analysis, experiment, settings, first: interrupted !== undefined }, {
        signal,
        onProgress: (progress) => { if (!signal.aborted) client.onProgress(progress); },
        onPreview: ({ index, part }) => { if (!signal.aborted) client.onPreview(index, placePart(part, shown)); },
      });
      if (!signal.aborted) client.onReport(placeReport(report, shown), performance.now() - start - job.waited);
    } catch (error) {
      const failure = error instanceof EngineError ? error : new EngineError({ code: 'page', message: `The page made a mistake: ${error instanceof Error ? error.message : error}` });
      const back = failure.code === 'compute' ? this.#onLost(failure) : null;
      if (back) {
        this.#again(job);
        await back;
      } else if (!signal.aborted) {
        client.onError(failure);
      }
      if (failure.code === 'engine') this.#onCrash(failure);
      // Told to whoever develops the page.
      if (failure !== error) reportError(error);
    } finally {
      this.#begun.splice(this.#begun.indexOf(job), 1);
      if (interrupted) interrupted.waited += performance.now() - start;
      this.#turn();
    }
  }

  /** Puts an interrupted request back into the queue. @param {Job} job */
  #again({ client, ask, controller }) {
    if (controller.signal.aborted) return;
    controller.abort();
    this.#waiting.set(client, { client, ask, controller: new AbortController(), waited: 0 });
    client.onInterrupted?.();
  }
}
