// Speed and time left of a transfer, over the last few seconds rather than since its start.

const WINDOW_MS = 5000;

export class Rate {
  /** @type {{ time: number, done: number }[]} */
  #samples = [];

  /** @param {number} done @param {number} [time] */
  add(done, time = performance.now()) {
    this.#samples.push({ time, done });
    while (this.#samples.length > 2 && time - this.#samples[0].time > WINDOW_MS) this.#samples.shift();
  }

  /** Per second; null until it can be told. */
  get perSecond() {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.time - first.time < 250) return null;
    return (1000 * (last.done - first.done)) / (last.time - first.time);
  }

  /** @param {number} rest */
  secondsFor(rest) {
    const speed = this.perSecond;
    return speed ? rest / speed : null;
  }
}
