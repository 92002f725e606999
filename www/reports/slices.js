// Runs jobs in time slices: the first slice at once, the others in tasks between which the page can respond and paint.

/** Longest slice that runs at once: longer delays are noticeable. */
const FIRST_MS = 16;
const SLICE_MS = 12;

export class Slices {
  /** @type {(() => void)[]} */
  #jobs = [];
  /** @type {(() => void)[]} */
  #waiting = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Runs jobs in order; the remaining jobs of an earlier call are dropped. @param {(() => void)[]} jobs */
  start(jobs) {
    clearTimeout(this.#timer);
    this.#jobs = jobs;
    this.#run(FIRST_MS);
  }

  /** Resolves when all jobs have run. @returns {Promise<void>} */
  get done() {
    return this.#jobs.length === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** @param {number} limit in milliseconds */
  #run(limit) {
    const start = performance.now();
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      job();
      if (performance.now() - start > limit) break;
    }
    if (this.#jobs.length > 0) this.#timer = setTimeout(() => this.#run(SLICE_MS));
    else for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
