// Chromium, and watched pages: console errors and requests to other hosts fail the test.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chromium } from 'playwright-core';

/** @import { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core' */

const executablePath = process.env.PATCHLAB_CHROMIUM ?? '/usr/bin/chromium';
/** The same without windows, if it is there. */
const shell = process.env.PATCHLAB_SHELL ?? executablePath;
const common = [
  '--no-sandbox', '--enable-unsafe-webgpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync',
];
/** WebGPU in software, the same everywhere. */
const SOFTWARE = [...common, '--use-webgpu-adapter=swiftshader'];
/** WebGPU on this machine's card, and its clock in full resolution. */
const HARDWARE = [
  ...common, '--enable-webgpu-developer-features', '--ignore-gpu-blocklist', '--use-angle=vulkan', '--use-vulkan=native',
  '--enable-features=Vulkan,VulkanFromANGLE,DefaultANGLEVulkan', '--disable-vulkan-surface', '--disable-dev-shm-usage',
];

/** Runs only with PATCHLAB_FULL, that is "cargo xtask test --full": what it shows is shown by a quicker test as well, on another model or for another fault. */
export const thorough = process.env.PATCHLAB_FULL ? test : test.skip;

/** @returns {Promise<Browser>} */
export function launched() {
  return chromium.launch({ executablePath: shell, args: SOFTWARE });
}

/** One browser for all tests of a file; starting one takes longer than most tests. @type {Promise<Browser> | null} */
let browser = null;
after(async () => (await browser)?.close());

/**
 * A browser as of a first visit: storage of its own, closed when the test ends.
 *
 * @param {import('node:test').TestContext} t
 * @param {BrowserContextOptions} [options]
 * @returns {Promise<BrowserContext>}
 */
export async function freshBrowser(t, options = {}) {
  browser ??= launched();
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  return context;
}

/**
 * A browser with a profile on disk, where storage has the room that it has for visitors; removed when the test ends.
 *
 * @param {import('node:test').TestContext} t
 * @param {BrowserContextOptions} [options]
 * @returns {Promise<BrowserContext>}
 */
export async function browserOnDisk(t, options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'patchlab-profile-'));
  const context = await browserWithProfile(profile, options);
  t.after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
  return context;
}

/** @param {string} profile @param {BrowserContextOptions} [options] @param {boolean} [onCard] */
export function browserWithProfile(profile, options = {}, onCard = false) {
  return chromium.launchPersistentContext(profile, { ...(onCard ? { executablePath, args: HARDWARE } : { executablePath: shell, args: SOFTWARE }), viewport: { width: 1280, height: 900 }, ...options });
}

/**
 * @typedef {object} Watched
 * @property {string[]} errors unexpected errors
 * @property {string[]} requests requested URLs
 */

/**
 * A new page whose errors and requests are collected.
 *
 * @param {BrowserContext} context
 * @param {{ hosts: string[], expected?: RegExp[], trusted?: string[] }} options allowed origins, console messages that the test expects, and the origins
 *   from which the visitor has said that weights may be fetched
 */
export async function watchedPage(context, { hosts, expected = [], trusted = hosts }) {
  const page = await context.newPage();
  await trusting(page, trusted);
  /** @type {Watched} */
  const watched = { errors: [], requests: [] };
  const complain = (/** @type {string} */ text) => {
    if (!expected.some((pattern) => pattern.test(text))) watched.errors.push(text);
  };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complain(`uncaught: ${error.stack}`));
  context.on('request', (request) => {
    watched.requests.push(request.url());
    if (request.url().startsWith('data:') || request.url().startsWith('blob:')) return;
    if (!hosts.includes(new URL(request.url()).origin)) complain(`request to another host: ${request.url()}`);
  });
  return { page, watched };
}

