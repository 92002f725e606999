// The page at GPT-2 small's size: every head, layer and position of every map is on the screen, and the page answers while a
// sweep runs.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { andThenFresh, assertClean, browserWithProfile, fieldId, thorough, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { dist, linkTo } from './harness/inputs.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';
import { standin } from './harness/standin.mjs';
import { firstGroup, whenIdle } from './harness/study.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */
/** @import { Server } from './harness/server.mjs' */
/** @import { View } from '../../www/store/view.js' */

const LONG = 300_000;
const profile = mkdtempSync(join(tmpdir(), 'patchlab-profile-'));
/** @type {BrowserContext} */
let context;
/** @type {Server} */
let site;
/** @type {Server} */
let hub;

before(async () => {
  const { config, weights } = standin();
  const folder = join(profile, 'weights');
  writeFileSync(folder, weights);
  [site, hub, context] = await Promise.all([serveSite(dist), serveFiles({ 'config.json': Buffer.from(config), 'model.safetensors': folder }), browserWithProfile(profile)]);
});
after(async () => {
  await context.close();
  await Promise.all([site.close(), hub.close()]);
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

/** The page with the stand-in, on the first two pairs of the notebook's first group. @param {Partial<View>} [view] */
async function opened(view) {
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin] });
  const experiment = firstGroup();
  experiment.groups[0].pairs = experiment.groups[0].pairs.slice(0, 2);
  await page.goto(`${site.url}?device=cpu&model=${hub.url}${linkTo(experiment, view)}`);
  await whenOpen(page, LONG);
  await whenFresh(page, 'logit-diff', { timeout: LONG });
  await whenFresh(page, 'test-prompt', { timeout: LONG });
  return { page, watched };
}

/** Whatever of a map is cut off without a cue that says so, in words. @param {Page} page */
function cutOff(page) {
  return page.evaluate(() => [...document.querySelectorAll('#sections .panel-scroll')].flatMap((place) => {
    if (place.clientWidth === 0 || place.scrollWidth <= place.clientWidth + 1) return [];
    const cue = place.parentElement?.querySelector('.scroll-cue:not([hidden])');
    const figure = place.closest('.figure')?.id;
    const part = /** @type {HTMLElement | null} */ (place.closest('.part'))?.dataset.title;
    const isMap = place.querySelector('.heat, .scatter, .lines') !== null;
    return cue && !isMap ? [] : [`${figure}, ${part}: ${place.scrollWidth} in ${place.clientWidth}${cue ? ', with a cue' : ''}`];
  }));
}

test('every head, layer and position of every map is seen, on wide and narrow screens', async () => {
  // Without logits over the vocabulary and 32,491 edges one by one, which take most of the time.
  const settings = { ...Object.fromEntries(['residual', 'component', 'head'].map((what) => [`${what}-patching`, { probabilities: 'no' }])), 'edge-attribution': { method: 'eap' }, circuit: { by: 'eap' }, 'circuit-tests': { subsets: 2, greedy: 1, random: 5, pairs: false } };
  const { page, watched } = await opened({ settings });
  await page.evaluate(() => document.getElementById('run-all')?.click());
  // Without the sweep over all neurons, which has its own test.
  await page.locator('#neuron-patching').getByRole('button', { name: 'Cancel' }).click();
  for (const figure of ['head-attribution', 'residual-patching', 'component-patching', 'head-patching']) await whenFresh(page, figure, { timeout: LONG });
  await whenIdle(page, LONG);
  for (const [width, height] of [[1280, 800], [1440, 900], [1920, 1080], [390, 844]]) {
    await page.setViewportSize({ width, height });
    // Pictures are fitted once the width stays.
    await page.waitForTimeout(400);
    for (let wait = 0; wait < 5000 && (await cutOff(page)).length > 0; wait += 100) await page.waitForTimeout(100);
    assert.deepEqual(await cutOff(page), [], `${width} pixels wide`);
    const cells = await page.locator('#head-patching .heat').first().locator('[role="gridcell"]').count();
    assert.equal(cells, 144);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page itself does not scroll sideways');
  }
  // The head that carries the task is beside its map, by name.
  await page.setViewportSize({ width: 1440, height: 900 });
  assert.equal(await page.locator('#head-attribution .data-table tbody tr').first().locator('td').first().innerText(), 'L7H11');
  await page.close();
  assertClean(watched);
});

