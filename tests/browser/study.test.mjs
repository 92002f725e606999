// A walk through the study on the demo model: run everything, hover, click, switch, cancel, compare, share.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from './harness/axe.mjs';
import { andThenFresh, assertClean, fieldId, freshBrowser, thorough, watchedPage, whenFresh } from './harness/browser.mjs';
import { assertClose, dist, linkTo, nativeReport, onePair } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';
import { cells, gridParts, lineAt, runAll, stateOf, whenIdle } from './harness/study.mjs';

/** @import { TestContext } from 'node:test' */

const TOLERANCE = 1e-3;
/** SwiftShader replaces a GPU: it takes seconds where the CPU takes milliseconds. */
const SLOW = 240_000;

/** @param {TestContext} t @param {string} [query] @param {import('playwright-core').BrowserContextOptions} [options] */
async function studyPage(t, query = '?device=cpu', options = {}) {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, options);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(site.url + query);
  return { site, context, page, watched };
}

test('the study of the first group is on the screen soon after opening', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  await whenFresh(page, 'test-prompt');
  const ready = await page.evaluate(() => performance.now());
  t.diagnostic(`opening to the first figures: ${(ready / 1000).toFixed(2)} s`);
  assert.deepEqual(await page.locator('.group-chips input:checked').evaluateAll((boxes) => boxes.map((box) => box.closest('label')?.textContent)), ["'re they"]);
  assert.equal(await page.locator('.section').count(), 8);
  assert.equal(await stateOf(page, 'neuron-patching'), 'waiting');
  assertClean(watched);
});

test('figures are computed as one scrolls to them, the expensive one when asked for', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  assert.equal(await stateOf(page, 'residual-patching'), 'waiting');
  await page.locator('.contents-list [data-section="patching"]').click();
  await whenFresh(page, 'residual-patching');
  assert.match(await page.locator('.contents-list [aria-current]').innerText(), /What if one thing changes/);
  await page.locator('#neuron-patching').scrollIntoViewIfNeeded();
  await whenFresh(page, 'neuron-attribution');
  assert.equal(await stateOf(page, 'neuron-patching'), 'waiting');
  await andThenFresh(page, 'neuron-patching', () => page.locator('#neuron-patching').getByRole('button', { name: 'Compute' }).click());
  assertClean(watched);
});

test('the whole study: its numbers are the native command\u2019s', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'test-prompt');
  await runAll(page);
  const states = await page.locator('.figure').evaluateAll((figures) => figures.map((figure) => `${figure.id} ${/** @type {HTMLElement} */ (figure).dataset.state}`));
  assert.deepEqual(states.filter((state) => !state.endsWith(' fresh')), []);

  for (const analysis of ['head-attribution', 'residual-patching', 'component-patching', 'head-patching']) {
    for (const part of gridParts(nativeReport(analysis))) {
      const found = await cells(page, analysis, part.title);
      const [values] = part.panels[0].values;
      assertClose(found, values.mean.map(Number), TOLERANCE, `${analysis}, ${part.title}`);
    }
  }
  for (const [analysis, columns] of /** @type {[string, number[]][]} */ ([['logit-lens', [0, 4, 8]], ['layer-attribution', [0, 7, 10]]])) {
    const [part] = gridParts(nativeReport(analysis));
    const [values] = part.panels[0].values;
    for (const column of columns) assertClose([await lineAt(page, analysis, column)], [Number(values.mean[column])], TOLERANCE, `${analysis}, column ${column}`);
  }
  for (const analysis of ['neuron-attribution', 'neuron-patching']) {
    const table = nativeReport(analysis).parts.find((part) => part.kind === 'table');
    const native = table?.kind === 'table' ? table.rows.map((row) => Number(row.cells[1])) : [];
    const found = await page.locator(`#${analysis} tbody tr`).evaluateAll((rows) => rows.map((row) => Number(/** @type {HTMLElement | null} */ (row.querySelectorAll('td')[1])?.dataset.value)));
    assertClose(found, native, TOLERANCE, analysis);
  }
  const attention = nativeReport('attention').parts[0];
  assert.ok(attention.kind === 'attention');
  const [prompt] = attention.prompts;
  assert.deepEqual(await page.locator('#attention .head-button').evaluateAll((buttons) => buttons.map((button) => /** @type {HTMLElement} */ (button).dataset.head)), prompt.heads.map((head) => head.name));
  const shown = await page.locator('#attention .attended-number').allInnerTexts();
  assertClose(shown.map(Number), prompt.heads[0].rows.at(-1) ?? [], TOLERANCE, 'attention of the last token');
  assert.equal(await page.locator('#checks tr.mark-failed').count(), 0);
  assert.ok((await page.locator('#checks tr.mark-passed').count()) >= 6);
  assertClean(watched);
});

