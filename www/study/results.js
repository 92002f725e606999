// Reports by the question that they answer, the last few of each analysis, so that going back needs no run. A report is found
// only by its question, and so is never shown or exported under another.

import { signal } from '../vendor/dist/libraries.js';

/** @import { Report } from '../types/engine.js' */

/**
 * @typedef {object} Result
 * @property {Report} report
 * @property {number | null} milliseconds how long the run took; null if there was none
 * @property {string | null} from the file that it came from
 */

/** How many reports are kept per analysis: a report may hold millions of numbers. */
const KEPT = 3;

export class Results {
  /** @type {Map<string, { key: string, result: Result }[]>} */
  #kept = new Map();
  /** Rises with every result of an analysis. @type {Map<string, { value: number }>} */
  #versions = new Map();

  /** @param {string} analysis */
  #version(analysis) {
    let version = this.#versions.get(analysis);
    if (!version) this.#versions.set(analysis, (version = signal(0)));
    return version;
  }

  /** The result of this very question. Within a computed value, follows it. @param {string} analysis @param {string} key @returns {Result | null} */
  find(analysis, key) {
    void this.#version(analysis).value;
    return this.#kept.get(analysis)?.find((kept) => kept.key === key)?.result ?? null;
  }

  /** @param {string} analysis @param {string} key the question @param {Result} result */
  put(analysis, key, result) {
    const others = (this.#kept.get(analysis) ?? []).filter((kept) => kept.key !== key);
    this.#kept.set(analysis, [{ key, result }, ...others].slice(0, KEPT));
    this.#version(analysis).value += 1;
  }

  /** Called when another model has been opened: no question is asked of the one before. */
  clear() {
    for (const [analysis, version] of this.#versions) {
      this.#kept.delete(analysis);
      version.value += 1;
    }
  }
}
