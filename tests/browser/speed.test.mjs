// Waiting times on the CPU. Other load on the machine may spoil a measurement, so each is repeated: a page that is too slow
// is slow every time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertClean, fieldId, freshBrowser, openGroup, watchedPage, whenFresh } from './harness/browser.mjs';
import { dist, linkTo } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';
import { firstGroup, runAll } from './harness/study.mjs';
import { durations, editToResult, moments, noteMoments } from './harness/timing.mjs';

const STUDY_MS = 10_000;
const EDIT_MS = 200;

/** @param {import('node:test').TestContext} t */
async function openedPage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const { page, watched } = await watchedPage(await freshBrowser(t), { hosts: [site.origin] });
  await noteMoments(page);
  await page.goto(`${site.url}?device=cpu${linkTo(firstGroup())}`);
  await whenFresh(page, 'logit-diff');
  await whenFresh(page, 'test-prompt');
  return { page, watched };
}

test('the whole study of one group of the demo model, all neurons included', async (t) => {
  /** @type {number[]} */
  const times = [];
  while (times.length < 3 && !times.some((time) => time <= STUDY_MS)) {
    const { page, watched } = await openedPage(t);
    const start = await page.evaluate(() => performance.now());
    await runAll(page);
    const noted = await moments(page);
    assert.ok(durations(noted).has('neuron-patching'), 'the neurons were not patched');
    times.push(Math.max(...noted.filter(({ state }) => state === 'fresh').map(({ at }) => at)) - start);
    assertClean(watched);
  }
  t.diagnostic(`${times.map((time) => time.toFixed(0)).join(', ')} ms`);
  assert.ok(Math.min(...times) <= STUDY_MS, `${Math.min(...times)} ms`);
});

test('an edited prompt shows its new logit difference', async (t) => {
  const { page, watched } = await openedPage(t);
  await openGroup(page, 0);
  /** @type {number[]} */
  const times = [];
  for (const word of ['sister', 'brother', 'teacher', 'mother', 'father', 'uncle', 'doctor']) {
    times.push(await editToResult(page, fieldId(0, 0, 'clean'), `We're helping our ${word} when they`));
    // Let the other figures finish before the next edit.
    await page.waitForTimeout(300);
  }
  const median = times.sort((a, b) => a - b)[times.length >> 1];
  t.diagnostic(`${times.map((time) => time.toFixed(0)).join(', ')} ms`);
  assert.ok(median <= EDIT_MS, `${median} ms`);
  assertClean(watched);
});
