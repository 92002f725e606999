// The GPU, natively and in Chromium: forward passes, the notebook's Experiment 1, all neurons, a first visit to the demo, and
// each kernel beside a plain product in the same browser and beside PyTorch. `cargo xtask bench gpu`, or `run.sh` of what
// `cargo xtask bench pack` makes. Writes JSON to PATCHLAB_BENCH and a table beside it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browserWithProfile } from '../harness/browser.mjs';
import { WATCH_GPU, takeCounts, timeLaunches } from '../harness/gpu-watch.mjs';
import { dist, linkTo } from '../harness/inputs.mjs';
import { serveFiles, serveSite } from '../harness/server.mjs';
import { firstGroup, runAll } from '../harness/study.mjs';
import { fullCheckpoint, given, median, write } from './figures.mjs';
import { yardstick } from './yardstick.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { Launch } from '../harness/gpu-watch.mjs' */

/** @typedef {{ name: string, analysis: string, settings: Record<string, string>, first?: number, seconds?: number }} Work */

const REPEATS = Number(process.env.PATCHLAB_REPEATS ?? 5);
/** How often a launch is repeated when it is timed. */
const LAUNCHES = 10;
const LONG_MS = 3_600_000;
const isDemo = process.env.PATCHLAB_MODEL === 'demo';
const onCard = process.env.PATCHLAB_SOFTWARE !== '1';

const checkpoint = isDemo ? null : fullCheckpoint();
const modelFolder = checkpoint ? dirname(checkpoint['config.json']) : join(dist, 'www/models/demo');
/** The layers whose neurons are patched: the notebook's 8 and 10 of twelve. */
const layers = isDemo ? [2, 3] : [8, 10];
const probabilities = 'no';
/** @type {Work[]} */
const works = [
  { name: 'forward pass (logit-diff)', analysis: 'logit-diff', settings: {} },
  { name: 'residual-patching', analysis: 'residual-patching', settings: { probabilities } },
  { name: 'component-patching', analysis: 'component-patching', settings: { probabilities } },
  ...['z', 'v', 'pattern'].map((what) => ({ name: `head-patching ${what}`, analysis: 'head-patching', settings: { what, probabilities } })),
  ...layers.map((layer) => ({ name: `neuron-patching, layer ${layer}`, analysis: 'neuron-patching', settings: { layers: String(layer), probabilities } })),
];
const allNeurons = { name: 'all neurons', analysis: 'neuron-patching', settings: { layers: 'all', probabilities } };

/** Runs a program that prints JSON; null if it fails, with a word about it. @param {string} program @param {string[]} args */
function json(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, LD_LIBRARY_PATH: process.env.PATCHLAB_NATIVE_LIBRARIES ?? '' } });
  if (status !== 0) {
    console.log(`${program} ${args.join(' ')}: ${error ?? stderr.trim().split('\n').at(-1)}`);
    return null;
  }
  return JSON.parse(stdout);
}

/** The native command. @param {string} what @param {number} repeats @returns {{ name: string, gflop: number, seconds: number[] }[] | null} */
function native(what, repeats) {
  console.log(`natively: ${what}`);
  return json(given('PATCHLAB_PROGRAM', 'the native command'), ['bench', what, '--model', modelFolder, '--device', 'wgpu', '--repeats', String(repeats)]);
}

const profile = mkdtempSync(join(tmpdir(), 'patchlab-bench-'));
const context = await browserWithProfile(profile, {}, onCard);
const worker = readFileSync(join(dist, 'www/engine/worker.js'), 'utf8');
const site = await serveSite(dist);
const watchedSite = await serveSite(dist, { replace: { 'www/engine/worker.js': WATCH_GPU + worker } });
const hub = checkpoint ? await serveFiles(checkpoint) : null;

