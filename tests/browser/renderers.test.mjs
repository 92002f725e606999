// The renderers: each kind of part with pointer, keyboard and screen reader.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from './harness/axe.mjs';
import { assertClean } from './harness/browser.mjs';
import { calls, draw, emptyPage, tip } from './harness/pictures.mjs';
import * as samples from './harness/samples.mjs';

/** @import { Page } from 'playwright-core' */

/** Five significant digits, as tooltips have them. @param {number} value */
const digits = (value) => String(Number(value.toPrecision(5))).replace('-', '\u2212');

/** The label of the focused cell. @param {Page} page */
function focused(page) {
  return page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
}

test('a heat map has a cell with a name for each head, and says everything about it', async (t) => {
  const { page, watched } = await emptyPage(t);
  const part = samples.headGrid(12, samples.GROUPS, { difference: true });
  assert.equal(part.kind, 'heat');
  await draw(page, [part]);
  assert.equal(await page.locator('.heat').count(), 9);
  assert.equal(await page.locator('.heat [role="gridcell"]').count(), 9 * 144);
  await page.waitForFunction(() => [...document.querySelectorAll('.heat [role="gridcell"]')].every((cell) => cell.hasAttribute('aria-label')));
  const mean = Number(part.panels[0].values[0].mean[7 * 12 + 11]);
  const cell = page.locator('.heat').first().locator('[aria-label^="L7H11:"]');
  assert.match((await cell.getAttribute('aria-label')) ?? '', /^L7H11: [+\u2212]0\.\d{4}$/);

  await cell.hover();
  const lines = await tip(page);
  assert.match(lines[0], /^L7H11 +'re they$/);
  assert.equal(lines[1], `share of the effect: ${digits(mean)}`);
  assert.match(lines[2], /^95 % interval of the mean: .* to /);
  assert.deepEqual(lines.slice(3), ['layer 7, head 11', 'blocks.7.attn.hook_z', 'logit difference: clean\u00a0+2.813, corrupted\u00a0\u22121.204']);
  assert.equal(await page.locator('.heat [data-screen] rect[stroke="#b98900"]').count() >= 9, true, 'the head is marked in every panel');

  await cell.click();
  assert.deepEqual(await calls(page), [['patch', { site: 'blocks.7.attn.hook_z', layer: 7, head: 11, group: 0, minus: null, panel: "'re they" }]]);
  await draw(page, [part], ['onPatch']);
  await page.locator('.heat').nth(2).locator('[aria-label^="L7H11:"]').click();
  assert.deepEqual(await calls(page), [['head', { layer: 7, head: 11, group: 2 }]]);
  assert.match((await page.locator('.panel-means').allTextContents())[8], /^\s*$/, 'a difference has no unpatched means');
  assertClean(watched);
});

test('a heat map is walked with the keyboard', async (t) => {
  const { page, watched } = await emptyPage(t);
  await draw(page, [samples.residualGrid(samples.GROUPS.slice(0, 2))]);
  await page.waitForFunction(() => document.querySelector('.heat [tabindex="0"][aria-label]') !== null);
  assert.equal(await page.locator('.heat [tabindex="0"]').count(), 2, 'one tab stop a panel');
  await page.locator('.heat [tabindex="0"]').first().focus();
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowDown']) await page.keyboard.press(key);
  assert.match(await focused(page), /^L2, We_1: /);
  await page.keyboard.press('End');
  assert.match(await focused(page), /^L2, \u00b7they_7: /);
  assert.match((await tip(page))[0], /^L2, \u00b7they_7/);
  await page.keyboard.press('Enter');
  assert.deepEqual(await calls(page), [['patch', { site: 'blocks.2.hook_resid_pre', layer: 2, position: 7, group: 0, minus: null, panel: "'re they" }]]);
  await page.keyboard.press('Tab');
  assert.match(await focused(page), /^L0, We_0: /, 'on to the next panel');
  assert.deepEqual(await page.locator('.heat').evaluateAll((panels) => panels.map((panel) => panel.querySelectorAll('[role="gridcell"]').length)), [96, 84], 'prompts of other lengths');
  assertClean(watched);
});

test('the measure, one prompt and the scale are switched at once, and stay when new numbers come', async (t) => {
  const { page, watched } = await emptyPage(t);
  const part = samples.headGrid(12, samples.GROUPS.slice(0, 2));
  assert.equal(part.kind, 'heat');
  await draw(page, [part]);
  const first = page.locator('.heat').first().locator('[role="gridcell"]').first();
  const shown = async () => (await first.getAttribute('aria-label'))?.split(': ')[1];
  const text = (/** @type {number} */ value) => `${value < 0 ? '\u2212' : '+'}${Math.abs(value).toFixed(4)}`;
  const [share, logits] = part.panels[0].values;
  await page.waitForFunction(() => document.querySelector('.heat [aria-label]'));
  assert.equal(await shown(), text(Number(share.mean[0])));
  await page.getByRole('button', { name: 'logit diff' }).click();
  assert.equal(await shown(), text(Number(logits.mean[0])));
  assert.match((await page.locator('.scale-name').textContent()) ?? '', /logit difference/);
  await page.locator('.choice select').selectOption({ index: 4 });
  assert.equal(await shown(), text(Number(logits.prompts[3][0])));
  assert.match((await page.locator('.panel-head').first().innerText()), /when\u00b7they\u00b73/);

  const fill = await first.getAttribute('fill');
  const next = structuredClone(part);
  for (const values of next.panels[0].values) values.prompts[3][0] = -50;
  assert.equal(await page.evaluate((given) => /** @type {any} */ (window).update(given), next), true);
  assert.equal(await shown(), '\u221250.0000', 'new numbers in the same view');
  assert.notEqual(await first.getAttribute('fill'), fill);
  assert.equal(await page.evaluate((given) => /** @type {any} */ (window).update(given), { ...next, title: 'Another' }), false, 'another figure is drawn anew');
  await draw(page, [part]);
  assert.equal(await page.locator('[aria-label="Measure"] [aria-pressed="true"]').innerText(), 'logit diff');

  await page.getByRole('button', { name: 'normalized' }).click();
  await page.locator('.choice select').selectOption({ index: 0 });
  const ends = () => page.locator('.colour-bar').getAttribute('aria-label');
  assert.match((await ends()) ?? '', /\u22121\.00* to 1\.00*$/);
  await page.getByRole('button', { name: 'fit' }).click();
  assert.doesNotMatch((await ends()) ?? '', /\u22121\.00* to 1\.00*$/);
  assertClean(watched);
});

test('numbers that are not computed yet are hatched, and nothing moves when they arrive', async (t) => {
  const { page, watched } = await emptyPage(t);
  await draw(page, [samples.headGrid(12, samples.GROUPS.slice(0, 1), { notComputed: 30 })]);
  await page.waitForFunction(() => document.querySelectorAll('.heat [aria-label$="not computed yet"]').length === 30);
  assert.equal(await page.locator('.heat [fill="transparent"]').count(), 30);
  const size = await page.locator('figure').boundingBox();
  assert.equal(await page.evaluate((given) => /** @type {any} */ (window).update(given), samples.headGrid(12, samples.GROUPS.slice(0, 1))), true);
  assert.equal(await page.locator('.heat [fill="transparent"]').count(), 0);
  assert.deepEqual(await page.locator('figure').boundingBox(), size);
  assertClean(watched);
});

test('lines: the pointer finds the peak, the keyboard walks, a click opens the neuron', async (t) => {
  const { page, watched } = await emptyPage(t);
  await page.evaluate(`
    const part = samples.neuronGrid(samples.GROUPS.slice(0, 1));
    part.site = null;
    part.panels[0].values[0].mean[8 * 3072 + 1744] = 3;
    draw([part]);
  `);
  const chart = page.locator('.lines');
  // The label is to the right of its peak.
  const box = await chart.locator('text', { hasText: 'L8N1744' }).boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x - 4, box.y + box.height / 2 + 8);
  assert.deepEqual((await tip(page)).slice(0, 2), ['L8N1744', 'share of the effect: 3']);
  await page.mouse.click(box.x - 4, box.y + box.height / 2 + 8);
  assert.deepEqual(await calls(page), [['neuron', { layer: 8, neuron: 1744, group: 0 }]]);

  await chart.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowRight');
  assert.match((await chart.getAttribute('aria-valuetext')) ?? '', /^L7N1: /);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Home');
  await page.keyboard.press('PageDown');
  assert.equal(await chart.getAttribute('aria-valuetext'), 'L8N1744: +3.0000', 'the page key goes to the peak');
  await page.keyboard.press('Enter');
  assert.deepEqual(await calls(page), [['neuron', { layer: 8, neuron: 1744, group: 0 }]]);
  assertClean(watched);
});

