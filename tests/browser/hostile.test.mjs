// Malicious input: links, documents, tokenizers and checkpoints. Each ends up as inert text or as an error message, and the
// page keeps working.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { judgeLink } from '../fuzz/link-judge.mjs';
import { andThenFresh, assertClean, dotsOf, fieldId, freshBrowser, nameOf, openGroup, topTokens, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { chosenFiles, demoFile, dist, linkTo, onePair } from './harness/inputs.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */
/** @import { Experiment } from '../../www/types/engine.js' */

const IMAGE = '<img src=x onerror="window.pwned=1">';
const SCRIPT = '</script><script>window.pwned=1</script>';
const ATTRIBUTE = '"\'><b onmouseover="window.pwned=1" style="position:fixed;inset:0">';
/** Bidirectional overrides, control characters and zero-width characters. */
const CONTROLS = 'a\u202eb\u2066\u0007\u0000\u200b\ufeff\u0301';
/** A lone surrogate: JSON can encode it, but it is not valid text. */
const HALF = '\ud800';
/** Elements that exist only if injected markup was parsed. */
const TRACES = 'img[src="x"], body script:not([src]), [onerror], [onmouseover], [onload], [onclick]';

/** @param {unknown} document */
const linked = (document) => `#e=${deflateRawSync(JSON.stringify(document)).toString('base64url')}`;

/** @param {TestContext} t */
async function strangersPage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { acceptDownloads: true });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  /** Forces a fresh load: changing only the fragment would not reload the page. @param {string} fragment */
  const load = async (fragment) => {
    await page.goto('about:blank');
    await page.goto(`${site.url}?device=cpu${fragment}`);
  };
  return { page, watched, load };
}

/** Asserts that nothing was executed or parsed as markup. @param {Page} page */
async function assertInert(page) {
  assert.equal(await page.evaluate(() => 'pwned' in window), false, 'a script ran');
  assert.deepEqual(await page.locator(TRACES).evaluateAll((found) => found.map((element) => element.outerHTML)), []);
}

/** @param {Page} page @param {RegExp} said */
async function toastSays(page, said) {
  await page.waitForFunction((pattern) => new RegExp(pattern).test(document.getElementById('toast')?.textContent ?? ''), said.source, { timeout: 30_000 }).catch(async () => {
    assert.fail(`the page says ${await page.locator('#toast').textContent()}, not ${said}`);
  });
}

