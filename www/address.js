// The address bar: it holds a link that reopens the page as it is, and `#figure` leads to a figure.

import { effect } from './vendor/dist/libraries.js';
import { readLink, writeLink } from './store/link.js';

/** @import { Draft } from './store/draft.js' */
/** @import { LinkedPage } from './store/link.js' */
/** @import { Store } from './store/store.js' */

const PAUSE_MS = 400;
const TOO_LARGE = 'the experiment is too large for a link: send the file that \u201cExport\u201d saves instead';

export class Address {
  #store;
  #draft;
  #query;
  #onTooLarge;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #writes = 0;
  /** The fragment written last; empty if the experiment is too large. */
  #fragment = '#';

  /**
   * @param {Store} store
   * @param {Draft} draft
   * @param {object} page
   * @param {() => string} page.query the query string that names model and device
   * @param {(why: string) => void} page.onTooLarge the experiment no longer fits into a link
   */
  constructor(store, draft, { query, onTooLarge }) {
    this.#store = store;
    this.#draft = draft;
    this.#query = query;
    this.#onTooLarge = onTooLarge;
    effect(() => {
      void [store.experiment, store.test, store.view, query()];
      if (!store.isStarted) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.save(), PAUSE_MS);
    });
    // What was typed within the last moment before the page is left.
    addEventListener('pagehide', () => draft.save());
  }

  /** Writes the draft and the address bar now. Resolves to what the link cannot hold, in words; empty if it holds everything. @returns {Promise<string>} */
  async save() {
    clearTimeout(this.#timer);
    if (!this.#store.isStarted) return '';
    const { experiment, test, view } = this.#store;
    const mine = (this.#writes += 1);
    const fragment = await writeLink(experiment, test, view);
    // A link takes longer to write the larger it is: a newer one may have been written meanwhile.
    if (mine !== this.#writes) return this.#fragment ? '' : TOO_LARGE;
    if (!fragment && this.#fragment) this.#onTooLarge(TOO_LARGE);
    this.#fragment = fragment;
    history.replaceState(history.state, '', `${location.pathname}${this.#query()}${fragment}`);
    this.#draft.save(fragment);
    return fragment ? '' : TOO_LARGE;
  }
}

/**
 * What the address bar asks for: a linked page, the id of a place on the page, or nothing.
 *
 * @param {string} hash
 * @returns {Promise<{ linked: LinkedPage | null, place: string }>}
 * @throws {Error} with a message for the user, if the link is damaged
 */
export async function readAddress(hash) {
  if (hash.startsWith('#e=')) return { linked: await readLink(hash), place: '' };
  return { linked: null, place: hash.slice(1) };
}