/** study.test.mjs has the same for the demo model. */
thorough('a sweep that was interrupted ends as one that was not', async () => {
  const { page, watched } = await opened();
  const sweep = page.locator('#neuron-patching');
  await sweep.scrollIntoViewIfNeeded();
  const numbers = () => sweep.locator('tbody td[data-value]').evaluateAll((cells) => cells.map((cell) => /** @type {HTMLElement} */ (cell).dataset.value));
  /** @param {string} layers */
  const choose = async (layers) => {
    await page.fill('#set-neuron-patching-layers', layers);
    await page.locator('#set-neuron-patching-layers').press('Tab');
  };
  // One of the layers, so that it takes seconds here; chunks are as large as in the whole sweep.
  await choose('7');
  await sweep.getByRole('button', { name: 'Compute' }).click();
  await page.locator('#neuron-patching .figure-progress', { hasText: /\d+ of \d+ patches/ }).waitFor({ timeout: LONG });
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'Something else'));
  assert.equal(await sweep.getAttribute('data-state'), 'running', 'it was interrupted');
  await whenFresh(page, 'neuron-patching', { timeout: LONG });
  const disturbed = await numbers();
  assert.ok(disturbed.length > 20);
  await page.reload();
  await whenFresh(page, 'logit-diff', { timeout: LONG });
  await sweep.scrollIntoViewIfNeeded();
  await andThenFresh(page, 'neuron-patching', () => sweep.getByRole('button', { name: 'Compute' }).click(), LONG);
  assert.deepEqual(await numbers(), disturbed);
  await page.close();
  assertClean(watched);
});

test('while every neuron is patched, a click, typing and cancelling are answered within a second', async (t) => {
  /** Milliseconds, typing with its pause of 0.3 s. @type {{ clicked: number, typed: number, cancelled: number }[]} */
  const times = [];
  const isGood = (/** @type {typeof times[0]} */ { clicked, typed, cancelled }) => clicked < 1000 && typed < 1300 && cancelled < 1000;
  // Other load on the machine may spoil a measurement, but not three in a row.
  while (times.length < 3 && !times.some(isGood)) {
    const { page, watched } = await opened();
    times.push(await whileSweeping(page));
    await page.close();
    assertClean(watched);
  }
  t.diagnostic(JSON.stringify(times));
  assert.ok(times.some(isGood));
});

/** Clicks, types and cancels while every neuron is patched. @param {Page} page */
async function whileSweeping(page) {
  await page.locator('#head-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-attribution', { timeout: LONG });
  const sweep = page.locator('#neuron-patching');
  await sweep.getByRole('button', { name: 'Compute' }).click();
  await page.locator('#neuron-patching .figure-progress', { hasText: /\d+ of \d+ patches/ }).waitFor({ timeout: LONG });
  /** @param {() => Promise<void>} act @returns {Promise<number>} milliseconds */
  const timed = async (act) => {
    const start = Date.now();
    await act();
    return Date.now() - start;
  };
  const clicked = await timed(async () => {
    await page.locator('#head-attribution .heat [role="gridcell"]').nth(7 * 12 + 11).click();
    await page.locator('.card[data-item="L7H11"][data-state="fresh"] .head-view').waitFor();
  });
  const typed = await timed(() => andThenFresh(page, 'logit-diff', () => page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they")));
  assert.equal(await sweep.getAttribute('data-state'), 'running', 'it goes on');
  const cancelled = await timed(async () => {
    await sweep.getByRole('button', { name: /^Cancel/ }).click();
    await page.waitForFunction(() => document.getElementById('neuron-patching')?.dataset.state !== 'running');
  });
  return { clicked, typed, cancelled };
}
