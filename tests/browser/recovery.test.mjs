// Device failures: the page opens the model again, repeats interrupted requests, and loses nothing. The engine is a fake;
// lost-device.test.mjs uses the real one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { andThenFresh, assertClean, fieldId, freshBrowser, runsOf, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { dist } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */

/** A fake engine that fails as prompts and addresses tell it to, and logs its requests where they outlive it. */
const ENGINE = `
const lost = { code: 'compute', message: 'The device was lost. Open the model again.', place: null };
const note = async (text) => {
  const ledger = await caches.open('ledger');
  await ledger.put(new Request('/ledger/' + (await ledger.keys()).length + '/' + encodeURIComponent(text)), new Response(''));
};
const noted = async () => (await (await caches.open('ledger')).keys()).map(({ url }) => decodeURIComponent(url.split('/').at(-1)));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
export default async function init() {}
export function catalogue() { return ['test-prompt', 'logit-diff'].map((name) => ({ name, title: name, description: '', settings: [] })); }
export function presets() { return [{ name: 'One', note: '', experiment: { groups: [{ name: 'a', pairs: [{ clean: 'a', corrupted: 'b', answer: 'c', distractor: 'd' }] }] } }]; }
export class Engine {
  model = null;
  stopped = false;
  async open(_, choice, wanted) {
    this.stopped = false;
    await note('open ' + wanted);
    for (let tick = 0; tick < ((await noted()).length > 1 ? 30 : 1); tick += 1) {
      await wait(50);
      if (this.stopped) throw { code: 'cancelled', message: 'Cancelled.' };
    }
    const kind = wanted === 'cpu' ? 'cpu' : 'wgpu';
    if (choice.base.includes('heavy') && kind === 'wgpu') throw lost;
    const device = { kind, name: kind === 'cpu' ? 'CPU' : 'WebGPU, made up', reason: 'made up' };
    this.model = { name: choice.name, n_layers: 1, n_heads: 1, d_model: 1, d_head: 1, d_mlp: 1, d_vocab: 1, n_ctx: 9, parameters: 1, device };
    return { model: this.model, bytes: { total: 1, network: 1, storage: 0, unkept: null } };
  }
  check(experiment) { return { groups: experiment.groups.map((group) => group.pairs.map(() => ({ clean: [], corrupted: [], answer: [], distractor: [], differing: [] }))), problems: [] }; }
  async run(_, { analysis, settings, experiment }) {
    if (!this.model) throw { code: 'no-model', message: 'No model is open. Choose one above.' };
    const said = settings.prompt ?? '';
    await note('run ' + analysis + ' ' + (said || experiment.groups[0]?.pairs[0]?.clean) + ' ' + this.model.device.kind);
    // Counted immediately: the page may repeat the request while this one is running.
    const times = (await noted()).filter((text) => text.startsWith('run test-prompt ' + said)).length;
    await wait(30);
    if (said === 'lose once' && times === 1) throw lost;
    if (said === 'lose the GPU' && this.model.device.kind === 'wgpu') throw lost;
    if (said === 'lose always') throw lost;
    return { analysis, title: '', model: this.model.name, device: this.model.device.name, parts: [], problems: [] };
  }
  cancel() { this.stopped = true; }
  pause() {}
  async stored() { return []; }
  async forget() {}
}`;

/** @param {TestContext} t @param {string} [query] */
async function madeUp(t, query = '') {
  const site = await serveSite(dist, { replace: { 'patchlab-web.js': ENGINE } });
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  // Records all messages of the strip and the toast, however brief.
  await page.addInitScript(() => {
    /** @type {string[]} */
    const said = [];
    Object.assign(window, { said });
    new MutationObserver(() => said.push(document.getElementById('opening')?.textContent ?? '', document.getElementById('toast')?.textContent ?? ''))
      .observe(document, { subtree: true, childList: true, characterData: true });
  });
  await page.goto(site.url + query);
  return { page, watched };
}

/** All requests to the engines. @param {Page} page @returns {Promise<string[]>} */
function ledger(page) {
  return page.evaluate(async () => (await (await caches.open('ledger')).keys()).map(({ url }) => decodeURIComponent(url.split('/').at(-1) ?? '')));
}

/** @param {Page} page @param {RegExp} pattern */
async function assertSaid(page, pattern) {
  const said = await page.evaluate(() => /** @type {any} */ (window).said);
  assert.ok(said.some((/** @type {string} */ text) => pattern.test(text)), `nobody said ${pattern}`);
}

/** The device that a figure was computed on. @param {Page} page @param {string} figure */
function deviceOf(page, figure) {
  return page.locator(`#${figure} .provenance`).innerText();
}

