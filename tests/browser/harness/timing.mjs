// Records when figures change state, for benchmarks and for tests of speed.

import assert from 'node:assert/strict';

/** @import { Page } from 'playwright-core' */

/** @typedef {{ figure: string, state: string, at: number }} Moment `at`: milliseconds since the navigation */

/** Records every change of a figure's state, in pages loaded from now on. @param {Page} page */
export async function noteMoments(page) {
  await page.addInitScript(() => {
    /** @type {Moment[]} */
    const moments = [];
    Object.assign(window, { moments });
    new MutationObserver((records) => {
      for (const { target } of records) {
        const figure = /** @type {HTMLElement} */ (target);
        if (figure.classList.contains('figure')) moments.push({ figure: figure.id, state: figure.dataset.state ?? '', at: performance.now() });
      }
    }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'] });
  });
}

/** The changes recorded so far. @param {Page} page @returns {Promise<Moment[]>} */
export async function moments(page) {
  const noted = await page.evaluate(() => /** @type {any} */ (window).moments);
  assert.ok(noted, 'noteMoments was not called before the page was loaded');
  return noted;
}

/** The time when a figure first showed a result. @param {Moment[]} noted @param {string} figure */
export function firstFresh(noted, figure) {
  const moment = noted.find((candidate) => candidate.figure === figure && candidate.state === 'fresh');
  assert.ok(moment, `${figure} never showed a result`);
  return moment.at;
}

/** For each figure, the milliseconds from the start of its last run to its result. @param {Moment[]} noted */
export function durations(noted) {
  /** @type {Map<string, number>} */
  const started = new Map();
  /** @type {Map<string, number>} */
  const took = new Map();
  for (const { figure, state, at } of noted) {
    if (state === 'running') started.set(figure, at);
    const start = started.get(figure);
    if (state === 'fresh' && start !== undefined) took.set(figure, at - start);
  }
  return took;
}

/**
 * Changes a field, as by typing, and waits for the new logit differences.
 *
 * @param {Page} page
 * @param {string} field
 * @param {string} text
 * @returns {Promise<number>} milliseconds from the change to the frame after the new dots
 */
export function editToResult(page, field, text) {
  return page.evaluate(({ field, text }) => new Promise((done) => {
    const figure = /** @type {HTMLElement} */ (document.getElementById('logit-diff'));
    const input = /** @type {HTMLInputElement} */ (document.querySelector(field));
    const before = Number(figure.dataset.run);
    new MutationObserver((_, observer) => {
      if (figure.dataset.state !== 'fresh' || Number(figure.dataset.run) <= before) return;
      observer.disconnect();
      requestAnimationFrame(() => done(performance.now() - start));
    }).observe(figure, { attributes: true });
    const start = performance.now();
    input.value = text;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }), { field, text });
}
