// Circuits on the page: found in a picture, put together, tested, kept in the link, opened and saved as files.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { andThenFresh, assertClean, freshBrowser, watchedPage, whenFresh } from './harness/browser.mjs';
import { dist } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */

const PASTED = [
  "We're helping our friend when they\tWe are helping our friend when they\t're\t are",
  "They're eating dinner together while they\tThey are eating dinner together while they\t're\t are",
].join('\n');

/** @param {TestContext} t */
async function demoPage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { acceptDownloads: true });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  return { page, watched };
}

/** Scrolls to a figure, which computes it. @param {Page} page @param {string} figure */
async function see(page, figure) {
  await page.evaluate((id) => document.getElementById(id)?.scrollIntoView(), figure);
  await whenFresh(page, figure);
}

/** @param {Page} page */
const edgesOf = async (page) => (await page.inputValue('#set-circuit-edges')).split(' ').filter(Boolean);

/** The logit difference of the circuit. @param {Page} page */
const left = (page) => page.locator('#circuit .dots-row .dots-mean').innerText();

/** How many edges a picture shows. @param {Page} page @param {number} count */
async function show(page, count) {
  await page.locator('#edge-attribution .edges-shown input').fill(String(count));
}

test('from pasted pairs to a tested circuit in less than two minutes, and back from its link', async (t) => {
  const { page, watched } = await demoPage(t);
  const start = Date.now();
  await page.click('#paste-group');
  await page.fill('#paste-text', PASTED);
  await andThenFresh(page, 'logit-diff', () => page.click('#paste-add'));
  await page.locator('.group-chips input').last().check();
  await page.locator('.group-chips input').first().uncheck();

  await see(page, 'edge-attribution');
  await show(page, 12);
  const says = page.locator('#edge-attribution .edges-actions output');
  await says.filter({ hasText: /^Alone, all others resampled, they leave \d+ % of the logit difference\.$/ }).waitFor();
  await page.getByRole('button', { name: 'Take these 12 edges as the circuit' }).click();
  await see(page, 'circuit');
  assert.equal((await edgesOf(page)).length, 12);
  assert.equal(await page.locator('#circuit .edge-graph path').count(), 12);
  // What the slider said is what the circuit gives.
  await page.locator('#circuit summary', { hasText: 'How faithful it is' }).click();
  const share = Number(await page.locator('#circuit .part-table tbody tr').nth(3).locator('td').nth(1).getAttribute('data-value'));
  assert.match(await says.innerText(), new RegExp(` ${Math.round(100 * share)} %`));

  await page.evaluate(() => document.getElementById('circuit-tests')?.scrollIntoView());
  await page.locator('#circuit-tests').getByRole('button', { name: 'Compute' }).click();
  await whenFresh(page, 'circuit-tests');
  const titles = await page.locator('#circuit-tests summary').allInnerTexts();
  assert.deepEqual(titles.map((title) => title.split(/[?] /)[0]), ['Is it complete', 'Is every node needed', 'Better than chance']);
  const seconds = (Date.now() - start) / 1000;
  t.diagnostic(`from paste to tested circuit: ${seconds.toFixed(1)} s`);
  assert.ok(seconds < 120);

  const [edges, before] = [await edgesOf(page), await left(page)];
  const again = await page.context().newPage();
  await page.waitForFunction(() => location.hash.length > 100);
  await again.goto(page.url());
  await page.close();
  await whenFresh(again, 'logit-diff');
  await see(again, 'circuit');
  assert.deepEqual(await edgesOf(again), edges);
  assert.equal(await left(again), before);
  assertClean(watched);
});

test('edges go into the circuit and out of it by Shift and a click', async (t) => {
  const { page, watched } = await demoPage(t);
  await see(page, 'edge-attribution');
  await show(page, 3);
  const edges = page.locator('#edge-attribution .edge-graph path');
  // By script: curves cross, and a click would find the one on top.
  const click = (/** @type {number} */ index) => edges.nth(index).evaluate((edge) => edge.dispatchEvent(new MouseEvent('click', { bubbles: true, shiftKey: true })));
  await click(0);
  await click(1);
  const two = await edgesOf(page);
  assert.equal(two.length, 2);
  await click(0);
  assert.deepEqual(await edgesOf(page), two.slice(1));
  await click(1);
  assert.deepEqual(await edgesOf(page), []);
  // All edges of a head, from its card.
  await see(page, 'head-attribution');
  await page.locator('#head-attribution .heat [role="gridcell"]').nth(7).click();
  await andThenFresh(page, 'circuit', () => page.locator('.card[data-item="L1H3"]').getByRole('button', { name: 'the circuit with its edges' }).click());
  assert.deepEqual(await edgesOf(page), ['*->a1.h3', 'a1.h3->*']);
  assertClean(watched);
});

test('circuit files are opened and saved, and what cannot be read is refused in words', async (t) => {
  const { page, watched } = await demoPage(t);
  await see(page, 'circuit');
  const picker = page.locator('#circuit .basket input[type=file]');
  /** @param {string} name @param {object | string} content */
  const open = (name, content) => picker.setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)) });
  const error = page.locator('#circuit .basket .field-error');
  for (const [content, says] of /** @type {const} */ ([
    ['{', 'no circuit file'],
    [{ edges: { 'input->m0': { score: 1 } } }, 'in_graph'],
    [{ edges: { 'a11.h3->logits': { score: 1, in_graph: true } } }, 'of another model'],
    [{ edges: { 'input->m0': { score: 1, in_graph: false } } }, 'no edge is in its graph'],
    ['a1.h3->m9', 'no edge of this model'],
  ])) {
    await open('other.json', content);
    await error.filter({ hasText: says }).waitFor();
    assert.deepEqual(await edgesOf(page), []);
  }
  // As EAP-IG and MIB write it; the strongest edge first.
  const members = { 'a1.h3->logits': -0.5, 'input->m0': 0.1, 'm0->a1.h3<v>': 2 };
  await andThenFresh(page, 'circuit', () => open('circuit.json', {
    cfg: { n_layers: 4, n_heads: 4, parallel_attn_mlp: false, d_model: 64 }, nodes: {},
    edges: { ...Object.fromEntries(Object.entries(members).map(([name, score]) => [name, { score, in_graph: true }])), 'm1->m2': { score: 7, in_graph: false } },
  }));
  assert.equal(await error.isVisible(), false);
  assert.deepEqual(await edgesOf(page), ['m0->a1.h3<v>', 'a1.h3->logits', 'input->m0']);

  await page.getByRole('button', { name: 'Save The circuit' }).click();
  const download = page.waitForEvent('download');
  await page.locator('.menu:popover-open [data-format="circuit"]').click();
  const saved = JSON.parse(readFileSync(await (await download).path(), 'utf8'));
  const kept = Object.entries(saved.edges).flatMap(([name, edge]) => (edge.in_graph ? [name] : []));
  assert.deepEqual(kept.sort(), Object.keys(members).sort());
  assert.equal(Object.keys(saved.edges).length, 479);

  await andThenFresh(page, 'circuit', () => page.locator('#circuit .basket').getByRole('button', { name: 'Clear' }).click());
  assert.deepEqual(await edgesOf(page), []);
  assertClean(watched);
});
