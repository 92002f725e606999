// Sources of weights: range requests, the browser's storage on later visits, files from disk.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { assertClean, browserWithProfile, dotsOf, browserOnDisk, nameOf, watchedPage, whenFresh, whenOpen, andThenFresh } from './harness/browser.mjs';
import { LARGE, faultServer } from './harness/faults.mjs';
import { assertClose, chosenFiles, demoFile, dist, dotsPart, nativeReport } from './harness/inputs.mjs';
import { addressOf, opensWell, wide } from './harness/opening.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';

const demo = { 'config.json': demoFile('config.json'), 'model.safetensors': demoFile('model.safetensors') };
const means = dotsPart(nativeReport('logit-diff')).series.map((series) => series.mean);

/** Requests to the server of the weights. @param {import('./harness/server.mjs').Seen[]} seen */
function weightRequests(seen) {
  return seen.filter((request) => request.path.endsWith('model.safetensors') && request.method === 'GET');
}

test('weights come by ranges, and from storage on the second visit', async (t) => {
  const site = await serveSite(dist);
  const hub = await serveFiles(demo);
  const profile = mkdtempSync(join(tmpdir(), 'patchlab-profile-'));
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  t.after(site.close);
  t.after(hub.close);
  const address = `${site.url}?model=gpt2&device=cpu&weights=${hub.url}`;

  const visit = async () => {
    const context = await browserWithProfile(profile);
    try {
      const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin] });
      await page.goto(address);
      await whenOpen(page);
      await whenFresh(page, 'logit-diff');
      const dots = await dotsOf(page);
      const source = page.locator('[data-hook="source"]');
      const bytes = { network: Number(await source.getAttribute('data-network')), storage: Number(await source.getAttribute('data-storage')) };
      assert.equal(await page.locator('[data-hook="model-name"]').innerText(), nameOf(hub));
      assert.equal(await page.getAttribute('[data-model="gpt2"]', 'aria-pressed'), 'true');
      assertClean(watched);
      return { dots, bytes, text: await source.innerText() };
    } finally {
      await context.close();
    }
  };

  const first = await visit();
  assertClose(first.dots.map((row) => row.mean), means, 1e-3, 'means');
  const requests = weightRequests(hub.seen);
  assert.ok(requests.length > 0);
  assert.ok(requests.every((request) => request.range !== null), 'the file was asked for as a whole');
  const fetched = requests.reduce((sum, request) => sum + request.bytes, 0);
  assert.equal(first.bytes.storage, 0);
  assert.ok(first.bytes.network > 0 && first.bytes.network <= fetched);
  assert.match(first.text, /from the network/);

  hub.seen.length = 0;
  const second = await visit();
  // Only revalidation is allowed.
  assert.ok(weightRequests(hub.seen).length <= 1 && weightRequests(hub.seen).every((request) => request.bytes <= 8));
  assert.equal(second.bytes.network, 0);
  assert.equal(second.bytes.storage, first.bytes.network);
  assert.match(second.text, /from this browser\u2019s storage/);
  assert.deepEqual(second.dots, first.dots);
});

test('progress is shown in bytes, and an opening can be cancelled', async (t) => {
  const site = await serveSite(dist);
  // Pieces arrive in parallel, each slowly enough that there is time to look and to cancel.
  const hub = await faultServer(wide, { fault: ({ size }) => (size >= LARGE ? { perSecond: size / 20 } : null) });
  t.after(site.close);
  t.after(hub.down);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin], expected: [/ERR_ABORTED/] });
  await page.goto(`${site.url}?device=cpu&weights=${hub.url}`);
  await whenFresh(page, 'logit-diff');
  const before = await dotsOf(page);
  await page.click('[data-model="gpt2"]');
  await page.waitForFunction(() => Number(/** @type {HTMLElement | null} */ (document.querySelector('.work-text[data-done]'))?.dataset.done) > 0);
  assert.match(await page.locator('.work-text').innerText(), /MB|kB/);
  assert.ok(await page.locator('.work progress').evaluate((bar) => bar instanceof HTMLProgressElement && bar.value > 0 && bar.value < bar.max));
  await page.click('#cancel-opening');
  await whenOpen(page);
  assert.match(await page.locator('[data-hook="model-name"]').innerText(), /demo model/);
  assert.deepEqual(await dotsOf(page), before);
  await andThenFresh(page, 'logit-diff', () => page.getByRole('button', { name: 'Remove pair 3' }).click());
  assertClean(watched);
});

