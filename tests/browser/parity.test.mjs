// The page against the values recorded with TransformerLens (tests/fixtures), on the CPU and on WebGPU.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { andThenFresh, assertClean, dotsOf, freshBrowser, topTokens, watchedPage, whenFresh, whenOpen, thorough } from './harness/browser.mjs';
import { fixtureGroups, readFixture, recordedValues, writeCheckpoint } from './harness/fixtures.mjs';
import { assertClose, dist, dotsPart, linkTo, nativeReport, onePair } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */

const TOLERANCE = 1e-3;
/** Without a GPU, WebGPU takes seconds where the CPU takes milliseconds. */
const SLOW = 240_000;

/**
 * A page with a recorded model opened from files on the CPU.
 *
 * @param {TestContext} t
 * @param {string} model
 * @param {number} groups how many of its groups to take
 */
async function fixturePage(t, model, groups) {
  const { config, parsed, expected } = readFixture(model);
  const folder = mkdtempSync(join(tmpdir(), 'patchlab-model-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = ['config.json', 'model.safetensors'].map((name) => join(folder, name));
  writeFileSync(files[0], config);
  writeCheckpoint(files[1], expected.seed, parsed);

  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  const all = fixtureGroups(model);
  await page.goto(`${site.url}?device=cpu${linkTo({ ...all, groups: all.groups.slice(0, groups) })}`);
  await whenFresh(page, 'logit-diff');
  await andThenFresh(page, 'logit-diff', () => page.setInputFiles('#model-files', files));
  return { page, watched, groups: expected.groups.slice(0, groups) };
}

/** @param {Page} page @param {string} model @param {{ name: string, clean_mean: number }[]} groups */
async function compareDots(page, model, groups) {
  const recorded = recordedValues(model);
  const found = await dotsOf(page);
  assert.deepEqual(found.map((row) => row.name), groups.map((group) => group.name));
  found.forEach((row, g) => {
    assertClose(row.values, recorded(`group${g}/clean/logit_diff`).flat(), TOLERANCE, `${model}, ${row.name}`);
    assertClose([row.mean], [groups[g].clean_mean], TOLERANCE, `${model}, mean of ${row.name}`);
  });
}

/** Tests the prompts of a group one by one, and compares the top ten tokens. @param {Page} page @param {string} model @param {number} group @param {number} prompts */
async function comparePrompts(page, model, group, prompts) {
  const recorded = recordedValues(model);
  const ids = recorded(`group${group}/clean/top/ids`);
  const logProbs = recorded(`group${group}/clean/top/log_probs`);
  const ranks = recorded(`group${group}/clean/answer_rank`).flat();
  const options = await page.locator(`#test-case optgroup`).nth(group).locator('option').evaluateAll((list) => list.map((option) => /** @type {HTMLOptionElement} */ (option).value));
  for (let prompt = 0; prompt < Math.min(prompts, options.length); prompt += 1) {
    if ((await page.inputValue('#test-case')) !== options[prompt]) {
      await andThenFresh(page, 'test-prompt', () => page.selectOption('#test-case', options[prompt]), SLOW);
    }
    const rows = await topTokens(page);
    const top = rows.filter((row) => row.rank < 10);
    const what = `${model}, group ${group}, prompt ${prompt}`;
    // Nearly tied tokens may swap ranks, but their log-probabilities must agree.
    assertClose(top.map((row) => row.logProbability), logProbs[prompt].slice(0, 10), TOLERANCE, what);
    for (const row of top) {
      const place = ids[prompt].indexOf(row.id);
      assert.ok(place >= 0, `${what}: token ${row.id} is not among the recorded ones`);
      assertClose([row.logProbability], [logProbs[prompt][place]], TOLERANCE, `${what}, token ${row.id}`);
    }
    assert.equal(rows.find((row) => row.mark === 'answer')?.rank, ranks[prompt], `${what}: the answer's rank`);
  }
}

for (const model of ['tiny-a', 'tiny-b']) {
  test(`${model} agrees with TransformerLens on the CPU`, async (t) => {
    const { page, watched, groups } = await fixturePage(t, model, 3);
    await compareDots(page, model, groups);
    for (const group of groups.keys()) await comparePrompts(page, model, group, 6);
    assertClean(watched);
  });

  // engine.test.mjs compares the reports, study.test.mjs the page.
  thorough(`${model} agrees with TransformerLens on WebGPU`, async (t) => {
    const { page, watched, groups } = await fixturePage(t, model, 1);
    await andThenFresh(page, 'logit-diff', () => page.selectOption('#device', 'wgpu'), SLOW);
    await whenOpen(page);
    assert.equal(await page.locator('[data-hook="device"]').getAttribute('data-device'), 'wgpu');
    await whenFresh(page, 'test-prompt', { timeout: SLOW });
    await compareDots(page, model, groups);
    await comparePrompts(page, model, 0, 2);
    assertClean(watched);
  });
}

thorough('the demo model on WebGPU equals the native one', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=wgpu${linkTo(onePair)}`);
  await whenFresh(page, 'logit-diff', { timeout: SLOW });
  assert.equal(await page.locator('[data-hook="device"]').getAttribute('data-device'), 'wgpu');
  const [group] = await dotsOf(page);
  const native = dotsPart(nativeReport('logit-diff')).series[0].points.slice(0, 2).map((point) => point.value);
  assertClose(group.values, native, TOLERANCE, 'logit differences');
  assertClean(watched);
});

test('an adapter in software is left alone unless it is asked for', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(site.url);
  await whenOpen(page);
  const device = page.locator('[data-hook="device"]');
  assert.equal(await device.getAttribute('data-device'), 'cpu');
  assert.match(await device.innerText(), /software/);
  assertClean(watched);
});
