// The demo model on the CPU: the page shows the native command's numbers, within seconds.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  andThenFresh, assertClean, dotsOf, fieldId, freshBrowser, openGroup, runsOf, topTokens, watchedPage, whenFresh, whenOpen,
} from './harness/browser.mjs';
import { assertClose, chosenFiles, dist, dotsPart, nativeReport, onePair, tablePart, tokensPart } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { TestContext } from 'node:test' */

const TOLERANCE = 1e-3;
const LIMIT_MS = 5000;

/** @param {TestContext} t */
async function demoPage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { acceptDownloads: true });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  return { site, context, page, watched };
}

test('the eight groups are there within five seconds of opening', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  /** @type {number[]} */
  const times = [];
  // Other load on the machine may spoil a measurement, but not three in a row.
  while (times.length < 3 && !times.some((time) => time < LIMIT_MS)) {
    const context = await freshBrowser(t);
    const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
    await page.goto(`${site.url}?device=cpu`);
    await page.waitForFunction(() => document.querySelectorAll('#logit-diff .dots-row[data-mean]').length === 8, undefined, { polling: 'raf' });
    times.push(await page.evaluate(() => performance.now()));
    assertClean(watched);
    await context.close();
  }
  t.diagnostic(`opening to eight means: ${times.map((time) => `${(time / 1000).toFixed(2)} s`).join(', ')}`);
  assert.ok(Math.min(...times) < LIMIT_MS, `the fastest of ${times.length} took ${Math.min(...times)} ms`);
});

test('logit differences equal the native ones', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  const native = dotsPart(nativeReport('logit-diff')).series;
  const found = await dotsOf(page);
  assert.deepEqual(found.map((row) => row.name), native.map((series) => series.name));
  assertClose(found.map((row) => row.mean), native.map((series) => series.mean), TOLERANCE, 'means');
  found.forEach((row, g) => assertClose(row.values, native[g].points.map((point) => point.value), TOLERANCE, `prompts of ${row.name}`));

  const shown = await page.locator('#logit-diff .dots-row .dots-mean').allTextContents();
  native.forEach((series, g) => {
    const number = Number(shown[g].replace('\u2212', '-'));
    assert.ok(Math.abs(number - series.mean) <= TOLERANCE, `the page shows ${shown[g]} for ${series.mean}`);
  });
  assert.match(await page.locator('[data-hook="model-name"]').innerText(), /trained on synthetic sentences, not GPT-2/);
  assertClean(watched);
});

test('a prompt of one\u2019s own is tested, and equals the native report', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'test-prompt');
  const native = nativeReport('test-prompt');
  const rows = tablePart(native).rows;
  const texts = tokensPart(native).rows[0].tokens.map((token) => token.text);
  const answer = rows.find((row) => row.mark === 'answer')?.cells[1];
  const prompt = texts.filter((text) => text !== '<|endoftext|>').join('');
  await page.fill('#test-prompt-text', 'Something else');
  await andThenFresh(page, 'test-prompt', async () => {
    await page.fill('#test-prompt-text', prompt);
    await page.fill('#test-answer', answer && typeof answer === 'object' ? answer.text : '');
  });
  const found = await topTokens(page);
  assert.deepEqual(found.map((row) => row.mark), rows.map((row) => row.mark ?? ''));
  assertClose(found.map((row) => row.rank), rows.map((row) => Number(row.cells[0])), 0, 'ranks');
  assertClose(found.map((row) => row.logProbability), rows.map((row) => Number(row.cells[4])), TOLERANCE, 'log-probabilities');
  assertClose(found.map((row) => row.probability), rows.map((row) => Number(row.cells[3])), TOLERANCE, 'probabilities');
  assert.equal(await page.inputValue('#test-case'), 'free');
  assertClean(watched);
});

test('editing a prompt changes its group and no other', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  await andThenFresh(page, 'logit-diff', async () => {
    await page.fill(fieldId(0, 0, 'clean'), "We're helping our friend while they");
    await page.fill(fieldId(0, 0, 'corrupted'), 'We are helping our friend while they');
  });
  const after = await dotsOf(page);
  assert.notEqual(after[0].mean, before[0].mean);
  assert.deepEqual(after.slice(1), before.slice(1));

  const tokens = await page.locator('details.group[data-group="0"] .pair').first().locator('.token-columns .column').allInnerTexts();
  assert.equal(tokens.length, 8);
  const differing = await page.locator('details.group[data-group="0"] .pair').first().locator('.column.differs').count();
  assert.equal(differing, 1);
  assert.match(await page.locator('.pair .column.differs').first().innerText(), /'re\s*821[\s\S]* are\s*389/);

  await andThenFresh(page, 'logit-diff', () => page.getByRole('button', { name: 'Undo' }).click());
  await andThenFresh(page, 'logit-diff', () => page.getByRole('button', { name: 'Undo' }).click());
  assert.deepEqual(await dotsOf(page), before);
  assertClean(watched);
});