test('a download is paused and goes on', async (t) => {
  const site = await serveSite(dist);
  // Every first attempt is cut, so that there is something to retry.
  const hub = await faultServer(wide, { fault: ({ size, tries }) => (size >= LARGE && tries === 0 ? { perSecond: size / 3, cutAfter: Math.floor(0.8 * size) } : null) });
  t.after(site.close);
  t.after(hub.down);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin], expected: [/Failed to load resource/] });
  await page.goto(addressOf(site, hub));
  const pause = page.locator('#pause-opening');
  await pause.click();
  assert.equal(await pause.innerText(), 'Continue');
  await page.waitForFunction(() => /Paused/.test(document.querySelector('.work-text')?.textContent ?? ''));
  await page.waitForTimeout(5000);
  assert.ok(hub.answers.every(({ outcome }) => outcome === 'complete' || outcome === 'cut'));
  assert.equal(new Set(hub.of().map(({ end }) => end)).size, hub.of().length, 'it was not paused');
  assert.equal(await page.getAttribute('#opening', 'data-state'), 'opening');
  await pause.click();
  await opensWell(page);
  assertClean(watched);
});

test('stored weights are listed and deleted', async (t) => {
  const site = await serveSite(dist);
  const hub = await serveFiles(demo);
  t.after(site.close);
  t.after(hub.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin] });
  await page.goto(addressOf(site, hub));
  await opensWell(page);
  await page.click('#stored');
  const model = page.locator(`.stored-model[data-base="${hub.url}"]`);
  assert.match(await model.innerText(), /6\.9 MB[\s\S]*complete/);
  await model.getByRole('button').click();
  await model.getByRole('button').click();
  await model.waitFor({ state: 'detached' });
  await page.reload();
  const end = await opensWell(page);
  assert.equal(end.storage, 0);
  assertClean(watched);
});

test('a checkpoint from disk', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  const files = chosenFiles({ 'config.json': readFileSync(demo['config.json']), 'model.safetensors': readFileSync(demo['model.safetensors']) });
  await andThenFresh(page, 'logit-diff', () => page.setInputFiles('#model-files', files));
  await whenOpen(page);
  assert.equal(await page.getAttribute('[data-model="files"]', 'aria-pressed'), 'true');
  assert.match(await page.locator('[data-hook="source"]').innerText(), /from disk/);
  assertClose((await dotsOf(page)).map((row) => row.mean), means, 1e-3, 'means');

  await andThenFresh(page, 'logit-diff', () => page.click('[data-model="demo"]'));
  // Large checkpoints are saved in several files.
  const shards = inShards(readFileSync(demo['model.safetensors']));
  await andThenFresh(page, 'logit-diff', () => dropFiles(page, chosenFiles({ 'config.json': readFileSync(demo['config.json']), ...shards })));
  assert.equal(await page.getAttribute('[data-model="files"]', 'aria-pressed'), 'true');
  assertClose((await dotsOf(page)).map((row) => row.mean), means, 1e-3, 'means');
  assertClean(watched);
});

/** A checkpoint in two files and their index. @param {Buffer} file @returns {Record<string, Buffer | string>} */
function inShards(file) {
  const length = Number(file.readBigUInt64LE(0));
  /** @type {Record<string, { dtype: string, shape: number[], data_offsets: [number, number] }>} */
  const tensors = JSON.parse(file.toString('utf8', 8, 8 + length));
  delete tensors.__metadata__;
  /** @type {Record<string, Buffer | string>} */
  const files = {};
  /** @type {Record<string, string>} */
  const map = {};
  for (const half of [0, 1]) {
    const name = `model-0000${half + 1}-of-00002.safetensors`;
    const own = Object.entries(tensors).filter((_, index) => index % 2 === half);
    let at = 0;
    const header = Object.fromEntries(own.map(([tensor, entry]) => {
      const bytes = entry.data_offsets[1] - entry.data_offsets[0];
      map[tensor] = name;
      return [tensor, { ...entry, data_offsets: [at, at += bytes] }];
    }));
    const text = Buffer.from(JSON.stringify(header));
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(text.length));
    files[name] = Buffer.concat([start, text, ...own.map(([, { data_offsets: [from, to] }]) => file.subarray(8 + length + from, 8 + length + to))]);
  }
  return { ...files, 'model.safetensors.index.json': JSON.stringify({ metadata: {}, weight_map: map }) };
}

/** @param {import('playwright-core').Page} page @param {string[]} files */
function dropFiles(page, files) {
  return page.evaluate(async (list) => {
    const data = new DataTransfer();
    for (const { name, base64 } of list) {
      data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
    }
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, files.map((file) => ({ name: basename(file), base64: readFileSync(file, 'base64') })));
}
