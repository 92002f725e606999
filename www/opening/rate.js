// Speed and time left of a transfer, over the last few seconds rather than since its start.

const WINDOW_MS = 8000;

export class Rate {
  /** @type {{ time: number, done: number }[]} */
  #samples = [];

  /** @param {number} done so far @param {number} [time] */
  add(done, time = performance.now()) {
    this.#samples.push({ time, done });
    while (this.#samples.length > 2 && time - this.#samples[1].time > WINDOW_MS) this.#samples.shift();
  }

  /** Forgets what was before: the transfer has stood still by intent. */
  clear() {
    this.#samples = [];
  }

  /** Milliseconds that it has been measured over. */
  get span() {
    const last = this.#samples.at(-1);
    return last ? last.time - this.#samples[0].time : 0;
  }

  /** Whether it has been measured for as long as it looks back. */
  get isSettled() {
    return this.span >= WINDOW_MS;
  }

  /** Per second; null until it can be told. */
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
