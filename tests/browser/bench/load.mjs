// Memory used while opening a checkpoint of GPT-2's full shape: `cargo xtask bench load`. Writes JSON to PATCHLAB_BENCH and
// fails if a bound is broken.
//
// The bounds cover the module's heap, which never shrinks, so that its final size is its peak, and the worker's JavaScript
// heap including buffers, sampled every 20 ms. The growth of the renderer process is reported but not bounded: it includes
// buffers shared with Chromium's network, storage and GPU processes, which a page cannot control.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserWithProfile, trusting, whenOpen } from '../harness/browser.mjs';
import { dist, linkTo, onePair } from '../harness/inputs.mjs';
import { TELL_MEMORY, memoryOf, peakGrowth } from '../harness/renderer.mjs';
import { serveFiles, serveSite } from '../harness/server.mjs';
import { fullCheckpoint, write } from './figures.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */

const LONG_MS = 900_000;
const SAMPLE_MS = 20;
/** The bounds: a multiple of the weights' size on the CPU, bytes on WebGPU. */
const MOST_CPU = 1.15;
const MOST_WEBGPU = 200e6;

/**
 * Starts measuring the peak of the worker's JavaScript heap, including buffers; the returned function reads it.
 *
 * @param {BrowserContext} context
 * @param {Page} page
 */
async function watchHeap(context, page) {
  const devtools = await context.newCDPSession(page);
  /** @type {string | null} */
  let session = null;
  let id = 0;
  let peak = 0;
  devtools.on('Target.attachedToTarget', (event) => {
    if (event.targetInfo.type === 'worker') session = event.sessionId;
  });
  devtools.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { result } = JSON.parse(message);
    if (result?.usedSize === undefined) return;
    peak = Math.max(peak, result.usedSize + result.embedderHeapUsedSize + result.backingStorageSize);
  });
  // Not flattened, because Playwright offers no CDP session for a worker.
  await devtools.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const timer = setInterval(() => {
    if (!session) return;
    const message = JSON.stringify({ id: (id += 1), method: 'Runtime.getHeapUsage' });
    devtools.send('Target.sendMessageToTarget', { sessionId: session, message }).catch(() => {});
  }, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    if (peak === 0) throw new Error('the worker\u2019s heap was never measured');
    return peak;
  };
}

const files = fullCheckpoint();
const worker = `${TELL_MEMORY}${readFileSync(join(dist, 'www/engine/worker.js'), 'utf8')}`;
const site = await serveSite(dist, { replace: { 'www/engine/worker.js': worker } });
const hub = await serveFiles(files);
/** @type {Record<string, string | number>[]} */
const results = [];

/** Two visits with a fresh profile; returns the bounds that were broken. @param {string} device */
async function measure(device) {
  const broken = [];
  const profile = mkdtempSync(join(tmpdir(), 'patchlab-bench-'));
  const context = await browserWithProfile(profile);
  for (const visit of ['first', 'second']) {
    const page = await context.newPage();
    await trusting(page, [hub.origin]);
    const growth = await peakGrowth(profile, page, site.url);
    const heap = await watchHeap(context, page);
    const started = Date.now();
    // An experiment without groups runs nothing, so that only loading is measured.
    await page.goto(`${site.url}?model=gpt2&device=${device}&weights=${hub.url}${linkTo({ ...onePair, groups: [] })}`);
    await whenOpen(page, LONG_MS);
    const seconds = (Date.now() - started) / 1000;
    const javascript = heap();
    const wasm = await memoryOf(page);
    const weights = Number(await page.locator('[data-hook="source"]').getAttribute('data-total'));
    const renderer = growth();
    results.push({ device, visit, weights, wasm, javascript, renderer, seconds });
    console.log(`${device}, ${visit} visit: weights ${mb(weights)}; module ${mb(wasm)} + JavaScript ${mb(javascript)} = `
      + `${((wasm + javascript) / weights).toFixed(3)} x; renderer + ${mb(renderer)}; ${seconds.toFixed(1)} s`);
    const most = device === 'cpu' ? MOST_CPU * weights : MOST_WEBGPU;
    if (wasm + javascript > most) broken.push(`${device}, ${visit} visit: ${mb(wasm + javascript)} of at most ${mb(most)}`);
    await page.close();
  }
  await context.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  return broken;
}

/** @type {string[]} */
const failures = [];
for (const device of ['cpu', 'wgpu']) {
  // Garbage counts until it is collected, which is a matter of chance; a page that really holds too much does so every time.
  /** @type {string[]} */
  let broken = [];
  for (let attempt = 0; attempt < 3 && (attempt === 0 || broken.length > 0); attempt += 1) broken = await measure(device);
  failures.push(...broken);
}
await site.close();
await hub.close();
write({ what: 'opening a checkpoint of GPT-2 small\u2019s shape', results });
if (failures.length > 0) throw new Error(`too much memory: ${failures.join('; ')}`);

/** @param {number} bytes */
function mb(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
