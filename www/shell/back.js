// The browser's Back closes what was opened over the study: the inspector, the sheet, a dialog. Each has an entry of its own in
// the history, which is left when it is closed otherwise.

/** What closes something that was opened. @typedef {() => void} Close */

export class Back {
  /** @type {Close[]} */
  #opened = [];
  /** Entries that are being left because what they stand for was closed. */
  #leaving = 0;
  /** The address that the last such step led to. */
  #returned = '';
  #onReturn;

  /** @param {() => void} onReturn the address bar shows an older address, at which the page is no longer */
  constructor(onReturn) {
    this.#onReturn = onReturn;
    history.replaceState({ opened: depthOf(history.state) ?? 0 }, '');
    addEventListener('popstate', ({ state }) => this.#moved(depthOf(state)));
  }

  /** @param {Close} close called by Back */
  opened(close) {
    if (this.#opened.includes(close)) return;
    this.#opened.push(close);
    // After a reload the entry is there already.
    if ((depthOf(history.state) ?? 0) < this.#opened.length) history.pushState({ opened: this.#opened.length }, '', location.href);
  }

  /** It was closed, by Back or otherwise. @param {Close} close as given to `opened` */
  closed(close) {
    const index = this.#opened.indexOf(close);
    if (index < 0) return;
    this.#opened.splice(index, 1);
    this.#leaving += 1;
    history.back();
  }

  /** Whether an address is shown because something was closed, and not because a visitor asked for it. @param {string} address */
  isReturn(address) {
    return address === this.#returned;
  }

  /** @param {number | null} depth null: an entry that a visitor made, by a link within the page or a typed address */
  #moved(depth) {
    this.#returned = '';
    if (depth === null) return;
    const closing = this.#opened.splice(depth);
    if (closing.length === 0 && this.#leaving === 0) return;
    if (closing.length === 0) this.#leaving -= 1;
    this.#returned = location.href;
    for (const close of closing.reverse()) close();
    this.#onReturn();
  }
}

/** How many things were open at an entry of the history; null if the page did not make it. @param {unknown} state @returns {number | null} */
function depthOf(state) {
  const depth = /** @type {{ opened?: unknown } | null} */ (state)?.opened;
  return typeof depth === 'number' ? depth : null;
}