test('hovering marks the same thing elsewhere; a head, a neuron and a patched cell open, are pinned and closed', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'test-prompt');
  await runAll(page);

  const head = page.locator('#head-attribution .heat [role="gridcell"]').nth(7);
  await head.scrollIntoViewIfNeeded();
  await head.hover();
  assert.match(await page.locator('#tip').innerText(), /L1H3[\s\S]*contribution to the logit difference/);
  await page.locator('#attention .head-button.is-marked[data-head="L1H3"]').waitFor();

  await head.click();
  const card = page.locator('.card[data-item="L1H3"]');
  await card.and(page.locator('[data-state="fresh"]')).waitFor();
  const numbers = await card.locator('.numbers-table tr').evaluateAll((rows) => Object.fromEntries(rows.map((row) => [row.querySelector('th')?.textContent, Number(/** @type {HTMLElement | null} */ (row.querySelector('td'))?.dataset.value)])));
  const [attribution] = gridParts(nativeReport('head-attribution'));
  const [output] = gridParts(nativeReport('head-patching'));
  assertClose([numbers['Head attribution'], numbers[output.title]], [Number(attribution.panels[0].values[0].mean[7]), Number(output.panels[0].values[0].mean[7])], TOLERANCE, 'the head\u2019s numbers');
  await card.getByRole('button', { name: 'Pin' }).click();

  const neuron = page.locator('#neuron-attribution td .link').first();
  const name = await neuron.innerText();
  await neuron.click();
  const neuronCard = page.locator(`.card[data-item="${name}"]`);
  await neuronCard.and(page.locator('[data-state="fresh"]')).waitFor();
  assert.ok((await neuronCard.locator('.valued').count()) >= 8);
  await neuronCard.locator('textarea').fill('They are late');
  await neuronCard.locator('textarea').press('Enter');
  await neuronCard.locator('.valued-label', { hasText: 'They are late' }).waitFor();

  await page.locator('#residual-patching .heat [role="gridcell"]').nth(2).click();
  const patch = page.locator('.card[data-item="blocks.0.hook_resid_pre[position 2]"]');
  await patch.and(page.locator('[data-state="fresh"]')).waitFor();
  assert.deepEqual(await patch.locator('.run').evaluateAll((runs) => runs.map((run) => /** @type {HTMLElement} */ (run).dataset.run)), ['clean', 'corrupted', 'intervened']);
  // Another value, and another place in the same run.
  const said = () => patch.locator('.run[data-run="intervened"] .run-note').innerText();
  const once = await said();
  await patch.getByLabel('What it becomes').selectOption('zero');
  await page.waitForFunction(([selector, before]) => document.querySelector(selector)?.textContent !== before, ['.card[data-kind="patch"] .run[data-run="intervened"] .run-note', once]);
  const zeroed = await said();
  const others = patch.getByLabel('together with');
  await others.fill('L1H3, blocks.1.hook_mlp_out[position 2]');
  await others.press('Enter');
  await page.waitForFunction(([selector, before]) => document.querySelector(selector)?.textContent !== before, ['.card[data-kind="patch"] .run[data-run="intervened"] .run-note', zeroed]);
  await others.fill('the head');
  await others.press('Enter');
  await patch.locator('.field-error', { hasText: 'Not a head, neuron or hook point: the head' }).waitFor();
  await others.fill('L9H0');
  await others.press('Enter');
  await patch.locator('[role="alert"]', { hasText: 'the model has layers 0 to' }).waitFor();
  await others.fill('');
  await others.press('Enter');
  await patch.and(page.locator('[data-state="fresh"]')).waitFor();
  assert.equal(await page.locator('.card').count(), 2, 'the pinned one and the last');
  assert.deepEqual(await violations(page, '#inspector'), []);

  // By keyboard: into the inspector, out of it, and back to the cell.
  const cell = page.locator('#head-patching .heat [role="gridcell"][tabindex="0"]').first();
  await cell.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  const opened = page.locator('.card[data-item="L0H1"]');
  await opened.and(page.locator('[data-state="fresh"]')).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'card-title');
  assert.equal(await opened.locator('.card-title:focus').count(), 1);
  await page.keyboard.press('Escape');
  await opened.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'gridcell');
  await card.getByRole('button', { name: 'Close L1H3' }).click();
  assert.equal(await page.locator('.card').count(), 0);
  assertClean(watched);
});