test('groups and pairs are added, removed and pasted', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  await andThenFresh(page, 'logit-diff', () => page.getByRole('button', { name: 'Remove pair 3' }).click());
  assert.equal((await dotsOf(page))[0].values.length, 6);
  await andThenFresh(page, 'logit-diff', () => page.getByLabel('symmetric pairs').first().uncheck());
  assert.equal((await dotsOf(page))[0].values.length, 3);
  await andThenFresh(page, 'logit-diff', () => page.getByRole('button', { name: "Remove group 're they" }).click());
  assert.equal((await dotsOf(page)).length, 7);

  await page.getByRole('button', { name: 'Add a group' }).click();
  const lines = ["They're here and they\tThey are here and they\t're\t are", "We're late and they\tWe are late and they\t're\t are"].join('\n');
  await andThenFresh(page, 'logit-diff', () => page.locator(fieldId(7, 0, 'clean')).evaluate((field, text) => {
    const data = new DataTransfer();
    data.setData('text/plain', text);
    field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  }, lines));
  const pasted = (await dotsOf(page)).at(-1);
  assert.equal(pasted?.name, 'New group');
  assert.equal(pasted?.values.length, 4);
  assert.equal(await page.inputValue(fieldId(7, 1, 'distractor')), ' are');

  await andThenFresh(page, 'logit-diff', () => page.locator('#prepend-bos').uncheck());
  assert.notEqual((await dotsOf(page)).at(-1)?.mean, pasted?.mean);
  assertClean(watched);
});

test('presets replace the experiment, and can be taken back', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  await page.click('#presets');
  await page.locator('[data-preset]').first().waitFor();
  const names = await page.locator('[data-preset]').evaluateAll((items) => items.map((item) => /** @type {HTMLElement} */ (item).dataset.preset));
  assert.ok(names.length >= 3);
  await andThenFresh(page, 'logit-diff', () => page.locator('[data-preset]').nth(1).click());
  assert.notDeepEqual((await dotsOf(page)).map((row) => row.name), before.map((row) => row.name));
  await andThenFresh(page, 'logit-diff', () => page.locator('#toast button').click());
  assert.deepEqual(await dotsOf(page), before);
  assertClean(watched);
});

test('an experiment is exported and imported as the same document', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  await page.click('#export');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('.menu-export [data-format="experiment"]')]);
  const document = JSON.parse(readFileSync(await download.path(), 'utf8'));
  assert.equal(document.groups.length, 8);
  assert.equal(document.prepend_bos, true);

  await andThenFresh(page, 'logit-diff', () => page.setInputFiles('#import-file', chosenFiles({ 'one.json': JSON.stringify(onePair) })));
  assert.equal((await dotsOf(page)).length, 1);
  await andThenFresh(page, 'logit-diff', () => page.setInputFiles('#import-file', chosenFiles({ 'all.json': JSON.stringify(document) })));
  assert.deepEqual(await dotsOf(page), before);

  const runs = await runsOf(page, 'logit-diff');
  for (const [text, said] of /** @type {[string, RegExp][]} */ ([
    ['no JSON', /neither an experiment document/],
    ['{"prepend_bos": true}', /no list "groups"/],
    ['{"groups": [{"name": "a", "pairs": []}], "prepend_boss": true}', /prepend_boss/],
  ])) {
    await page.setInputFiles('#import-file', chosenFiles({ 'bad.json': text }));
    await page.waitForFunction((pattern) => new RegExp(pattern).test(document.getElementById('toast')?.textContent ?? ''), said.source);
  }
  assert.deepEqual(await dotsOf(page), before);
  assert.equal(await runsOf(page, 'logit-diff'), runs);
  assertClean(watched);
});

test('the link in the address bar reopens the experiment', async (t) => {
  const { site, page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  await andThenFresh(page, 'logit-diff', () => page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they"));
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'Free text'));
  const before = await dotsOf(page);
  await page.click('#share');
  await page.waitForSelector('#toast:not([hidden])');
  const link = page.url();
  assert.match(link, /\?device=cpu#e=/);

  const other = await freshBrowser(t);
  const second = await watchedPage(other, { hosts: [site.origin] });
  await second.page.goto(link);
  await whenFresh(second.page, 'logit-diff');
  assert.deepEqual(await dotsOf(second.page), before);
  assert.equal(await second.page.inputValue('#test-prompt-text'), 'Free text');

  await second.page.goto(`${site.url}?device=cpu#e=damaged`);
  await second.page.reload();
  await second.page.waitForFunction(() => /cannot be read/.test(document.getElementById('toast')?.textContent ?? ''));
  assertClean(watched);
  assertClean(second.watched);
});

test('a reload keeps what was typed', async (t) => {
  const { site, page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  await openGroup(page, 2);
  // Immediately, before the link has been written.
  await page.fill(fieldId(2, 1, 'clean'), "They're eating supper together while he");
  await page.reload();
  await whenOpen(page);
  await openGroup(page, 2);
  assert.equal(await page.inputValue(fieldId(2, 1, 'clean')), "They're eating supper together while he");

  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  await openGroup(page, 2);
  assert.equal(await page.inputValue(fieldId(2, 1, 'clean')), "They're eating supper together while he");
  assertClean(watched);
});

test('a click on a dot tests its prompt, and the arrow keys walk along the dots', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'test-prompt');
  await page.locator('#logit-diff .dots-row').nth(3).locator('.dot').first().focus();
  await page.keyboard.press('ArrowRight');
  const label = await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
  await andThenFresh(page, 'test-prompt', () => page.keyboard.press('Enter'));
  const prompt = await page.inputValue('#test-prompt-text');
  assert.ok(label.startsWith(`${prompt}: `), `${label} is not ${prompt}`);
  assert.equal((await topTokens(page)).filter((row) => row.mark === 'answer').length, 1);
  assertClean(watched);
});
