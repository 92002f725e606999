// A plain forward pass of GPT-2's full shape in Chromium, on one CPU thread: this engine against onnxruntime-web's wasm
// backend, alternating. `cargo xtask bench forward`.
//
// Both get the first preset's eight prompts of eight tokens and return two logits each, whose difference must agree. This
// engine's time includes the round trip to its worker and building the report.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { browserWithProfile } from '../harness/browser.mjs';
import { dist } from '../harness/inputs.mjs';
import { serveFiles, serveSite } from '../harness/server.mjs';
import { fullCheckpoint, given, median, write } from './figures.mjs';

/** @import { Page } from 'playwright-core' */

const REPEATS = Number(process.env.PATCHLAB_REPEATS ?? 7);
const PER_ROUND = 3;
const TOLERANCE = 1e-3;

const onnx = given('PATCHLAB_ONNX', 'the checkpoint as tests/fixtures/export_onnx.py writes it');
const runtime = dirname(createRequire(new URL('package.json', import.meta.url)).resolve('onnxruntime-web/wasm'));

const site = await serveSite(dist);
const hub = await serveFiles({ ...fullCheckpoint(), 'model.onnx': onnx });
const other = await serveSite(runtime);
const profile = mkdtempSync(join(tmpdir(), 'patchlab-bench-'));
const context = await browserWithProfile(profile);

/** This engine, without the page around it. */
async function openOurs() {
  const page = await context.newPage();
  // Any file of the site, for its origin.
  await page.goto(`${site.url}www/models/demo/config.json`);
  return page.evaluate(async ({ root, base }) => {
    const { Engine } = await import(`${root}www/engine/client.js`);
    const engine = new Engine();
    await engine.call('open', { model: { from: 'address', name: 'full', base, tokenizer: 'gpt2' }, device: 'cpu' });
    const [{ experiment }] = await engine.call('presets', {});
    experiment.groups.length = 1;
    const checked = await engine.call('check', { experiment });
    const pairs = /** @type {any[]} */ (checked.groups[0]);
    const prompts = pairs.flatMap(({ clean, corrupted }) => [clean, corrupted]);
    Object.assign(window, { once: async () => {
      const start = performance.now();
      const report = await engine.call('run', { analysis: 'logit-diff', experiment, settings: {} });
      const milliseconds = performance.now() - start;
      const rows = report.parts.find((/** @type {any} */ part) => part.kind === 'table').rows.slice(0, -1);
      const logits = rows.map((/** @type {any} */ row) => row.cells.slice(3, 5));
      return { milliseconds, logits };
    } });
    return {
      ids: prompts.map((tokens) => tokens.map((/** @type {any} */ token) => token.id)),
      tokens: pairs.flatMap((pair) => [[pair.answer[0].id, pair.distractor[0].id], [pair.distractor[0].id, pair.answer[0].id]]),
    };
  }, { root: site.url, base: hub.url }).then((inputs) => ({ page, inputs }));
}

/** @param {{ ids: number[][], tokens: number[][] }} inputs */
async function openOther(inputs) {
  const page = await context.newPage();
  await page.goto(`${other.url}ort.wasm.min.mjs`);
  await page.evaluate(async ({ root, model, inputs }) => {
    const ort = await import(`${root}ort.wasm.min.mjs`);
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
    const tensor = (/** @type {number[][]} */ rows) => new ort.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
    const feeds = { ids: tensor(inputs.ids), tokens: tensor(inputs.tokens) };
    Object.assign(window, { once: async () => {
      const start = performance.now();
      const { logits } = await session.run(feeds);
      const milliseconds = performance.now() - start;
      const [, width] = logits.dims;
      return { milliseconds, logits: inputs.ids.map((_, row) => [...logits.data.slice(row * width, (row + 1) * width)]) };
    } });
  }, { root: other.url, model: `${hub.url}model.onnx`, inputs });
  return page;
}

/** The median of a few runs, and the result. @param {Page} page */
async function round(page) {
  const runs = [];
  for (let i = 0; i < PER_ROUND; i += 1) runs.push(await page.evaluate(() => /** @type {any} */ (window).once()));
  return { milliseconds: median(runs.map((run) => run.milliseconds)), logits: /** @type {number[][]} */ (runs[0].logits) };
}

try {
  const { page: ours, inputs } = await openOurs();
  const theirs = await openOther(inputs);
  await round(ours);
  await round(theirs);
  const rounds = [];
  for (let i = 0; i < REPEATS; i += 1) {
    const [mine, its] = [await round(ours), await round(theirs)];
    // Only logit differences can be compared: this engine's unembedding is centred, like TransformerLens's.
    const apart = Math.max(...mine.logits.map(([a, b], prompt) => Math.abs(a - b - (its.logits[prompt][0] - its.logits[prompt][1]))));
    if (!(apart <= TOLERANCE)) throw new Error(`the engines disagree: ${JSON.stringify([mine.logits, its.logits])}`);
    rounds.push({ patchlab: mine.milliseconds, onnxruntime: its.milliseconds });
    console.log(`patchlab ${mine.milliseconds.toFixed(0)} ms, onnxruntime-web ${its.milliseconds.toFixed(0)} ms, logit differences ${apart.toExponential(1)} apart`);
  }
  const ratio = median(rounds.map((pair) => pair.onnxruntime / pair.patchlab));
  console.log(`onnxruntime-web takes ${ratio.toFixed(2)} times as long (median of ${REPEATS} rounds)`);
  write({ what: 'forward pass, 8 prompts x 8 tokens, 12 x 768, Chromium, wasm, one thread', rounds, ratio });
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  await Promise.all([site.close(), hub.close(), other.close()]);
}
