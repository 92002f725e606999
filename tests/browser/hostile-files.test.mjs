// Tokenizers and checkpoints of strangers: each ends up as text or as an error message, and the page keeps working.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { andThenFresh, assertClean, dotsOf, fieldId, openGroup, topTokens, whenFresh, whenOpen } from './harness/browser.mjs';
import { chosenFiles, demoFile } from './harness/inputs.mjs';
import { IMAGE, SCRIPT, assertInert, assertWorks, strangersPage } from './harness/strangers.mjs';

/** @import { Page } from 'playwright-core' */

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

test('tokenizers of other models and invalid ones are refused or shown as text', async (t) => {
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