test('measure and direction are switched for all patching figures', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  await page.locator('.contents-list [data-section="patching"]').click();
  await whenFresh(page, 'residual-patching');
  await page.locator('#head-patching').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-patching');
  const before = await page.locator('#head-patching').getAttribute('data-run');
  const parts = gridParts(nativeReport('head-patching'));
  await page.locator('#residual-patching .shared-controls').getByRole('button', { name: 'logit diff', exact: true }).click();
  const measure = parts[0].measures.findIndex((one) => one.name === 'logit-diff');
  const native = parts[0].panels[0].values.find((values) => values.measure === measure)?.mean ?? [];
  await page.locator('#head-patching .shared-controls [aria-pressed="true"]', { hasText: 'logit diff' }).waitFor();
  assertClose(await cells(page, 'head-patching', parts[0].title), native.map(Number), TOLERANCE, 'logit differences');
  assert.equal(await page.locator('#head-patching').getAttribute('data-run'), before, 'nothing was run again');

  const denoised = await cells(page, 'residual-patching', gridParts(nativeReport('residual-patching'))[0].title);
  await andThenFresh(page, 'residual-patching', () => page.locator('.study-bar').getByRole('button', { name: 'noise', exact: true }).click());
  const noised = await cells(page, 'residual-patching', gridParts(nativeReport('residual-patching'))[0].title);
  assert.ok(Math.abs(noised[2] - denoised[2]) > 1, 'corrupted activations in the clean run take the answer away');
  // Recent results are shown again without a run.
  await page.locator('.study-bar').getByRole('button', { name: 'denoise', exact: true }).click();
  assert.equal(await stateOf(page, 'residual-patching'), 'fresh');
  assertClose(await cells(page, 'residual-patching', gridParts(nativeReport('residual-patching'))[0].title), denoised, 0, 'as before');
  await whenIdle(page);
  assertClean(watched);
});

test('an edit dims what it makes old and computes it again; results stay until then', async (t) => {
  const { page, watched } = await studyPage(t);
  await page.locator('#residual-patching').scrollIntoViewIfNeeded();
  await whenFresh(page, 'residual-patching');
  const title = gridParts(nativeReport('residual-patching'))[0].title;
  const before = await cells(page, 'residual-patching', title);
  await page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they");
  await page.waitForFunction(() => document.getElementById('residual-patching')?.dataset.state !== 'fresh');
  assert.equal(await page.locator('#residual-patching .heat').count(), 1);
  await whenFresh(page, 'residual-patching');
  assert.notDeepEqual(await cells(page, 'residual-patching', title), before);
  assertClean(watched);
});

