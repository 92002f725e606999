// Costs that do not depend on a clock: kernels compiled and launched, bytes uploaded and read back, memory, bytes served. counts.json has
// the recorded values. A change of more than 5 % fails here, a decrease too: record the new values with
// `cargo xtask bench counts`.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { WATCH_GPU, counted, takeCounts } from './harness/gpu-watch.mjs';
import { dist, onePair, linkTo } from './harness/inputs.mjs';
import { sharedBrowser, siteFor } from './harness/opening.mjs';
import { TELL_MEMORY, memoryOf } from './harness/renderer.mjs';
import { firstGroup, runAll } from './harness/study.mjs';

const MOST = 1.05;
const LONG_MS = 300_000;
/** Most bytes that a visitor downloads before the demo model, compressed. */
const MOST_SERVED = 3.5e6;
/** Most bytes of published values, compressed. */
const MOST_PUBLISHED = 300_000;
/** Most kernels that a browser has to compile. */
const MOST_PIPELINES = 30;
/** Most launches of a layer, in a plain pass and in one that records every activation. */
const MOST_PLAIN = 12;
const MOST_RECORDED = 25;
/** Layers of the demo model, and launches around them: embedding, final LayerNorm, logits. */
const LAYERS = 4;
const AROUND_LAYERS = 12;

const file = new URL('counts.json', import.meta.url);
/** @type {Record<string, number>} */
const recorded = JSON.parse(readFileSync(file, 'utf8'));
/** @type {Record<string, number>} */
const found = {};

/** Compares a number with the recorded one, or records it. @param {string} name @param {number} number */
function compare(name, number) {
  found[name] = number;
  if (process.env.PATCHLAB_RECORD) return;
  const before = recorded[name];
  assert.ok(before !== undefined, `${name} is not in counts.json: run "cargo xtask bench counts"`);
  assert.ok(number <= MOST * before, `${name}: ${number}, before ${before}`);
  assert.ok(number * MOST >= before, `${name}: ${number}, before ${before}. If that is meant, run "cargo xtask bench counts"`);
}

const browser = sharedBrowser();

test('launches, uploads and read-backs of the demo model\u2019s analyses on WebGPU', async (t) => {
  const site = await siteFor(t, { prefix: WATCH_GPU });
  const page = await browser().newPage();
  t.after(() => page.close());
  // Any file of the site, for its origin: the engine runs without the page.
  await page.goto(`${site.url}www/models/demo/config.json`);
  await page.evaluate(async ({ root, experiment }) => {
    const { Engine } = await import(`${root}www/engine/client.js`);
    const engine = new Engine();
    await engine.call('open', { model: { from: 'address', name: 'demo', base: `${root}www/models/demo/`, tokenizer: 'gpt2' }, device: 'wgpu' });
    Object.assign(window, { run: (/** @type {string} */ analysis, /** @type {object} */ settings) => engine.call('run', { analysis, experiment, settings }) });
  }, { root: site.url, experiment: firstGroup() });
  /** @param {string} name */
  const compareAll = async (name) => {
    for (const [what, number] of Object.entries(await takeCounts(page))) compare(`${name}: ${what}`, number);
  };
  // How much is launched while opening depends on how fast the device turns out to be.
  compare('opening: pipelines', (await takeCounts(page)).pipelines);
  for (const [analysis, settings] of /** @type {[string, Record<string, string>][]} */ ([
    ['logit-diff', {}],
    ['activations', {}],
    ['residual-patching', { probabilities: 'no' }],
    ['head-patching', { what: 'z', probabilities: 'no' }],
    ['neuron-patching', { layers: '2', probabilities: 'no' }],
    ['neuron-patching', { layers: '3', probabilities: 'no' }],
  ])) {
    await page.evaluate(([name, settings]) => /** @type {any} */ (window).run(name, settings), /** @type {const} */ ([analysis, settings]));
    const most = { 'logit-diff': MOST_PLAIN, activations: MOST_RECORDED }[analysis];
    if (most) {
      const { launches } = await counted(page);
      assert.ok(launches <= most * LAYERS + AROUND_LAYERS, `${analysis}: ${launches} launches`);
    }
    await compareAll([analysis, ...Object.values(settings).filter((value) => value !== 'no')].join(' '));
  }
});

test('the kernels of a whole study are compiled when the model is opened, and are few', async (t) => {
  const site = await siteFor(t, { prefix: WATCH_GPU });
  const page = await browser().newPage();
  t.after(() => page.close());
  // As little as needs every kernel: software takes seconds for a row of logits over the vocabulary.
  const quick = Object.fromEntries(['residual-patching', 'component-patching', 'head-patching', 'ablation'].map((analysis) => [analysis, { probabilities: 'no' }]));
  const settings = { ...quick, 'neuron-patching': { layers: '2', probabilities: 'no' }, 'head-atlas': { sequences: 1, length: 2, words: 'Mary' } };
  await page.goto(`${site.url}?device=wgpu${linkTo(onePair, { settings })}`);
  await page.waitForSelector('#test-prompt[data-state="fresh"]', { timeout: LONG_MS });
  const { pipelines: opening } = await counted(page);
  assert.ok(opening <= MOST_PIPELINES, `${opening} kernels`);
  await runAll(page, LONG_MS);
  assert.equal((await counted(page)).pipelines, opening, 'a figure needed a kernel that opening did not compile (crate/kernels/src/gpu/prepare.rs)');
});

test('the module\u2019s memory after the whole study of a group with the demo model', async (t) => {
  const site = await siteFor(t, { prefix: TELL_MEMORY });
  const page = await browser().newPage();
  t.after(() => page.close());
  await page.goto(`${site.url}?device=cpu${linkTo(firstGroup())}`);
  await page.waitForSelector('#test-prompt[data-state="fresh"]');
  await runAll(page, LONG_MS);
  compare('memory of the module', await memoryOf(page));
});

test('what is served before the demo model', () => {
  /** @param {string} folder @returns {string[]} */
  const filesIn = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
  const compressed = (/** @type {string[]} */ files) => files.map((path) => gzipSync(readFileSync(path)).length).reduce((sum, size) => sum + size, 0);
  const all = filesIn(dist).filter((path) => !path.includes('/models/'));
  // Published values are fetched when they are wanted.
  const isLater = (/** @type {string} */ path) => path.includes('/www/recorded/');
  assert.ok(compressed(all.filter(isLater)) <= MOST_PUBLISHED);
  const bytes = compressed(all.filter((path) => !isLater(path)));
  compare('bytes served, compressed', bytes);
  assert.ok(bytes <= MOST_SERVED, `${bytes} bytes`);
});

test('the numbers are written down', () => {
  if (process.env.PATCHLAB_RECORD) writeFileSync(file, `${JSON.stringify(found, null, 1)}\n`);
  else assert.deepEqual(Object.keys(recorded).sort(), Object.keys(found).sort(), 'counts.json has numbers that are not counted');
});
