// Rate of a transfer, measured over the last few seconds rather than since its start.

const WINDOW_MS = 8000;

export class Rate {
  /** @type {{ time: number, done: number }[]} */
  #samples = [];

  /** @param {number} done total so far @param {number} [time] */
  add(done, time = performance.now()) {
    this.#samples.push({ time, done });
    while (this.#samples.length > 2 && time - this.#samples[1].time > WINDOW_MS) this.#samples.shift();
  }

  /** Discards the samples: the transfer was paused. */
  clear() {
    this.#samples = [];
  }

  /** Milliseconds covered by the samples. */
  get span() {
    const last = this.#samples.at(-1);
    return last ? last.time - this.#samples[0].time : 0;
  }

  /** Whether the samples cover the whole window. */
  get isSettled() {
    return this.span >= WINDOW_MS;
  }

  /** Per second; null until there are enough samples. */
  get perSecond() {
    const last = this.#samples.at(-1);
    if (!last || this.span < 250) return null;
    return (1000 * (last.done - this.#samples[0].done)) / this.span;
  }

  /** @param {number} rest */
  secondsFor(rest) {
    const speed = this.perSecond;
    return speed ? rest / speed : null;
  }
}
