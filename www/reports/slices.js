// Work in slices: the first at once, the rest in turns between which the page can hear and draw.

/** What is done at once takes no longer than this; longer is felt. */
const FIRST_MS = 16;
const SLICE_MS = 12;

export class Slices {
  /** @type {(() => void)[]} */
  #jobs = [];
  /** @type {(() => void)[]} */
  #waiting = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Starts jobs in their order; those of an earlier call that are still to come are dropped. @param {(() => void)[]} jobs */
  start(jobs) {
    clearTimeout(this.#timer);
    this.#jobs = jobs;
    this.#run(FIRST_MS);
  }

  /** Fulfilled when everything has been done. @returns {Promise<void>} */
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
