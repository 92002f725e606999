// The draft of the last visit, kept in localStorage so that nothing typed is lost, and the undo history of this tab, which
// survives a reload.

import { readExperiment } from './experiment.js';
import { readView } from './view.js';

/** @import { FullExperiment } from './experiment.js' */
/** @import { Step, Store, TestPrompt } from './store.js' */
/** @import { View } from './view.js' */

const KEY = 'patchlab.draft';
const HISTORY = 'patchlab.history';
/** The history kept over a reload, in characters: older steps are left out. */
const LONGEST_HISTORY = 1 << 20;

export class Draft {
  #store;
  /**
   * The address-bar fragments that the draft belongs to: the latest, and the one before, which a reload in the middle of a
   * change may still see.
   * @type {string[]}
   */
  #links = [];
  /** Whether the browser has kept the last draft. */
  isKept = true;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /** @param {string} [link] the fragment that stands in the address bar now */
  save(link) {
    if (!this.#store.isStarted) return;
    if (link !== undefined && link !== this.#links[0]) this.#links = [link, ...this.#links].slice(0, 2);
    const { experiment, test, view, history } = this.#store;
    try {
      localStorage.setItem(KEY, JSON.stringify({ experiment, test, view, links: this.#links }));
      this.isKept = true;
    } catch {
      // Storage is full or disabled.
      this.isKept = false;
    }
    try {
      sessionStorage.setItem(HISTORY, shortened(history));
    } catch {
      // Undo then ends at the next reload.
    }
  }
}

/** The latest steps that fit, as JSON. @param {Step[]} history */
function shortened(history) {
  /** @type {string[]} */
  const steps = [];
  let length = 0;
  for (const step of history.toReversed()) {
    const text = JSON.stringify(step);
    length += text.length;
    if (length > LONGEST_HISTORY) break;
    steps.unshift(text);
  }
  return `[${steps.join(',')}]`;
}

/**
 * The draft of the last visit, and the links it belongs to.
 *
 * @returns {{ experiment: FullExperiment, test: TestPrompt | null, view: View, links: string[] } | null}
 */
export function readDraft() {
  try {
    const draft = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    if (!draft) return null;
    return { experiment: readExperiment(draft.experiment), test: readTest(draft.test), view: readView(draft.view), links: Array.isArray(draft.links) ? draft.links.map(String) : [] };
  } catch {
    return null;
  }
}

/** What can be undone of this tab's visit before the reload. @returns {Step[]} */
export function readHistory() {
  try {
    const steps = JSON.parse(sessionStorage.getItem(HISTORY) ?? '[]');
    return steps.map((/** @type {any} */ { experiment, moved }) => {
      const read = readExperiment(experiment);
      if (moved.length !== read.groups.length) throw new Error('not a history');
      return { experiment: read, moved: moved.map((/** @type {unknown} */ from) => (Number.isInteger(from) ? from : null)) };
    });
  } catch {
    return [];
  }
}

/** @param {unknown} value @returns {TestPrompt | null} */
export function readTest(value) {
  if (typeof value !== 'object' || value === null) return null;
  const test = /** @type {Record<string, unknown>} */ (value);
  if (typeof test.prompt === 'string' && typeof test.answer === 'string') return { prompt: test.prompt, answer: test.answer };
  if (Number.isInteger(test.group) && Number.isInteger(test.pair)) return { group: Number(test.group), pair: Number(test.pair), swapped: test.swapped === true };
  return null;
}
