// What has to be undone when something on the page is replaced: listeners, effects, observers.

export class Scope {
  /** @type {(() => void)[]} */
  #ends = [];

  /** @param {() => void} end called when the scope ends */
  add(end) {
    this.#ends.push(end);
  }

  /** Ends everything; the scope can be used again. */
  end() {
    for (const end of this.#ends.splice(0)) end();
  }
}