/** A page with the engine and the model, without the study around it. @param {string} root */
async function openEngine(root) {
  const page = await context.newPage();
  page.setDefaultTimeout(LONG_MS);
  page.on('console', (message) => { if (message.type() === 'error') console.log(`Chromium: ${message.text()}`); });
  await page.goto(`${root}www/models/demo/config.json`);
  const opened = await page.evaluate(async ({ root, base, experiment }) => {
    const { Engine } = await import(`${root}www/engine/client.js`);
    const engine = new Engine();
    const start = performance.now();
    const { model } = await engine.call('open', { model: { from: 'address', name: 'bench', base, tokenizer: 'gpt2' }, device: 'wgpu' });
    const seconds = (performance.now() - start) / 1000;
    Object.assign(window, { run: async (/** @type {string} */ analysis, /** @type {object} */ settings) => {
      const start = performance.now();
      await engine.call('run', { analysis, experiment, settings });
      return (performance.now() - start) / 1000;
    } });
    return { device: model.device.name, seconds };
  }, { root, base: hub?.url ?? `${root}www/models/demo/`, experiment: firstGroup() });
  return { page, ...opened };
}

/** Seconds of one run. @param {Page} page @param {Work} work @returns {Promise<number>} */
function run(page, { analysis, settings }) {
  return page.evaluate(([analysis, settings]) => /** @type {any} */ (window).run(analysis, settings), /** @type {const} */ ([analysis, settings]));
}