/** Types a prompt and waits for its results. @param {Page} page */
async function assertWorks(page) {
  await openGroup(page, 0);
  for (const [field, text] of [['clean', "They're glad when they"], ['corrupted', 'They are glad when they'], ['answer', "'re"], ['distractor', ' are']]) {
    await page.fill(fieldId(0, 0, field), text);
  }
  await page.waitForFunction(() => document.querySelector('.dots-row .dot') !== null);
  await whenFresh(page, 'logit-diff');
  assert.ok((await dotsOf(page))[0].values.every(Number.isFinite));
  await assertInert(page);
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
    ['['.repeat(1_000_000), /is not JSON/],
    [`{"groups":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /group 0/],
    [JSON.stringify({ groups: [{ name: HALF, pairs: [] }] }), /is not an experiment document/],
    ['{"__proto__":{"pwned":1},"groups":[]}', /unknown field "__proto__"/],
    [JSON.stringify({ patchlab: 'study', version: IMAGE }), /version "<img/],
  ];
  for (const [content, said] of refused) {
    await imported('a.json', content);
    await toastSays(page, said);
  }

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

const config = readFileSync(demoFile('config.json'), 'utf8');
const weights = readFileSync(demoFile('model.safetensors'));

/** A word-level tokenizer.json, filled up with tokens from `filler`. @param {number} count @param {(id: number) => string} filler */
function wordTokenizer(count, filler) {
  const words = ['<|endoftext|>', 'They', 'We', 'are', 'is', 'here', '<img/src=x/onerror=window.pwned=1>', '[UNK]'];
  const vocab = Object.fromEntries(Array.from({ length: count }, (_, id) => [words[id] ?? filler(id), id]));
  return {
    version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: { type: 'WhitespaceSplit' }, post_processor: null, decoder: null,
    model: { type: 'WordLevel', vocab, unk_token: '[UNK]' },
  };
}

/** @param {Page} page @param {Record<string, Buffer | string>} files */
const choose = (page, files) => page.setInputFiles('#model-files', chosenFiles(files));

/** Chooses files and expects them to be rejected. @param {Page} page @param {string} name @param {Record<string, Buffer | string>} files @param {RegExp} said */
async function assertRefused(page, name, files, said) {
  await choose(page, files);
  await page.waitForFunction((pattern) => {
    const failed = /** @type {HTMLElement | null} */ (document.querySelector('#opening[data-state="failed"] .failure'));
    return failed !== null && new RegExp(pattern).test(failed.innerText);
  }, said.source, { timeout: 30_000 }).catch(async () => {
    assert.fail(`${name}: the page says ${await page.locator('#opening').innerText()}`);
  });
  const told = await page.locator('.failure').innerText();
  assert.ok(told.length < 1200, `${name}: ${told.length} characters`);
  assert.doesNotMatch(told, /engine stopped/i, name);
}

test('tokenizers of other models, and made-up ones, are refused or shown as text', async (t) => {
  const { page, watched, load } = await strangersPage(t);
  await load('');
  await whenFresh(page, 'logit-diff');
  const word = wordTokenizer(100, (id) => `w${id}`);
  const bytePair = { ...word, pre_tokenizer: null, model: { type: 'BPE', vocab: { '<|endoftext|>': 0, a: 1, b: 2 }, merges: [['a', '<|endoftext|>']] } };
  /** @type {[string, string | Buffer, RegExp][]} */
  const refused = [
    ['garbage', Buffer.from([0xff, 0xfe, 0]), /tokenizer\.json cannot be read/],
    ['no JSON', '{"model":', /tokenizer cannot be read/],
    ['a list', '[]', /tokenizer cannot be read/],
    ['without end', '['.repeat(1_000_000), /tokenizer cannot be read/],
    ['a larger vocabulary', JSON.stringify(wordTokenizer(50_300, (id) => `w${id}`)), /vocab_size is 50257, but the tokenizer has 50300/],
    ['few tokens, large numbers', JSON.stringify({ ...word, model: { ...word.model, vocab: { ...word.model.vocab, far: 60_000 } } }), /vocab_size is 50257, but the tokenizer has 60001/],
    ['numbers beyond all', JSON.stringify({ ...word, model: { ...word.model, vocab: { ...word.model.vocab, [IMAGE]: 2 ** 32 - 1 } } }), /<img src=x onerror.*4294967295/],
    ['merges without their token', JSON.stringify(bytePair), /merges `a` and/],
    ['pieces of words', JSON.stringify({ ...word, model: { ...word.model, type: 'WordPiece' } }), /WordPiece/],
    ['no model', JSON.stringify({ ...word, model: null }), /vocab/],
    ['a part named in markup', JSON.stringify({ ...word, pre_tokenizer: { type: IMAGE.repeat(200) } }), /pre_tokenizer is of type `<img src=x/],
    ['no end of text', JSON.stringify({ ...word, model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } }), /no token <\|endoftext\|>/],
  ];
  for (const [name, content, said] of refused) {
    await assertRefused(page, name, { 'config.json': config, 'model.safetensors': weights, 'tokenizer.json': content }, said);
  }
  await assertRefused(page, 'other files', { 'config.json': config, 'model.safetensors': weights, 'vocab.json': '{"a":0,"b":1}', 'merges.txt': 'a b\n' }, /merges `a` and `b`/);
  await assertInert(page);

  // A vocabulary of markup: every predicted token is markup.
  await choose(page, { 'config.json': config, 'model.safetensors': weights, 'tokenizer.json': JSON.stringify(wordTokenizer(50_257, (id) => `${IMAGE}${SCRIPT}\u202e${id}`)) });
  await whenOpen(page);
  await page.fill('#test-prompt-text', 'They are <img/src=x/onerror=window.pwned=1> here');
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-answer', 'is'));
  const top = await topTokens(page);
  assert.ok(top.some(({ text }) => text.includes(IMAGE)), top.map(({ text }) => text).join('\n'));
  await openGroup(page, 0);
  for (const [field, text] of [['clean', 'They <img/src=x/onerror=window.pwned=1> here'], ['corrupted', 'We <img/src=x/onerror=window.pwned=1> here'], ['answer', 'are'], ['distractor', 'is']]) {
    await page.fill(fieldId(0, 0, field), text);
  }
  for (const figure of ['logit-diff', 'logit-lens', 'attention']) {
    await page.locator(`#${figure}`).scrollIntoViewIfNeeded();
    await whenFresh(page, figure);
  }
  await assertInert(page);

  // Words that this tokenizer drops: a prompt without tokens cannot be run.
  const silent = { ...word, model: { type: 'BPE', vocab: { '<|endoftext|>': 0, a: 1 }, merges: [] }, pre_tokenizer: null };
  await choose(page, { 'config.json': config, 'model.safetensors': weights, 'tokenizer.json': JSON.stringify(silent) });
  await page.waitForFunction(() => (document.querySelector('#opening[data-state="open"]')?.textContent ?? '').length > 0);
  await page.locator('#prepend-bos').setChecked(false);
  await page.locator('#problem-0-0-clean[data-problem="empty-prompt"]').waitFor({ state: 'visible' });
  assert.match(await page.locator('#problem-0-0-clean').innerText(), /no tokens at all/);

  await page.locator('#prepend-bos').setChecked(true);
  await page.click('[data-model="demo"]');
  await whenOpen(page);
  await assertWorks(page);
  assertClean(watched);
});

