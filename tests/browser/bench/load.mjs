// How much memory opening a checkpoint of GPT-2's full shape takes: `cargo xtask bench load`. Writes JSON to PATCHLAB_BENCH
// and fails where a bound is broken.
//
// Counted are the module's heap, which never shrinks, so that its size in the end is its peak, and the worker's JavaScript
// heap with its buffers, asked for every 20 ms. The renderer process's growth is told as well: it has buffers that it shares
// with Chromium's network, storage and GPU processes, too, over which a page has no say.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserWithProfile, whenOpen } from '../harness/browser.mjs';
import { dist, linkTo, onePair } from '../harness/inputs.mjs';
import { TELL_MEMORY, memoryOf, peakGrowth } from '../harness/renderer.mjs';
import { serveFiles, serveSite } from '../harness/server.mjs';
import { fullCheckpoint, write } from './figures.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */

const LONG_MS = 900_000;
const SAMPLE_MS = 20;
/** The bounds: times the weights' size on the CPU, bytes on WebGPU. */
const MOST_CPU = 1.15;
const MOST_WEBGPU = 200e6;

/**
 * The peak of the worker's JavaScript heap, buffers included, from now until it is asked for.
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
  // Not flattened, because Playwright gives no session of a worker.
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

/** Both visits of a fresh profile; answers which bounds were broken. @param {string} device */
async function measure(device) {
  const broken = [];
  const profile = mkdtempSync(join(tmpdir(), 'patchlab-bench-'));
  const context = await browserWithProfile(profile);
  for (const visit of ['first', 'second']) {
    const page = await context.newPage();
    const growth = await peakGrowth(profile, page, site.url);
    const heap = await watchHeap(context, page);
    const started = Date.now();
    // An experiment without groups needs nothing run, so that loading alone is measured.
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
  // When garbage is collected is chance, and counts until then; a page that holds too much does so each time.
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
