// Prompts of unequal lengths on the page: maps by role, roles made in the editor, and what a figure that leaves a group out offers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { violations } from './harness/axe.mjs';
import { andThenFresh, assertClean, freshBrowser, watchedPage, whenFresh } from './harness/browser.mjs';
import { chosenFiles, dist, linkTo } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */
/** @import { Experiment } from '../../www/types/engine.js' */

const IOI = JSON.parse(readFileSync(new URL('../../crate/engine/data/presets/ioi.json', import.meta.url), 'utf8'));

/** @param {TestContext} t @param {Experiment} experiment */
async function pageWith(t, experiment) {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu${linkTo(experiment)}`);
  await whenFresh(page, 'logit-diff');
  return { page, watched };
}

/** The labels below a map's first panel. @param {Page} page @param {string} figure */
async function columnsOf(page, figure) {
  await page.locator(`#${figure}`).scrollIntoViewIfNeeded();
  await whenFresh(page, figure);
  const texts = await page.locator(`#${figure} svg.heat`).first().locator('text').allTextContents();
  return texts;
}

test('the indirect-object preset, of 13 to 15 tokens, has its maps by role', async (t) => {
  const { page, watched } = await pageWith(t, IOI);
  for (const figure of ['source-attribution', 'residual-patching', 'component-patching']) {
    const texts = await columnsOf(page, figure);
    assert.ok(['IO', 'S1', 'S1+1', 'S2', 'end'].every((role) => texts.includes(role)), `${figure}: ${texts}`);
    assert.equal(await page.locator(`#${figure} .notice-warning`).count(), 0);
  }
  // The cell of a role is another position in each prompt: a click opens nothing that would say otherwise.
  await page.locator('#residual-patching svg.heat [role="gridcell"]').first().click();
  assert.equal(await page.locator('.card').count(), 0);
  await andThenFresh(page, 'attention', () => page.locator('#attention').getByRole('button', { name: 'role', exact: true }).click());
  assert.match((await page.locator('#attention .part-heat').first().textContent()) ?? '', /between roles/);
  assertClean(watched);
});

test('without roles maps are counted from the end; counted from the start the group is left out, with ways out', async (t) => {
  const [group] = IOI.groups;
  const { page, watched } = await pageWith(t, { groups: [{ name: 'uneven', symmetric: true, pairs: group.pairs }], prepend_bos: true });
  assert.ok((await columnsOf(page, 'residual-patching')).includes('last'));
  const figure = page.locator('#residual-patching');
  await andThenFresh(page, 'residual-patching', () => figure.getByRole('button', { name: 'start', exact: true }).click());
  await figure.locator('[data-code="different-lengths"]').waitFor();
  await andThenFresh(page, 'residual-patching', () => figure.getByRole('button', { name: 'From the end' }).click());
  assert.equal(await figure.locator('[data-code="different-lengths"]').count(), 0);
  await andThenFresh(page, 'residual-patching', () => figure.getByRole('button', { name: 'start', exact: true }).click());
  await andThenFresh(page, 'residual-patching', () => figure.getByRole('button', { name: 'Split by length' }).click());
  assert.deepEqual(await page.locator('.group-title').allTextContents(), ['uneven, 13 tokens', 'uneven, 15 tokens']);
  assert.equal(await figure.locator('svg.heat').count(), 2);
  assertClean(watched);
});

test('a role is made in the editor, by a rule or a click, and is a column at once', async (t) => {
  const [group] = IOI.groups;
  const { page, watched } = await pageWith(t, { groups: [{ name: 'uneven', symmetric: false, pairs: group.pairs.slice(1, 3) }], prepend_bos: true });
  await page.locator('[data-hook="roles"]').click();
  const dialog = page.locator('#roles-dialog');
  await dialog.getByLabel('Name of role 1').fill('verb');
  await dialog.getByLabel('Where role 1 is looked for').selectOption('text');
  await dialog.getByLabel('Text of role 1').fill('gave');
  await dialog.getByLabel(/^verb +gave, token 11 of prompt 1$/).waitFor();
  assert.equal(await dialog.locator('.roles-prompt').nth(1).locator('.marked').count(), 0, 'the other prompt has another verb');
  await dialog.getByLabel(/^handed, token .* of prompt 2$/).click();
  await dialog.getByLabel(/^verb +handed, .* of prompt 2$/).waitFor();
  assert.deepEqual(await violations(page, '#roles-dialog'), []);
  await page.locator('#roles-save').click();
  assert.match((await page.locator('[data-hook="roles"]').textContent()) ?? '', /Roles: verb/);
  await page.locator('.column-role', { hasText: 'verb' }).first().waitFor();
  assert.ok((await columnsOf(page, 'residual-patching')).includes('verb'));
  await page.reload();
  await whenFresh(page, 'logit-diff');
  assert.match((await page.locator('[data-hook="roles"]').textContent()) ?? '', /Roles: verb/, 'it is in the link');
  assertClean(watched);
});

test('JSON lines and tables are imported, and what is wrong in one is said with its line', async (t) => {
  const { page, watched } = await pageWith(t, { ...IOI, groups: [{ ...IOI.groups[0], name: 'before' }] });
  const files = {
    'pairs.csv': 'clean,corrupted,answer,distractor,group\n"We\'re here, and they","We are here, and they",\'re, are,\'re they\nShe runs and he,,\'s, is,single\n',
    'pairs.jsonl': '{"clean":"We\'re here, and they","corrupted":"We are here, and they","answer":"\'re","distractor":" are","group":"lines"}\n',
    'bad.csv': 'clean,answer,distractor\nonly one field\n',
  };
  for (const [name, groups] of /** @type {[keyof typeof files, string[]][]} */ ([['pairs.csv', ["'re they", 'single']], ['pairs.jsonl', ['lines']]])) {
    await page.setInputFiles('#import-file', chosenFiles({ [name]: files[name] }));
    await page.waitForFunction((wanted) => JSON.stringify([...document.querySelectorAll('.group-title')].map((title) => title.textContent)) === wanted, JSON.stringify(groups));
  }
  await page.setInputFiles('#import-file', chosenFiles({ 'bad.csv': files['bad.csv'] }));
  await page.locator('.toast', { hasText: 'line 2: the header has 3 fields, and this line has 1' }).waitFor();
  assertClean(watched);
});

test('a pair without a corrupted prompt is run by what needs none', async (t) => {
  const { page, watched } = await pageWith(t, { groups: [{ name: 'single', symmetric: true, pairs: [{ clean: "We're driving uptown and they", corrupted: '', answer: "'re", distractor: ' are' }] }], prepend_bos: true });
  await page.locator('#head-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-attribution');
  await page.locator('#residual-patching').scrollIntoViewIfNeeded();
  await whenFresh(page, 'residual-patching');
  await page.locator('#residual-patching [data-code="no-counterpart"]').waitFor();
  assertClean(watched);
});