test('a sweep that was interrupted ends with the native command\u2019s numbers', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'test-prompt');
  await page.locator('.group-chips').getByRole('button', { name: 'all' }).click();
  const sweep = page.locator('#neuron-patching');
  await sweep.getByRole('button', { name: 'Compute' }).click();
  await page.locator('#neuron-patching .figure-progress', { hasText: /\d+ of \d+ patches/ }).waitFor();
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'Something else'));
  assert.equal(await sweep.getAttribute('data-state'), 'running', 'it was interrupted');
  await whenFresh(page, 'neuron-patching');
  const [native] = gridParts(nativeReport('neuron-patching'));
  const [{ mean }] = native.panels[0].values;
  const found = await sweep.locator('.data-table').first().locator('tbody tr').evaluateAll((rows) => rows.map((row) => {
    const [name, value] = row.querySelectorAll('td');
    return { name: name.textContent ?? '', value: Number(value.dataset.value) };
  }));
  assert.ok(found.length >= 10);
  const width = native.columns.ticks.length;
  for (const { name, value } of found) {
    const [, layer, neuron] = /^L(\d+)N(\d+)$/.exec(name) ?? [];
    assertClose([value], [Number(mean[Number(layer) * width + Number(neuron)])], TOLERANCE, name);
  }
  assertClean(watched);
});

thorough('fifty edits with everything computed leave no elements, listeners or memory behind, without a single hover', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'test-prompt');
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  const measured = async () => {
    for (let round = 0; round < 3; round += 1) await devtools.send('HeapProfiler.collectGarbage');
    const { metrics } = await devtools.send('Performance.getMetrics');
    return Object.fromEntries(metrics.filter(({ name }) => ['Nodes', 'JSEventListeners', 'JSHeapUsedSize'].includes(name)).map(({ name, value }) => [name, value]));
  };
  const words = ['sister', 'brother', 'teacher', 'mother', 'father'];
  /** @param {number} edits */
  const edit = async (edits) => {
    for (let nth = 0; nth < edits; nth += 1) {
      const word = words[nth % words.length];
      await andThenFresh(page, 'logit-diff', () => page.fill(fieldId(0, 0, 'clean'), `We're helping our ${word} when they`));
      await runAll(page);
    }
  };
  // The browser's own caches are full after a while.
  await edit(10);
  const before = await measured();
  await edit(50);
  const after = await measured();
  // Undo keeps each experiment, as objects of about three times its JSON.
  const kept = await page.evaluate(() => 3 * JSON.stringify(JSON.parse(localStorage.getItem('patchlab.draft') ?? '{}').experiment).length);
  t.diagnostic(JSON.stringify({ before, after, kept }));
  before.JSHeapUsedSize += 50 * kept;
  for (const [name, value] of Object.entries(after)) assert.ok(value <= 1.05 * before[name], `${name}: ${before[name]}, then ${value}`);
  assertClean(watched);
});

test('two groups are compared: side by side, subtracted, and head against head', async (t) => {
  const { page, watched } = await studyPage(t);
  await page.locator('#head-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-attribution');
  await page.locator('#compare').scrollIntoViewIfNeeded();
  await page.click('#show-both');
  await page.locator('#compare-body[data-state="fresh"]').waitFor();
  await page.locator('#compare').getByLabel('picture').selectOption('Head attribution');
  const panels = page.locator('#compare-body .part-heat .panel');
  await page.waitForFunction(() => document.querySelectorAll('#compare-body .part-heat .panel').length === 3);
  const [first, second, difference] = await Promise.all([0, 1, 2].map((index) => cellsOf(panels.nth(index))));
  const [native] = gridParts(nativeReport('head-attribution'));
  assertClose(first, native.panels[0].values[0].mean.map(Number), TOLERANCE, 'the first group');
  assertClose(second, native.panels[1].values[0].mean.map(Number), TOLERANCE, 'the second group');
  assertClose(difference, first.map((value, index) => value - second[index]), 2e-4, 'the difference');
  assert.equal(await page.locator('#compare-body .part-scatter circle[role="option"]').count(), 16);
  assertClean(watched);
});

/** @param {import('playwright-core').Locator} panel */
function cellsOf(panel) {
  return panel.locator('[role="gridcell"]').evaluateAll((all) => all.map((cell) => Number((cell.getAttribute('aria-label') ?? '').split(': ').at(-1)?.replace('\u2212', '-'))));
}

