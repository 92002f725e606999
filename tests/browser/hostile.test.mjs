// Malicious links and documents: each ends up as inert text or as an error message, and the page keeps working. Files of models are
// in hostile-files.test.mjs.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { judgeLink } from '../fuzz/link-judge.mjs';
import { assertClean, dotsOf, fieldId, freshBrowser, nameOf, openGroup, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { chosenFiles, demoFile, dist, linkTo, onePair } from './harness/inputs.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';
import { ATTRIBUTE, CONTROLS, HALF, IMAGE, SCRIPT, assertInert, assertWorks, strangersPage } from './harness/strangers.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { Experiment } from '../../www/types/engine.js' */

/** @param {unknown} document */
const linked = (document) => `#e=${deflateRawSync(JSON.stringify(document)).toString('base64url')}`;

/** @param {Page} page @param {RegExp} said */
async function toastSays(page, said) {
  await page.waitForFunction((pattern) => new RegExp(pattern).test(document.getElementById('toast')?.textContent ?? ''), said.source, { timeout: 30_000 }).catch(async () => {
    assert.fail(`the page says ${await page.locator('#toast').textContent()}, not ${said}`);
  });
}

test('every link that is kept for fuzzing is read or refused', async () => {
  const folder = new URL('../fuzz/corpus/link/', import.meta.url);
  for (const name of readdirSync(folder)) await judgeLink(readFileSync(new URL(name, folder), 'utf8').trim());
});

/** A quarter of a megabyte that inflates to a quarter of a gigabyte of spaces, which JSON allows anywhere. */
const bomb = `#e=${deflateRawSync(Buffer.alloc(2 ** 28, ' '), { level: 9 }).toString('base64url')}`;

/** @type {[string, string, RegExp][]} */
const unreadable = [
  ['no base64', '#e=%F0%9F%92%A3', /incomplete or was changed/],
  ['not deflated', '#e=AAAAAAAA', /incomplete or was changed/],
  ['cut', linkTo(onePair).slice(0, 60), /incomplete or was changed/],
  ['no JSON', `#e=${deflateRawSync('<html>').toString('base64url')}`, /incomplete or was changed/],
  ['nested without end', `#e=${deflateRawSync('['.repeat(2_000_000)).toString('base64url')}`, /incomplete or was changed/],
  ['no experiment', linked({ experiment: { groups: 'all' } }), /no list "groups"/],
  ['a field named in markup', linked({ experiment: { groups: [], [IMAGE]: 1 } }), /unknown field "<img src=x/],
  ['a bomb', bomb, /holds more than any/],
  ['thousands of groups', linked({ experiment: { groups: Array.from({ length: 20_000 }, () => ({ name: '', pairs: [] })) } }), /more than 1000 groups and prompt pairs/],
  ['a very long one', `#e=${'A'.repeat(1_100_000)}`, /longer than any/],
];

test('links that cannot be read are told, and the page starts or stays without them', async (t) => {
  const { page, watched, load } = await strangersPage(t);
  for (const [name, fragment, said] of unreadable) {
    const start = performance.now();
    await load(fragment);
    await toastSays(page, said);
    t.diagnostic(`${name}: ${(performance.now() - start).toFixed(0)} ms`);
    await assertInert(page);
  }
  // Now with a page that is open, whose fragment changes.
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  for (const [, fragment, said] of unreadable) {
    await page.evaluate(() => document.getElementById('toast')?.replaceChildren());
    await page.evaluate((hash) => { location.hash = hash; }, fragment);
    await toastSays(page, said);
  }
  assert.deepEqual(await dotsOf(page), before);
  await assertWorks(page);
  assertClean(watched);
});

/** An experiment in which every text is markup, or worse. @type {Experiment} */
const marked = {
  groups: [
    { name: IMAGE, symmetric: true, pairs: [{ clean: `${IMAGE} they`, corrupted: `${IMAGE} them`, answer: ' are', distractor: ' is' }] },
    { name: SCRIPT + CONTROLS, symmetric: false, pairs: [{ clean: SCRIPT, corrupted: SCRIPT, answer: IMAGE, distractor: ATTRIBUTE }] },
    { name: ATTRIBUTE, symmetric: true, pairs: [{ clean: CONTROLS, corrupted: CONTROLS, answer: '\u202e', distractor: '\u0000' }] },
    { name: '__proto__', symmetric: true, pairs: [] },
  ],
  prepend_bos: true,
};

/** Asserts that the experiment's texts are shown as typed. @param {Page} page */
async function assertShownAsTyped(page) {
  await whenFresh(page, 'logit-diff');
  await whenFresh(page, 'test-prompt');
  for (const [group, { pairs }] of marked.groups.entries()) {
    await openGroup(page, group);
    if (pairs.length === 0) continue;
    assert.equal(await page.inputValue(fieldId(group, 0, 'clean')), pairs[0].clean);
    assert.equal(await page.inputValue(fieldId(group, 0, 'answer')), pairs[0].answer);
  }
  assert.ok((await page.locator('#logit-diff').innerText()).includes('<img src=x onerror='), 'the name is in the figure');
  for (const figure of ['logit-lens', 'head-attribution', 'attention']) {
    await page.locator(`#${figure}`).scrollIntoViewIfNeeded();
    await whenFresh(page, figure);
  }
  await assertInert(page);
}

test('markup in a link is text', async (t) => {
  const { page, watched, load } = await strangersPage(t);
  await load(linked({
    experiment: { ...marked, groups: [...marked.groups, { ...onePair.groups[0], name: HALF }] },
    test: { prompt: `${SCRIPT}${IMAGE} they`, answer: ATTRIBUTE },
    study: {
      shown: [0, 1, 2, 1e9], direction: 'denoise', measure: IMAGE, section: ATTRIBUTE, compared: [1e308, 0],
      settings: { 'layer-attribution': { [IMAGE]: IMAGE }, [SCRIPT]: { top_k: SCRIPT } },
      pins: [{ kind: 'head', group: 1e15, layer: 1e300, head: 7 }], open: { kind: 'patch', group: 2, layer: 0, site: IMAGE },
    },
  }));
  // An answer of many tokens is reported at its field, with its tokens.
  await page.locator('#test-answer-error').waitFor({ state: 'visible' });
  assert.match(await page.locator('#test-answer-error').innerText(), /one token; this is \d+: "\\"'" "><" "b"/);
  await page.fill('#test-answer', ' are');
  await assertShownAsTyped(page);
  // An unknown setting affects only its own figure.
  await page.locator('#layer-attribution').scrollIntoViewIfNeeded();
  await page.waitForSelector('#layer-attribution:is([data-state="failed"], [data-state="fresh"])');
  await assertWorks(page);
  assertClean(watched);
});

test('a book in every field of a link is told at the fields', async (t) => {
  const { page, watched, load } = await strangersPage(t);
  const book = 'A word and another. '.repeat(8_000);
  await load(linked({ experiment: { groups: [{ name: book, pairs: [{ clean: book, corrupted: book, answer: book, distractor: book }] }] }, test: { prompt: book, answer: book } }));
  for (const [field, said] of /** @type {[string, RegExp][]} */ ([['clean', /has 40002 tokens/], ['corrupted', /has 40002 tokens/], ['answer', /one token; this is 40001: .*\.\.\./], ['distractor', /one token; this is 40001/]])) {
    const message = page.locator(`#problem-0-0-${field}`);
    await message.waitFor({ state: 'visible' });
    assert.match(await message.innerText(), said);
  }
  await page.fill('#test-prompt-text', 'They');
  await page.fill('#test-answer', ' are');
  await assertWorks(page);
  assertClean(watched);
});

test('markup in documents is text', async (t) => {
  const { page, watched, load } = await strangersPage(t);
  await load('');
  await whenFresh(page, 'logit-diff');
  /** @param {string} name @param {string} content */
  const imported = (name, content) => page.setInputFiles('#import-file', chosenFiles({ [name]: content }));

  await imported(`${IMAGE}.json`, JSON.stringify(marked));
  await toastSays(page, /<img src=x onerror=.*was imported/);
  await page.locator('#logit-diff').scrollIntoViewIfNeeded();
  await assertShownAsTyped(page);
  /** @type {[string, RegExp][]} */
  const refused = [
    [`{"groups":[],"${'x'.repeat(5000)}":1}`, /unknown field/],
    [JSON.stringify({ groups: [], [IMAGE]: 1 }), /unknown field "<img/],
    ['['.repeat(1_000_000), /is not an experiment document/],
    [`{"groups":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /group 0/],
    [JSON.stringify({ groups: [{ name: HALF, pairs: [] }] }), /is not an experiment document/],
    ['{"__proto__":{"pwned":1},"groups":[]}', /unknown field "__proto__"/],
    [JSON.stringify({ patchlab: 'study', version: IMAGE }), /version "<img/],
  ];
  for (const [content, said] of refused) {
    await page.evaluate(() => document.getElementById('toast')?.replaceChildren());
    await imported('a.json', content);
    await toastSays(page, said);
  }
  // Of two documents chosen in a row the second stays, however long the first one takes to read.
  await imported('long.json', `{"groups":${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
  await imported('short.json', JSON.stringify(marked));
  await toastSays(page, /short.json was imported/);

  // A study of this experiment, and then the same with markup in every text field.
  await page.click('#export');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('.menu-export [data-format="json"]')]);
  const study = JSON.parse(readFileSync(await download.path(), 'utf8'));
  const kept = new Set(['patchlab', 'analysis', 'kind', 'measure', 'direction', 'site', 'unit', 'id', 'code', 'field', 'mark', 'scale', 'part', 'component']);
  /** @type {(value: any, key: string) => any} */
  const infect = (value, key) => {
    if (typeof value === 'string') return kept.has(key) ? value : `${value}${IMAGE}${SCRIPT}${ATTRIBUTE}\u202e`;
    if (Array.isArray(value)) return value.map((item) => infect(item, key));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, infect(item, name)]));
  };
  study.model = infect(study.model, '');
  study.results = study.results.map((/** @type {any} */ result) => ({ ...result, report: infect(result.report, '') }));
  await imported('study.json', JSON.stringify(study));
  await page.waitForSelector('#loaded-study');
  assert.match(await page.locator('#loaded-study').innerText(), /<img src=x/);
  for (const { analysis } of study.results) await page.locator(`#${analysis}`).scrollIntoViewIfNeeded();
  await page.locator('#logit-diff').scrollIntoViewIfNeeded();
  await whenFresh(page, 'logit-diff');
  assert.match(await page.locator('#logit-diff').innerText(), /<img src=x/);
  await assertInert(page);

  // What is shown can be saved, and the exported report contains no more than the page.
  await page.click('#export');
  const [report] = await Promise.all([page.waitForEvent('download'), page.click('.menu-export [data-format="html"]')]);
  const html = readFileSync(await report.path(), 'utf8');
  assert.doesNotMatch(html, /<script|<img src=x|<b onmouseover/i);
  assert.match(html, /&lt;img src=x/);
  await page.getByRole('button', { name: 'Compute everything here instead' }).click();
  await assertWorks(page);
  assertClean(watched);
});

test('weights of a host that only a link names are fetched when the visitor says so, and are not called GPT-2', async (t) => {
  const site = await serveSite(dist);
  const hub = await serveFiles({ 'config.json': demoFile('config.json'), 'model.safetensors': demoFile('model.safetensors') });
  t.after(site.close);
  t.after(hub.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin], trusted: [] });
  const opening = page.locator('#opening');
  for (const query of [`?model=gpt2&weights=${hub.url}`, `?model=${hub.url}`]) {
    await page.goto(`${site.url}${query}&device=cpu`);
    await page.locator('#opening[data-state="asking"]').waitFor();
    assert.ok((await opening.innerText()).includes(`asks for weights from ${new URL(hub.url).host}`));
    // Neither by a reload nor by the button that says GPT-2 small.
    await page.reload();
    await page.locator('#opening[data-state="asking"]').waitFor();
    if (query.includes('gpt2')) await page.click('[data-model="gpt2"]');
    await page.locator('#refuse-host').click();
    await whenOpen(page);
    assert.match(await page.locator('[data-hook="model-name"]').innerText(), /^demo model/);
    assert.deepEqual(hub.seen, []);
  }
  await page.goto(`${site.url}?model=gpt2&weights=${hub.url}&device=cpu`);
  await page.locator('#trust-host').click();
  await whenFresh(page, 'logit-diff');
  assert.equal(await page.locator('[data-hook="model-name"]').innerText(), nameOf(hub));
  assert.ok(hub.seen.length > 0);
  await page.reload();
  await whenFresh(page, 'logit-diff');
  assertClean(watched);
});
