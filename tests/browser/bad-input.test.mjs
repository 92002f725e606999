// Bad input: each kind gets its message in the right place, and the page keeps working.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  andThenFresh, assertClean, dotsOf, fieldId, freshBrowser, openGroup, watchedPage, whenFresh, whenOpen,
} from './harness/browser.mjs';
import { chosenFiles, demoFile, dist } from './harness/inputs.mjs';
import { deadAddress, serveFiles, serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */

const config = readFileSync(demoFile('config.json'), 'utf8');
const weights = readFileSync(demoFile('model.safetensors'));

/** @param {TestContext} t @param {{ hosts?: string[], expected?: RegExp[], query?: string, replace?: Record<string, string> }} [options] */
async function demoPage(t, { hosts = [], expected = [], query = '?device=cpu', replace } = {}) {
  const site = await serveSite(dist, { replace });
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, ...hosts], expected });
  await page.goto(site.url + query);
  return { page, watched };
}

/** Waits for a message at a field of the editor. @param {Page} page @param {string} place @param {string} code */
async function messageAt(page, place, code) {
  const message = page.locator(`#problem-${place}[data-problem="${code}"]`);
  await message.waitFor({ state: 'visible' });
  return message.innerText();
}

test('each fault of an experiment stands at its field, and the other groups keep their numbers', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  for (const [field, text, place, code, said] of /** @type {[string, string, string, string, RegExp][]} */ ([
    ['corrupted', 'We are helping our dear friend when they', '0-0-corrupted', 'unequal-lengths', /\b8\b.*\b9\b/],
    ['answer', ' contractions of', '0-0-answer', 'many-tokens', /one token/],
    ['answer', '', '0-0-answer', 'empty-answer', /token/],
    ['distractor', "'re", '0-0-distractor', 'same-answers', /same token/],
    ['clean', '', '0-0-clean', 'empty-prompt', /empty/],
    ['clean', 'word '.repeat(2000), '0-0-clean', 'too-long', /at most \d+/],
  ])) {
    const input = page.locator(fieldId(0, 0, field));
    const good = await input.inputValue();
    await andThenFresh(page, 'logit-diff', () => input.fill(text));
    assert.match(await messageAt(page, place, code), said);
    assert.equal(await page.getAttribute(`#field-${place}`, 'aria-invalid'), 'true');
    const found = await dotsOf(page);
    assert.deepEqual(found.slice(1), before.slice(1), `${code}: the other groups`);
    if (code === 'unequal-lengths') {
      // Each of its prompts can be run alone.
      assert.equal(found[0].values.length, before[0].values.length);
    } else {
      assert.equal(found[0].values.length, before[0].values.length - 2, `${code}: the pair is left out`);
      assert.match(await page.locator('#logit-diff .figure-left-out').innerText(), /'re they, pair 0/);
    }
    await andThenFresh(page, 'logit-diff', () => input.fill(good));
    await page.locator(`#problem-${place}`).waitFor({ state: 'hidden' });
    assert.deepEqual(await dotsOf(page), before);
  }
  assertClean(watched);
});

test('faults of the tested prompt stand at its fields', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'test-prompt');
  for (const [field, text, said] of /** @type {['prompt' | 'answer', string, RegExp][]} */ ([
    ['answer', ' contractions of', /one token/],
    ['prompt', '', /empty/],
    ['prompt', 'word '.repeat(2000), /at most \d+/],
  ])) {
    const input = page.locator(field === 'prompt' ? '#test-prompt-text' : '#test-answer');
    const good = await input.inputValue();
    await input.fill(text);
    const message = page.locator(`#test-${field}-error`);
    await message.waitFor({ state: 'visible' });
    assert.match(await message.innerText(), said);
    assert.equal(await input.getAttribute('aria-invalid'), 'true');
    await andThenFresh(page, 'test-prompt', () => input.fill(good));
    await message.waitFor({ state: 'hidden' });
  }
  assertClean(watched);
});

test('an unreachable address is told at the model, and what was open goes on working', async (t) => {
  const dead = await deadAddress();
  const { page, watched } = await demoPage(t, { hosts: [new URL(dead).origin], expected: [/ERR_CONNECTION_REFUSED/], query: `?device=cpu&weights=${dead}` });
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  await page.click('[data-model="gpt2"]');
  await page.waitForSelector('#opening[data-state="failed"]');
  assert.match(await page.locator('.failure').innerText(), /cannot be read[\s\S]*cannot be reached/);
  assert.match(await page.locator('.failure').innerText(), /Still open: demo model/);
  assert.equal(await page.getAttribute('[data-model="demo"]', 'aria-pressed'), 'true');

  await andThenFresh(page, 'logit-diff', () => page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they"));
  assert.deepEqual((await dotsOf(page)).slice(1), before.slice(1));
  await page.click('#retry-opening');
  await page.waitForSelector('#opening[data-state="failed"]');
  await page.click('[data-model="demo"]');
  await whenOpen(page);
  assertClean(watched);
});

test('an address without a model, and one that is none', async (t) => {
  const server = await serveFiles({});
  t.after(server.close);
  const { page, watched } = await demoPage(t, { hosts: [server.origin], expected: [/404/], query: `?device=cpu&model=${server.url}` });
  await page.waitForSelector('#opening[data-state="failed"]');
  assert.match(await page.locator('.failure').innerText(), /no such file/);
  assert.match(await page.locator('.failure').innerText(), /No model is open/);
  await page.click('[data-model="address"]');
  await page.fill('#own-address', 'ftp://example.org/');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /not an http or https address/.test(document.querySelector('.failure')?.textContent ?? ''));
  await page.click('[data-model="demo"]');
  await whenFresh(page, 'logit-diff');
  assertClean(watched);
});