/** A safetensors file with this header. @param {unknown} header @param {{ length?: bigint, data?: number }} [options] the header length that it claims, and the number of data bytes */
function safetensors(header, { length, data = 0 } = {}) {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([head, text, Buffer.alloc(data)]);
}

/** The demo checkpoint's header with changed tensors. @param {(tensors: Record<string, any>) => void} change */
function changed(change) {
  const length = Number(weights.readBigUInt64LE(0));
  const tensors = JSON.parse(weights.toString('utf8', 8, 8 + length));
  change(tensors);
  return Buffer.concat([safetensors(tensors), weights.subarray(8 + length)]);
}

test('checkpoints whose header lies are refused in words', async (t) => {
  const { page, watched, load } = await strangersPage(t);
  await load('');
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  const wte = (/** @type {Record<string, any>} */ tensors) => tensors['wte.weight'] ?? tensors['transformer.wte.weight'];
  /** @type {[string, Buffer, RegExp][]} */
  const lies = [
    ['no length', Buffer.from([1, 2, 3]), /shorter than a header's length/],
    ['a length without end', safetensors('{}', { length: 2n ** 64n - 1n }), /header of 18446744073709551615 bytes/],
    ['a length beyond the file', safetensors('{}', { length: 1000n }), /ends before byte 1008/],
    ['a length as safetensors allows it', safetensors('{}', { length: 100_000_000n }), /header of 100000000 bytes/],
    ['no header', safetensors(''), /not a safetensors file/],
    ['nested without end', safetensors('['.repeat(100_000)), /not a safetensors file/],
    ['markup', safetensors({ [IMAGE]: { dtype: SCRIPT.repeat(100), shape: [], data_offsets: [0, 4] } }), /not a safetensors file.*<\/script>/],
    ['tensors of nowhere', changed((tensors) => { wte(tensors).data_offsets = [2 ** 52, 2 ** 52 + 8]; }), /not a safetensors file/],
    ['tensors over each other', changed((tensors) => { wte(tensors).data_offsets[0] -= 64; }), /not a safetensors file/],
    ['sizes beyond counting', changed((tensors) => { wte(tensors).shape = [2 ** 40, 2 ** 40]; }), /not a safetensors file/],
    ['another shape', changed((tensors) => { wte(tensors).shape.reverse(); }), /has shape \[64, 50257\]/],
    ['integers', changed((tensors) => { wte(tensors).dtype = 'I16'; }), /is stored as I16/],
    ['nothing of use', safetensors({ '': { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, { data: 4 }), /no tensor/],
    ['more than there is', safetensors({ 'wte.weight': { dtype: 'F32', shape: [50257, 64], data_offsets: [0, 50257 * 256] } }, { data: 100 }), /ends before byte/],
  ];
  for (const [name, file, said] of lies) await assertRefused(page, name, { 'config.json': config, 'model.safetensors': file }, said);

  const sized = (/** @type {Record<string, unknown>} */ sizes) => JSON.stringify({ ...JSON.parse(config), ...sizes });
  /** @type {[string, string, RegExp][]} */
  const configs = [
    ['no layers', sized({ n_layer: 0 }), /n_layer is 0/],
    ['layers without end', sized({ n_layer: 2 ** 40 }), /config\.json: /],
    ['half a width', sized({ n_embd: 64.5 }), /config\.json: /],
    ['heads that do not fit', sized({ n_head: 7 }), /not a multiple/],
    ['another model, in markup', sized({ model_type: IMAGE.repeat(500) }), /model_type is `<img src=x/],
    ['a field in markup', `{"n_layer":"${SCRIPT.repeat(500)}"}`, /config\.json: /],
    ['nested without end', '['.repeat(1_000_000), /config\.json: /],
    ['the largest that is taken', sized({ n_layer: 256, n_embd: 65536, n_head: 1, n_inner: 262144, vocab_size: 2 ** 20, n_positions: 2 ** 20 }), /has shape .* but config\.json calls for/],
  ];
  for (const [name, content, said] of configs) await assertRefused(page, name, { 'config.json': content, 'model.safetensors': weights }, said);

  await assertInert(page);
  assert.deepEqual((await dotsOf(page)).slice(1), before.slice(1));
  await assertWorks(page);
  assertClean(watched);
});