/** A first visit to the demo: from the click to the last figure. */
async function demoStudy() {
  const fresh = mkdtempSync(join(tmpdir(), 'patchlab-bench-'));
  const context = await browserWithProfile(fresh, {}, onCard);
  const page = await context.newPage();
  page.setDefaultTimeout(LONG_MS);
  await page.goto(`${site.url}?device=wgpu${linkTo(firstGroup())}`);
  await page.waitForSelector('#test-prompt[data-state="fresh"]');
  const start = performance.now();
  await runAll(page, LONG_MS);
  const seconds = (performance.now() - start) / 1000;
  await context.close();
  rmSync(fresh, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  return seconds;
}

/** Launches of the same kernel on the same sizes, together. @param {Launch[]} launches */
function together(launches) {
  /** @type {Map<string, { kernel: string, shape: [number, number, number] | null, grid: number[], times: number[] }>} */
  const found = new Map();
  for (const { kernel, grid, info, nanoseconds } of launches) {
    const [m, n, k] = info;
    const shape = kernel.startsWith('product') ? /** @type {[number, number, number]} */ ([m, k, n]) : null;
    const key = `${kernel} ${shape ?? ''} ${grid}`;
    if (!found.has(key)) found.set(key, { kernel, shape, grid, times: [] });
    found.get(key)?.times.push(nanoseconds / 1e9);
  }
  return [...found.values()].map(({ times, ...what }) => ({ ...what, launches: times.length, seconds: median(times), total: times.reduce((a, b) => a + b, 0) })).sort((a, b) => b.total - a.total);
}

/** @param {number | undefined | null} seconds */
function time(seconds) {
  if (seconds === undefined || seconds === null) return '';
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  return seconds >= 1e-3 ? `${(1000 * seconds).toFixed(1)} ms` : `${(1e6 * seconds).toFixed(1)} \u00b5s`;
}

try {
  const { page, device, seconds: opening } = await openEngine(site.url);
  console.log(`${device}, opened in ${time(opening)}`);
  for (const work of works) {
    work.first = await run(page, work);
    const warm = [];
    for (let i = 0; i < REPEATS; i += 1) warm.push(await run(page, work));
    work.seconds = median(warm);
    console.log(`Chromium: ${work.name}: ${time(work.seconds)} (the first time ${time(work.first)})`);
  }
  const experiment1 = works.slice(1).reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  const neurons = process.env.PATCHLAB_NEURONS === '1' ? await run(page, allNeurons) : null;
  await page.close();
  const demo = await demoStudy();
  console.log(`Chromium: Experiment 1 ${time(experiment1)}, all neurons ${time(neurons)}, the demo's study ${time(demo)}`);

  const { page: watched } = await openEngine(watchedSite.url);
  /** @type {Record<string, object>} */
  const counts = { opening: await takeCounts(watched) };
  for (const work of works) {
    await run(watched, work);
    counts[work.name] = await takeCounts(watched);
  }
  const timed = [works[0], works[1], works[6]];
  const kernels = [];
  for (const work of timed) kernels.push({ work: work.name, launches: together(await timeLaunches(watched, LAUNCHES, () => run(watched, work))) });
  await watched.close();

  const products = kernels.flatMap(({ launches }) => launches).filter(({ shape }) => shape !== null && shape[1] % 16 === 0 && shape[2] % 64 === 0);
  const shapes = [...new Map(products.map(({ shape }) => [String(shape), /** @type {[number, number, number]} */ (shape)])).values()];
  const plain = await context.newPage();
  await plain.goto(`${site.url}www/models/demo/config.json`);
  const yards = await yardstick(plain, shapes);
  const beside = shapes.map((shape, index) => {
    const [m, k, n] = shape;
    // A split product is two launches; the second is counted in the first's favour, because it is not told apart.
    const ours = Math.min(...products.filter((product) => String(product.shape) === String(shape)).map(({ seconds }) => seconds));
    return { shape, seconds: ours, yardstick: yards[index], tflops: 2 * m * k * n / ours / 1e12, share: yards[index] / ours };
  }).sort((a, b) => b.shape[0] - a.shape[0]);

  await context.close();
  const natively = { forward: native('forward', 9), experiment1: native('experiment1', REPEATS), kernels: onCard ? native('kernels', REPEATS) : null, neurons: process.env.PATCHLAB_NEURONS === '1' ? native('neurons', 1) : null };
  const python = process.env.PATCHLAB_PYTHON;
  const pytorch = python ? json(python, [fileURLToPath(new URL('../../fixtures/time_kernels.py', import.meta.url))]) : null;

  const rowOf = (/** @type {{ name: string, seconds: number[] }[] | null} */ rows, /** @type {string} */ name) => rows?.find((row) => row.name === name)?.seconds;
  const nativeTime = (/** @type {Work} */ work) => {
    const name = `${work.analysis} ${Object.values(work.settings).filter((value) => value !== probabilities).join(' ')}`.trim();
    const seconds = work.analysis === 'logit-diff' ? natively.forward?.[0].seconds : rowOf(natively.experiment1, name);
    return seconds ? median(seconds) : null;
  };
  const total = natively.experiment1?.reduce((sum, { seconds }) => sum + median(seconds), 0);
  const lines = [
    `| ${device} | Chromium | first time | natively |`, '|---|---|---|---|',
    ...works.map((work) => `| ${work.name} | ${time(work.seconds)} | ${time(work.first)} | ${time(nativeTime(work))} |`),
    `| **Experiment 1** | **${time(experiment1)}** | | **${time(total)}** |`,
    `| all neurons | ${time(neurons)} | | ${time(natively.neurons?.reduce((sum, { seconds }) => sum + median(seconds), 0))} |`,
    `| the demo's study, first visit | | ${time(demo)} | |`, '',
    '| product | here | TFLOP/s | a plain product | share |', '|---|---|---|---|---|',
    ...beside.map(({ shape, seconds, yardstick, tflops, share }) => `| ${shape.join(' x ')} | ${time(seconds)} | ${tflops.toFixed(2)} | ${time(yardstick)} | ${Math.round(100 * share)} % |`), '',
    ...kernels.flatMap(({ work, launches }) => {
      const sum = launches.reduce((all, { total }) => all + total, 0);
      return [`| ${work}: ${time(sum)} on the GPU | workgroups | launches | each | all | share |`, '|---|---|---|---|---|---|',
        ...launches.slice(0, 12).map(({ kernel, shape, grid, launches, seconds, total }) => `| ${kernel}${shape ? ` ${shape.join(' x ')}` : ''} | ${grid.join(' x ')} | ${launches} | ${time(seconds)} | ${time(total)} | ${Math.round(100 * total / sum)} % |`), ''];
    }),
    '| natively, alone | each | GFLOP/s | PyTorch |', '|---|---|---|---|',
    ...(natively.kernels ?? []).map(({ name, gflop, seconds }) => `| ${name} | ${time(median(seconds))} | ${gflop > 0 ? Math.round(gflop / median(seconds)) : ''} | ${time(pytorch?.[name])} |`), '',
  ];
  const table = lines.join('\n');
  console.log(`\n${table}`);
  write({ what: `the GPU, ${isDemo ? 'the demo model' : 'GPT-2 small\u2019s shape'}`, device, opening, works, experiment1, neurons, demo, counts, kernels, products: beside, natively, pytorch });
  writeFileSync(given('PATCHLAB_BENCH', 'the file to write').replace(/\.json$/, '.md'), table);
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  await Promise.all([site.close(), watchedSite.close(), hub?.close()]);
}