test('damaged and foreign checkpoints from disk are refused in words', async (t) => {
  const { page, watched } = await demoPage(t);
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  const wider = JSON.stringify({ ...JSON.parse(config), n_embd: 2 * JSON.parse(config).n_embd });
  const llama = JSON.stringify({ ...JSON.parse(config), model_type: 'llama' });
  /** @type {[string, Record<string, Buffer | string>, RegExp][]} */
  const cases = [
    ['truncated', { 'config.json': config, 'model.safetensors': weights.subarray(0, weights.length / 2) }, /model\.safetensors: .*ends/],
    ['foreign', { 'config.json': config, 'model.safetensors': Buffer.from('PK\x03\x04 a zip file, as PyTorch writes them') }, /not a safetensors file/],
    ['sizes that do not fit', { 'config.json': wider, 'model.safetensors': weights }, /has shape .* but config\.json calls for/],
    ['another architecture', { 'config.json': llama, 'model.safetensors': weights }, /config\.json: .*llama/],
    ['no JSON', { 'config.json': '{', 'model.safetensors': weights }, /config\.json: /],
    ['no weights', { 'config.json': config }, /model\.safetensors cannot be read/],
    ['no config', { 'model.safetensors': weights }, /config\.json cannot be read/],
  ];
  for (const [name, files, said] of cases) {
    await page.setInputFiles('#model-files', chosenFiles(files));
    await page.waitForFunction((pattern) => {
      const failed = /** @type {HTMLElement | null} */ (document.querySelector('#opening[data-state="failed"] .failure'));
      return failed !== null && new RegExp(pattern).test(failed.innerText);
    }, said.source, { timeout: 30_000 }).catch(async () => {
      assert.fail(`${name}: the page says ${await page.locator('#opening').innerText()}`);
    });
    assert.match(await page.locator('.failure').innerText(), /Still open: demo model/, name);
  }
  await andThenFresh(page, 'logit-diff', () => page.getByRole('button', { name: 'Remove pair 3' }).click());
  assert.deepEqual((await dotsOf(page)).slice(1), before.slice(1));
  assertClean(watched);
});

/** An engine that panics on request of the prompt, as wasm-bindgen modules do: a console message, then no response. */
const PANICKING = `
export default async function init() {}
export function catalogue() { return [{ name: 'test-prompt', title: '', description: '', settings: [] }]; }
export function presets() { return [{ name: 'One', note: '', experiment: { groups: [{ name: 'a', pairs: [{ clean: 'a', corrupted: 'b', answer: 'c', distractor: 'd' }] }] } }]; }
export class Engine {
  async open(_, choice) {
    const device = { kind: 'cpu', name: 'CPU', reason: 'made up' };
    return { model: { name: choice.name, n_layers: 1, n_heads: 1, d_model: 1, d_head: 1, d_mlp: 1, d_vocab: 1, n_ctx: 9, parameters: 1, device }, bytes: { total: 1, network: 1, storage: 0 } };
  }
  check(experiment) { return { groups: experiment.groups.map((group) => group.pairs.map(() => ({ clean: [], corrupted: [], answer: [], distractor: [], differing: [] }))), problems: [] }; }
  run(_, request) {
    if (request.settings.prompt !== 'panic') return Promise.resolve({ analysis: request.analysis, title: '', model: 'm', device: 'd', parts: [], problems: [] });
    setTimeout(() => {
      console.error('panicked at src/made/up.rs:1:2:\\nindex out of bounds');
      throw new WebAssembly.RuntimeError('unreachable');
    });
    return new Promise(() => {});
  }
  cancel() {}
}`;

test('a crash of the engine is told, and a new engine takes over', async (t) => {
  const { page, watched } = await demoPage(t, { replace: { 'patchlab-web.js': PANICKING }, expected: [/panicked at/, /unreachable/] });
  await whenFresh(page, 'test-prompt');
  await page.fill('#test-prompt-text', 'panic');
  await page.waitForSelector('#opening[data-state="failed"]');
  assert.match(await page.locator('.failure').innerText(), /engine stopped[\s\S]*index out of bounds/i);
  await page.fill('#test-prompt-text', 'calm');
  await andThenFresh(page, 'test-prompt', () => page.click('#retry-opening'));
  await whenOpen(page);
  await openGroup(page, 0);
  assertClean(watched);
});

test('an engine that cannot be loaded is told', async (t) => {
  const { page } = await demoPage(t, { replace: { 'patchlab-web.js': 'export default async function init() { throw new Error("no WebAssembly here"); }' } });
  await page.waitForSelector('#opening[data-state="failed"]');
  assert.match(await page.locator('.failure').innerText(), /engine stopped[\s\S]*no WebAssembly here[\s\S]*reload/i);
});