test('groups of one line each share a chart with a legend and bands', async (t) => {
  const { page, watched } = await emptyPage(t);
  await draw(page, [samples.lensGrid(samples.GROUPS)]);
  assert.equal(await page.locator('.lines').count(), 1);
  assert.deepEqual(await page.locator('.legend li').allInnerTexts(), samples.GROUPS);
  assert.equal(await page.locator('.lines path[fill-opacity]').count(), 8);
  assert.match((await page.locator('.lines').textContent()) ?? '', /final_post/);
  assertClean(watched);
});

test('pictures of groups of which none can be run are empty', async (t) => {
  const { page, watched } = await emptyPage(t);
  await draw(page, [samples.headGrid(12, []), samples.residualGrid([]), samples.neuronGrid([]), samples.lensGrid([]), samples.layersLine([]), samples.scatter([])]);
  await page.waitForFunction(() => document.querySelectorAll('.part').length === 6);
  assert.equal(await page.locator('.panel').count(), 0);
  assertClean(watched);
});

test('a point in one picture is marked in the others', async (t) => {
  const { page, watched } = await emptyPage(t);
  await draw(page, [samples.scatter(samples.GROUPS.slice(0, 2)), samples.headGrid(12, samples.GROUPS.slice(0, 1)), samples.attention(3), samples.lensGrid(samples.GROUPS.slice(0, 2)), samples.textLens()]);
  const point = page.locator('.scatter').first().getByRole('option', { name: /^L7H11: patching v / });
  assert.equal(await page.locator('.scatter').first().getByRole('option').count(), 144);
  await page.locator('.scatter [tabindex="0"]').first().focus();
  await page.keyboard.press('End');
  assert.match(await focused(page), /^L11H11: /);
  assert.deepEqual((await tip(page))[0].split(/ {2,}/), ['L11H11', "'re they"]);
  for (let up = 0; up < 4; up += 1) await page.keyboard.press('ArrowUp');
  assert.match(await focused(page), /^L7H11: /);
  assert.equal(await page.locator('.head-button.is-marked').innerText().then((text) => text.split('\n')[0]), 'L7H11');
  assert.equal(await page.locator('.heat [data-screen] rect[stroke="#b98900"]').count(), 1);
  await page.keyboard.press('Enter');
  await point.evaluate((circle) => /** @type {any} */ (circle).blur());
  assert.deepEqual(await calls(page), [['head', { layer: 7, head: 11, group: 0 }]]);
  assert.equal(await page.locator('.is-marked').count(), 0);

  await page.locator('.lens td[role="gridcell"]').nth(8 * 15 + 3).hover();
  assert.deepEqual(await page.locator('.lens th.is-marked').allInnerTexts(), ['helping\n3'.replace('helping', ' helping'), '7_mid']);
  assert.equal(await page.locator('.lines [data-screen] path[stroke-dasharray]').count(), 1, 'the same point of the residual stream');
  assertClean(watched);
});

