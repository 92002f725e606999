// The reports on the page, by analysis, and those of a moment ago, so that switching back needs no run.

/** @import { Part, Report } from '../types/engine.js' */

/** How many reports of each analysis are kept: a report may hold millions of numbers. */
const KEPT = 3;

export class Results {
  /** @type {Map<string, Report>} */
  #shown = new Map();
  /** @type {Map<string, { key: string, report: Report }[]>} */
  #kept = new Map();
  /** @type {((analysis: string) => void)[]} */
  #listeners = [];

  /** @param {(analysis: string) => void} listener hears of new reports and of reports that are gone */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** The report that the page shows. @param {string} analysis @returns {Report | null} */
  of(analysis) {
    return this.#shown.get(analysis) ?? null;
  }

  /** Every figure on the page. @returns {{ analysis: string, part: Part }[]} */
  parts() {
    return [...this.#shown].flatMap(([analysis, report]) => report.parts.map((part) => ({ analysis, part })));
  }

  /** A report that was made for the same request. @param {string} analysis @param {string} key */
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

  /** Another model was opened. */
  clear() {
    const analyses = [...this.#shown.keys()];
    this.#shown.clear();
    this.#kept.clear();
    for (const analysis of analyses) for (const listener of this.#listeners) listener(analysis);
  }
}