test('the link reopens experiment, groups, direction, measure and what was inspected', async (t) => {
  const { page, watched, context } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  await page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they");
  await page.locator('.group-chips label', { hasText: "'s he" }).click();
  await page.locator('.study-bar').getByRole('button', { name: 'noise', exact: true }).click();
  await page.locator('.contents-list [data-section="heads"]').click();
  await whenFresh(page, 'head-attribution');
  await page.locator('#head-attribution .heat [role="gridcell"]').nth(7).click();
  await page.locator('.card[data-item="L1H3"]').getByRole('button', { name: 'Pin' }).click();
  await page.locator('.contents-list [data-section="patching"]').click();
  await page.waitForTimeout(1000);
  const link = page.url();
  const other = await context.newPage();
  await other.goto('about:blank');
  await other.goto(link);
  await whenFresh(other, 'residual-patching');
  assert.equal(await other.inputValue(fieldId(0, 0, 'clean')), "They're helping our friend when they");
  assert.deepEqual(await other.locator('.group-chips input:checked').evaluateAll((boxes) => boxes.map((box) => box.closest('label')?.textContent)), ["'re they", "'s he"]);
  assert.equal(await other.locator('.study-bar').getByRole('button', { name: 'noise', exact: true }).getAttribute('aria-pressed'), 'true');
  assert.equal(await other.locator('.card[data-item="L1H3"] .card-pin').getAttribute('aria-pressed'), 'true');
  assert.ok(await other.locator('#section-patching').evaluate((section) => Math.abs(section.getBoundingClientRect().top) < innerHeight / 2), 'the section that was read');
  assertClean(watched);
});

test('pairs are pasted from a spreadsheet, with a message for each line', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  await page.click('#paste-group');
  await page.fill('#paste-text', "We're late when they\tWe are late when they\t're\t are\nWe're reading so they\tWe are reading so they\nalone\nThey're here and we|They are right here and we|'re| are");
  await page.locator('#paste-preview').getByText('only one field').waitFor();
  await page.locator('#paste-preview').getByText(/taken from the pair before/).waitFor();
  await page.locator('#paste-preview').getByText(/has 6 tokens, this one 7/).waitFor();
  assert.deepEqual(await violations(page, '#paste-dialog'), []);
  await andThenFresh(page, 'logit-diff', () => page.click('#paste-add'));
  assert.equal(await page.locator('details.group').count(), 9);
  assert.equal(await page.locator('#logit-diff .dots-row').last().locator('.dot').count(), 6, 'the pair of unequal lengths is run, and left out only where the two are compared');
  assertClean(watched);
});

test('no serious barrier in the whole study: light and wide, dark and on a phone', async (t) => {
  const { page, watched } = await studyPage(t, '?device=cpu', { reducedMotion: 'reduce' });
  await whenFresh(page, 'test-prompt');
  await runAll(page);
  await page.locator('#head-attribution .heat [role="gridcell"]').nth(7).click();
  await page.locator('.card[data-state="fresh"]').waitFor();
  await page.mouse.move(0, 0);
  for (const [colorScheme, width] of /** @type {const} */ ([['light', 1280], ['dark', 390]])) {
    await page.setViewportSize({ width, height: 844 });
    await page.emulateMedia({ colorScheme });
    // Pictures are fitted once the width stays.
    await page.waitForTimeout(400);
    assert.deepEqual(await violations(page), [], `${colorScheme}, ${width} pixels wide`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels wider than the window`);
  }
  assertClean(watched);
});

test('section 3 on WebGPU equals the native numbers', async (t) => {
  const { page, watched } = await studyPage(t, `?device=wgpu${linkTo(onePair)}`);
  await whenFresh(page, 'logit-diff', { timeout: SLOW });
  assert.equal(await page.locator('[data-hook="device"]').getAttribute('data-device'), 'wgpu');
  await page.locator('#head-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-attribution', { timeout: SLOW });
  const [native] = gridParts(nativeReport('head-attribution'));
  const [values] = native.panels[0].values;
  const mean = values.mean.map((_, cell) => (Number(values.prompts[0][cell]) + Number(values.prompts[1][cell])) / 2);
  assertClose(await cells(page, 'head-attribution', native.title), mean, TOLERANCE, 'head attribution');
  await whenFresh(page, 'attention', { timeout: SLOW });
  assertClean(watched);
});