/** The visitor has said that weights may be fetched from these origins. @param {Pick<Page, 'addInitScript'>} place @param {string[]} origins */
export function trusting(place, origins) {
  return place.addInitScript((trusted) => {
    try {
      const kept = JSON.parse(localStorage.getItem('patchlab.hosts') ?? '[]');
      localStorage.setItem('patchlab.hosts', JSON.stringify([...new Set([...kept, ...trusted])]));
    } catch {
      // Not a page of the site.
    }
  }, origins);
}

/** The page's name for weights on a server of the tests: it does not know whose they are. @param {{ url: string }} hub */
export function nameOf(hub) {
  return hub.url.replace(/^https?:\/\/|\/$/g, '');
}

/** @param {Watched} watched */
export function assertClean(watched) {
  assert.deepEqual(watched.errors, []);
}

/** Waits until a model is open. @param {Page} page @param {number} [timeout] */
export async function whenOpen(page, timeout = 60_000) {
  await page.waitForSelector('#opening[data-state="open"]', { timeout });
}

/**
 * Waits until a figure is up to date.
 *
 * @param {Page} page
 * @param {string} figure
 * @param {{ after?: number, timeout?: number }} [options] `after`: waits for a result newer than this count from `runsOf`
 */
export async function whenFresh(page, figure, { after = 0, timeout = 60_000 } = {}) {
  await page.waitForFunction(
    ({ figure, after }) => {
      const element = document.getElementById(figure);
      return element?.dataset.state === 'fresh' && Number(element.dataset.run) > after;
    },
    { figure, after },
    { timeout },
  );
}

/** Waits until the page's own files are cached for offline use. @param {Page} page */
export async function whenKept(page) {
  for (let wait = 0; wait < 60_000; wait += 200) {
    if (await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === 'activated')) return;
    await page.waitForTimeout(200);
  }
  assert.fail('the page\u2019s files are not kept');
}

/** How many results a figure has shown. @param {Page} page @param {string} figure */
export async function runsOf(page, figure) {
  return Number(await page.locator(`#${figure}`).getAttribute('data-run'));
}

/**
 * Performs an action and waits for the new results that it causes.
 *
 * @param {Page} page
 * @param {string} figure
 * @param {() => Promise<unknown>} act
 * @param {number} [timeout]
 */
export async function andThenFresh(page, figure, act, timeout) {
  const after = await runsOf(page, figure);
  await act();
  await whenFresh(page, figure, { after, timeout });
}

/** The dots on the page, in full precision. @param {Page} page */
export function dotsOf(page) {
  return page.$$eval('#logit-diff .dots-row', (rows) => rows.map((row) => ({
    name: /** @type {HTMLElement} */ (row).dataset.name ?? '',
    mean: Number(/** @type {HTMLElement} */ (row).dataset.mean),
    values: [...row.querySelectorAll('.dot')].map((dot) => Number(/** @type {HTMLElement} */ (dot).dataset.value)),
  })));
}

/** The rows of the test-prompt table, in full precision. @param {Page} page */
export function topTokens(page) {
  return page.$$eval('#test-prompt tbody tr', (rows) => rows.map((row) => {
    const [rank, token, logit, probability, logProbability] = /** @type {HTMLElement[]} */ ([...row.querySelectorAll('td')]);
    return {
      rank: Number(rank.dataset.value),
      id: Number(token.dataset.id),
      text: token.querySelector('.token-text')?.textContent ?? '',
      logit: Number(logit.dataset.value),
      probability: Number(probability.dataset.value),
      logProbability: Number(logProbability.dataset.value),
      mark: /** @type {HTMLElement} */ (row).dataset.mark ?? '',
    };
  }));
}

/** Opens a group of the editor. @param {Page} page @param {number} group */
export async function openGroup(page, group) {
  const fold = page.locator(`details.group[data-group="${group}"]`);
  if ((await fold.getAttribute('open')) === null) await fold.locator('> summary').click();
}

/** @param {number} group @param {number} pair @param {string} field */
export function fieldId(group, pair, field) {
  return `#field-${group}-${pair}-${field}`;
}
