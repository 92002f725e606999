// The study on the page: the numbers it shows, and how long it blocks the main thread.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** @import { Page } from 'playwright-core' */
/** @import { Experiment, Part, Report } from '../../../www/types/engine.js' */

/** @param {Page} page @param {string} figure */
export function stateOf(page, figure) {
  return page.locator(`#${figure}`).getAttribute('data-state');
}

/** Waits until nothing is being computed. @param {Page} page @param {number} [timeout] */
export async function whenIdle(page, timeout = 120_000) {
  await page.waitForFunction(() => document.getElementById('contents')?.dataset.busy === 'false'
    && [...document.querySelectorAll('.figure')].every((figure) => !['queued', 'running', 'stale'].includes(/** @type {HTMLElement} */ (figure).dataset.state ?? '')), undefined, { timeout });
}

/** Presses "Run all" and waits for the end. @param {Page} page @param {number} [timeout] */
export async function runAll(page, timeout) {
  // Clicked by script, because on a phone the button is in a sheet.
  await page.evaluate(() => document.getElementById('run-all')?.click());
  await page.waitForFunction(() => document.getElementById('contents')?.dataset.busy === 'true');
  await whenIdle(page, timeout);
}

/** Only the first group of the first preset. @returns {Experiment} */
export function firstGroup() {
  const file = readFileSync(new URL('../../../crate/engine/data/presets/contractions.json', import.meta.url), 'utf8');
  const experiment = JSON.parse(file);
  return { prepend_bos: true, ...experiment, groups: experiment.groups.slice(0, 1) };
}

/** @param {Report} report @returns {Extract<Part, { kind: 'heat' | 'line' }>[]} */
export function gridParts(report) {
  return report.parts.filter((part) => part.kind === 'heat' || part.kind === 'line');
}

/** The numbers of a heat map, from its accessible labels, with four decimals. @param {Page} page @param {string} figure @param {string} title */
export async function cells(page, figure, title) {
  const place = { figure, title };
  await page.waitForFunction(({ figure, title }) => {
    const map = [...document.querySelectorAll(`#${figure} .part`)].find((part) => /** @type {HTMLElement} */ (part).dataset.title === title);
    const all = [...(map?.querySelectorAll('[role="gridcell"]') ?? [])];
    return all.length > 0 && all.every((cell) => cell.hasAttribute('aria-label'));
  }, place);
  return page.evaluate(({ figure, title }) => {
    const map = [...document.querySelectorAll(`#${figure} .part`)].find((part) => /** @type {HTMLElement} */ (part).dataset.title === title);
    return [...(map?.querySelectorAll('[role="gridcell"]') ?? [])].map((cell) => Number((cell.getAttribute('aria-label') ?? '').split(': ').at(-1)?.replace('\u2212', '-')));
  }, place);
}

/** The number of a line at a column, from its accessible label. @param {Page} page @param {string} figure @param {number} column */
export async function lineAt(page, figure, column) {
  const chart = page.locator(`#${figure} svg.lines`).first();
  await chart.focus();
  await page.keyboard.press('Home');
  for (let step = 0; step < column; step += 1) await page.keyboard.press('ArrowRight');
  const text = await chart.getAttribute('aria-valuetext');
  return Number(text?.split(': ').at(-1)?.replace('\u2212', '-'));
}

/** Starts watching for tasks that block the main thread. @param {Page} page */
export async function watchTasks(page) {
  await page.evaluate(() => {
    const start = performance.now();
    /** @type {number[]} */
    const tasks = [];
    Object.assign(window, { longTasks: tasks });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.startTime >= start) tasks.push(entry.duration);
    }).observe({ type: 'longtask', buffered: true });
  });
}

/** The longest task since then, in milliseconds; tasks below 50 ms are not reported and count as 0. @param {Page} page */
export async function longestTask(page) {
  const tasks = await page.evaluate(() => /** @type {{ longTasks?: number[] }} */ (/** @type {unknown} */ (window)).longTasks);
  assert.ok(tasks, 'watchTasks was not called');
  return Math.max(0, ...tasks);
}