test('attention: tokens are coloured by what one of them attends to', async (t) => {
  const { page, watched } = await emptyPage(t);
  const part = samples.attention(6);
  assert.equal(part.kind, 'attention');
  await draw(page, [part]);
  const rows = part.prompts[0].heads[0].rows;
  const numbers = () => page.locator('.attended-number').allTextContents();
  assert.equal(await page.locator('.head-button').count(), 6);
  assert.deepEqual(await numbers(), rows[7].map((value) => value.toFixed(3)), 'the last token, where the next is decided');
  await page.locator('.attended').nth(4).hover();
  assert.deepEqual(await numbers(), [...rows[4].map((value) => value.toFixed(3)), '', '', '']);
  await page.locator('.attended').nth(5).click();
  await page.mouse.move(0, 0);
  assert.deepEqual((await numbers()).slice(0, 6), rows[5].map((value) => value.toFixed(3)), 'a click holds');
  await page.locator('.attended[tabindex="0"]').focus();
  await page.keyboard.press('ArrowLeft');
  assert.deepEqual((await numbers()).slice(0, 5), rows[4].map((value) => value.toFixed(3)), 'the keyboard looks, too');

  await page.getByRole('button', { name: 'who attends to it' }).click();
  await page.locator('.attended').nth(2).hover();
  assert.deepEqual(await numbers(), rows.map((row, destination) => (destination >= 2 ? row[2].toFixed(3) : '')));
  await page.locator('.head-button').nth(3).click();
  const head = part.prompts[0].heads[3];
  assert.deepEqual(await calls(page), [['head', { layer: head.layer, head: head.head, group: 0 }]]);
  assert.match(await page.locator('.head-place .panel-name').innerText(), new RegExp(`^${head.name}`));
  await page.locator('.choice select').selectOption({ index: 1 });
  assert.match(await page.locator('.head-place .panel-name').innerText(), /'re she/);
  assertClean(watched);
});

test('lens cells list their tokens, valued tokens their numbers, checks their outcome', async (t) => {
  const { page, watched } = await emptyPage(t);
  const lens = samples.textLens();
  const values = samples.tokenValues();
  assert.ok(lens.kind === 'text-lens' && values.kind === 'token-values');
  await draw(page, [lens, values, samples.checksTable(), samples.dots()]);
  assert.equal(await page.locator('.lens td[role="gridcell"]').count(), 25 * 8);
  await page.locator('.lens td[role="gridcell"]').nth(9).hover();
  const lines = await tip(page);
  assert.equal(lines.length, 1 + lens.cells[1][1].length);
  assert.match(lines[0], /^0_mid, after We \(position 1\)$/);
  assert.match(lines[1], /% +logit \d+\.\d{4}$/);

  const token = page.locator('.valued').nth(2);
  // Scroll first, because scrolling hides the tooltip.
  await token.scrollIntoViewIfNeeded();
  await token.hover();
  assert.deepEqual(await tip(page), ['" helping"   id 2, position 2', `activation: ${digits(values.rows[0].values[2])}`]);
  assert.match(await page.locator('.valued-range').first().innerText(), /max .*min /s);

  assert.deepEqual(await page.locator('tr[data-mark]').evaluateAll((rows) => rows.map((row) => /** @type {HTMLElement} */ (row).dataset.mark)), ['passed', 'passed', 'failed']);
  assert.match(await page.locator('tr[data-mark="passed"]').nth(1).innerText(), /3\.1e\u22126/);
  assert.equal(await page.locator('.dots-whisker').count(), 4);
  assertClean(watched);
});

// Colours depend on the theme, sizes on the width.
for (const [colorScheme, width] of /** @type {const} */ ([['light', 1280], ['dark', 390]])) {
  test(`no serious barrier in any picture, none wider than the page: ${colorScheme}, ${width} pixels wide`, async (t) => {
    const { page, watched } = await emptyPage(t, { colorScheme, viewport: { width, height: 844 } });
    await draw(page, [
      samples.headGrid(12, samples.GROUPS.slice(0, 2), { difference: true, notComputed: 5 }), samples.residualGrid(samples.GROUPS.slice(0, 2)), samples.headPositionGrid(samples.GROUPS.slice(0, 1)),
      samples.neuronGrid(samples.GROUPS.slice(0, 2)), samples.lensGrid(samples.GROUPS), samples.layersLine(samples.GROUPS.slice(0, 2)), samples.scatter(samples.GROUPS.slice(0, 2)),
      samples.attention(6), samples.attention(3, 'score'), samples.textLens(), samples.tokenValues(), samples.checksTable(), samples.dots(),
    ]);
    await page.waitForFunction(() => [...document.querySelectorAll('.heat [role="gridcell"]')].every((cell) => cell.hasAttribute('aria-label')));
    assert.deepEqual(await violations(page, '#sections'), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels wider than the window`);
    await page.locator('.save').first().click();
    assert.deepEqual(await violations(page, '.save-place'), [], 'with the menu');
    assertClean(watched);
  });
}
