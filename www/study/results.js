// The reports on the page, by analysis, and the previous few, so that switching back needs no run.

/** @import { Part, Report } from '../types/engine.js' */

/** How many reports are kept per analysis: a report may hold millions of numbers. */
const KEPT = 3;

export class Results {
  /** @type {Map<string, Report>} */
  #shown = new Map();
  /** @type {Map<string, { key: string, report: Report }[]>} */
  #kept = new Map();
  /** @type {((analysis: string) => void)[]} */
  #listeners = [];

  /** @param {(analysis: string) => void} listener called for new and for removed reports */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** The report that the page shows. @param {string} analysis @returns {Report | null} */
  of(analysis) {
    return this.#shown.get(analysis) ?? null;
  }

  /** All parts of all reports on the page. @returns {{ analysis: string, part: Part }[]} */
  parts() {
    return [...this.#shown].flatMap(([analysis, report]) => report.parts.map((part) => ({ analysis, part })));
  }

  /** A kept report of the same request. @param {string} analysis @param {string} key */
  find(analysis, key) {
    return this.#kept.get(analysis)?.find((kept) => kept.key === key)?.report ?? null;
  }

  /** @param {string} analysis @param {string} key @param {Report} report */
  put(analysis, key, report) {
    const others = (this.#kept.get(analysis) ?? []).filter((kept) => kept.key !== key);
    this.#kept.set(analysis, [{ key, report }, ...others].slice(0, KEPT));
    this.#shown.set(analysis, report);
    for (const listener of this.#listeners) listener(analysis);
  }

  /** Called when another model has been opened. */
  clear() {
    const analyses = [...this.#shown.keys()];
    this.#shown.clear();
    this.#kept.clear();
    for (const analysis of analyses) for (const listener of this.#listeners) listener(analysis);
  }
}
