// Planted models on the page: chosen among the presets, with prompts of their own, and what the visitor finds is scored.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { violations } from './harness/axe.mjs';
import { andThenFresh, assertClean, fieldId, freshBrowser, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { dist } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */

/** What is true of a planted model. @param {string} name @returns {Record<'single' | 'pair', string[]>} */
function truthOf(name) {
  return JSON.parse(readFileSync(join(dist, `www/models/planted-${name}/truth.json`), 'utf8')).resample;
}

/** The numbers of the score, row by row. @param {Page} page @param {string} figure */
function scoreOf(page, figure) {
  return page.locator(`#${figure} table[data-title^="Planted circuit: score"] tbody tr`).evaluateAll((rows) => rows.map((row) => (
    [...row.querySelectorAll('td.number')].map((cell) => Number(/** @type {HTMLElement} */ (cell).dataset.value)))));
}

/** Waits until a prompt of the first group begins so. @param {Page} page @param {string} text */
const whenEdited = (page, text) => page.locator('details.group[data-group="0"]', { hasText: text }).first().waitFor();

/** @param {Page} page @param {string} edges */
const name = (page, edges) => andThenFresh(page, 'circuit', async () => {
  await page.fill('#set-circuit-edges', edges);
  await page.press('#set-circuit-edges', 'Enter');
});

test('a planted model is found among the presets, its circuit is named and scored, and a reload shows the same', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const { page, watched } = await watchedPage(await freshBrowser(t, { serviceWorkers: 'block' }), { hosts: [site.origin], expected: [/Service Worker registration blocked/] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  const own = await page.inputValue(fieldId(0, 0, 'clean'));
  assert.deepEqual(watched.requests.filter((address) => address.includes('planted-')), [], 'not before');

  await page.click('#presets');
  await page.locator('[data-planted="induction"]').waitFor();
  assert.deepEqual(await violations(page, '#preset-menu'), []);
  await andThenFresh(page, 'logit-diff', () => page.click('[data-planted="induction"]'));
  await whenEdited(page, 'Words:');
  assert.match(await page.locator('[data-hook="model-name"]').innerText(), /planted model \u201cinduction\u201d.*not trained/);
  await page.click('#opening a[href="#circuit"]');
  await whenFresh(page, 'circuit');

  // The truth, a part of it with an edge that does nothing, and edges that do nothing.
  const { single, pair } = truthOf('induction');
  const [s, p] = [single.length, pair.length];
  await name(page, single.join(' '));
  assert.deepEqual(await scoreOf(page, 'circuit'), [[s, s, 0, 1, 1, 1], [p, s, 0, 1, s / p, s / p]]);
  await name(page, `${single[0]} input->m0`);
  assert.deepEqual(await scoreOf(page, 'circuit'), [[s, 1, 1, 0.5, 1 / s, 1 / (s + 1)], [p, 1, 1, 0.5, 1 / p, 1 / (p + 1)]]);
  assert.ok(await page.locator('#circuit table[data-title^="Planted circuit: score"]').isVisible(), 'it is not folded');
  assert.deepEqual(await violations(page, '#circuit'), []);

  await page.locator('#edge-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'edge-attribution');
  const [[planted, area]] = await scoreOf(page, 'edge-attribution');
  assert.equal(planted, s);
  assert.ok(area > 0.99, `replacing each edge finds them: ${area}`);

  await page.waitForFunction(() => location.search.includes('model=planted-induction'));
  await page.waitForTimeout(600);
  await page.reload();
  await whenEdited(page, 'Words:');
  await page.locator('#circuit').scrollIntoViewIfNeeded();
  await whenFresh(page, 'circuit');
  assert.equal((await scoreOf(page, 'circuit'))[0][1], 1);

  // Another model's edges do not come along.
  await page.click('#presets');
  await page.click('[data-planted="conjunction"]');
  await whenEdited(page, 'Name something');
  assert.equal(await page.inputValue('#set-circuit-edges'), '');
  for (let steps = 0; steps < 2; steps += 1) await page.getByRole('button', { name: 'Undo' }).first().click();
  assert.equal(await page.inputValue(fieldId(0, 0, 'clean')), own);
  assertClean(watched);
});

test('a link that only names a planted model opens it with its prompts', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const { page, watched } = await watchedPage(await freshBrowser(t), { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu&model=planted-ioi`);
  await whenOpen(page);
  await whenFresh(page, 'logit-diff');
  await whenEdited(page, 'sent the coat to');
  await page.click('#presets');
  await page.locator('[data-preset]').first().waitFor();
  assert.equal(await page.locator('.menu-caution:visible').count(), await page.locator('[data-preset]').count(), 'it knows the words of no preset');
  assertClean(watched);
});