test('a device lost once: the same model again, and the request again', async (t) => {
  const { page, watched } = await madeUp(t);
  await whenFresh(page, 'test-prompt');
  await whenFresh(page, 'logit-diff');
  const others = await runsOf(page, 'logit-diff');
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'lose once'));
  await whenOpen(page);
  await assertSaid(page, /The GPU was lost\. The model is being opened again/);
  await assertSaid(page, /What was interrupted is computed again/);
  const asked = await ledger(page);
  assert.deepEqual(asked.filter((text) => text.startsWith('open')), ['open auto', 'open auto']);
  assert.deepEqual(asked.filter((text) => text.includes('lose once')), ['run test-prompt lose once wgpu', 'run test-prompt lose once wgpu']);
  assert.equal(await page.inputValue('#test-prompt-text'), 'lose once');
  assert.match(await deviceOf(page, 'test-prompt'), /WebGPU/);
  assert.equal(await runsOf(page, 'logit-diff'), others, 'other results stay as they are');
  assert.equal(await page.locator('#logit-diff').getAttribute('data-state'), 'fresh');
  assert.equal(await page.locator('.failure').isVisible(), false);
  assertClean(watched);
});

test('a device that fails again: the CPU, and why', async (t) => {
  const { page, watched } = await madeUp(t);
  await whenFresh(page, 'test-prompt');
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'lose the GPU'));
  await assertSaid(page, /The GPU was lost again\. The model is being opened on the CPU/);
  assert.deepEqual((await ledger(page)).filter((text) => text.startsWith('open')), ['open auto', 'open auto', 'open cpu']);
  assert.match(await deviceOf(page, 'test-prompt'), /CPU/);
  assert.match(await page.locator('[data-hook="device"]').innerText(), /^CPU: the GPU failed twice\. The device was lost\.$/);
  assert.equal(await page.inputValue('#device'), 'cpu');
  assert.doesNotMatch(page.url(), /device=/, 'the link does not force the CPU on others');

  // The GPU can be chosen again.
  await page.fill('#test-prompt-text', 'calm');
  await whenFresh(page, 'test-prompt');
  await andThenFresh(page, 'test-prompt', () => page.selectOption('#device', 'auto'));
  assert.match(await page.locator('[data-hook="device"]').innerText(), /^WebGPU, made up: made up/);
  assertClean(watched);
});

test('a device that always fails: the failure is told, and nothing that was typed is lost', async (t) => {
  const { page, watched } = await madeUp(t);
  await whenFresh(page, 'test-prompt');
  await page.fill('#test-prompt-text', 'lose always');
  await page.waitForSelector('#opening[data-state="failed"]');
  assert.equal(await page.locator('.failure').getAttribute('data-code'), 'compute');
  assert.match(await page.locator('.failure').innerText(), /The device was lost\. Open the model again\.[\s\S]*No model is open/);
  assert.match(await page.locator('#test-prompt .figure-message').innerText(), /No model is open/);
  assert.equal(await page.inputValue('#test-prompt-text'), 'lose always');
  assert.equal((await ledger(page)).filter((text) => text.startsWith('open')).length, 3);
  await page.fill('#test-prompt-text', 'calm');
  await andThenFresh(page, 'test-prompt', () => page.click('#retry-opening'));
  await whenOpen(page);
  assertClean(watched);
});

test('what is typed while the model is opened again is what is computed', async (t) => {
  const { page, watched } = await madeUp(t);
  await whenFresh(page, 'test-prompt');
  await whenFresh(page, 'logit-diff');
  const before = { test: await runsOf(page, 'test-prompt'), dots: await runsOf(page, 'logit-diff') };
  await page.fill('#test-prompt-text', 'lose once');
  await page.waitForSelector('#opening[data-state="opening"]');
  await page.fill('#test-prompt-text', 'typed meanwhile');
  await page.fill(fieldId(0, 0, 'clean'), 'also typed');
  await whenFresh(page, 'test-prompt', { after: before.test });
  await whenFresh(page, 'logit-diff', { after: before.dots });
  await whenOpen(page);
  const asked = await ledger(page);
  assert.ok(asked.includes('run test-prompt typed meanwhile wgpu'), asked.join('\n'));
  assert.ok(asked.includes('run logit-diff also typed wgpu'), asked.join('\n'));
  assert.equal(asked.filter((text) => text.startsWith('open')).length, 2);
  assert.equal(await page.inputValue(fieldId(0, 0, 'clean')), 'also typed');
  assertClean(watched);
});

test('a device that fails while a model is being opened', async (t) => {
  const { page, watched } = await madeUp(t, '?model=heavy/');
  await whenOpen(page);
  await whenFresh(page, 'test-prompt');
  assert.deepEqual((await ledger(page)).filter((text) => text.startsWith('open')), ['open auto', 'open auto', 'open cpu']);
  assert.match(await page.locator('[data-hook="device"]').innerText(), /^CPU: the GPU failed twice/);
  assertClean(watched);
});

test('opening again can be cancelled', async (t) => {
  const { page, watched } = await madeUp(t);
  await whenFresh(page, 'test-prompt');
  await page.fill('#test-prompt-text', 'lose once');
  await page.waitForSelector('#opening[data-state="opening"]');
  await page.click('#cancel-opening');
  await page.waitForSelector('#opening[data-state="none"]');
  await page.locator('#test-prompt .figure-message .notice', { hasText: 'No model is open' }).waitFor();
  await andThenFresh(page, 'test-prompt', () => page.click('[data-model="demo"]'));
  assert.equal(await page.inputValue('#test-prompt-text'), 'lose once');
  assertClean(watched);
});
