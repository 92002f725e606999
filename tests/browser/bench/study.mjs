// Timings of the page: from navigation to the first result, from an edit to its result, and the whole study of one group,
// including all neurons, by section. `cargo xtask bench study`.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserWithProfile, fieldId, openGroup, trusting, whenFresh } from '../harness/browser.mjs';
import { dist, linkTo } from '../harness/inputs.mjs';
import { serveFiles, serveSite } from '../harness/server.mjs';
import { firstGroup, runAll } from '../harness/study.mjs';
import { durations, editToResult, firstFresh, moments, noteMoments } from '../harness/timing.mjs';
import { fullCheckpoint, median, write } from './figures.mjs';

/** @import { BrowserContext } from 'playwright-core' */

const REPEATS = Number(process.env.PATCHLAB_REPEATS ?? 5);
const LONG_MS = 3_600_000;

const site = await serveSite(dist);
const hub = await serveFiles(fullCheckpoint());

/** Milliseconds until a new worker has loaded the module and responds. @param {BrowserContext} context */
async function workerStart(context) {
  const page = await context.newPage();
  await page.goto(`${site.url}www/models/demo/config.json`);
  const took = await page.evaluate(async (root) => {
    const { Engine } = await import(`${root}www/engine/client.js`);
    const start = performance.now();
    await new Engine().call('catalogue', {});
    return performance.now() - start;
  }, site.url);
  await page.close();
  return took;
}

/**
 * One visit.
 *
 * @param {BrowserContext} context
 * @param {string} query
 * @param {string | null} layers whose neurons are patched; null if the study is not computed
 */
async function visit(context, query, layers) {
  const page = await context.newPage();
  page.setDefaultTimeout(LONG_MS);
  await noteMoments(page);
  await page.goto(`${site.url}${query}${linkTo(firstGroup())}`);
  await whenFresh(page, 'logit-diff', { timeout: LONG_MS });
  await whenFresh(page, 'test-prompt', { timeout: LONG_MS });
  const first = firstFresh(await moments(page), 'logit-diff');

  const start = await page.evaluate(() => performance.now());
  /** @type {Record<string, number>} */
  const sections = {};
  if (layers !== null) {
    await page.fill('#set-neuron-patching-layers', layers);
    await page.press('#set-neuron-patching-layers', 'Enter');
    await runAll(page, LONG_MS);
    const noted = await moments(page);
    const sectionOf = await page.$$eval('.figure', (figures) => figures.map((figure) => [figure.id, figure.closest('.section')?.id.replace('section-', '') ?? '']));
    const took = durations(noted);
    for (const [figure, section] of sectionOf) sections[section] = (sections[section] ?? 0) + (took.get(figure) ?? 0);
    sections.whole = Math.max(...noted.filter(({ state }) => state === 'fresh').map(({ at }) => at)) - start;
  }
  await page.evaluate(() => scrollTo(0, 0));
  await openGroup(page, 0);
  const edits = [];
  for (const word of ['sister', 'brother', 'teacher', 'mother', 'father']) {
    edits.push(await editToResult(page, fieldId(0, 0, 'clean'), `We're helping our ${word} when they`));
    await page.waitForTimeout(500);
  }
  await page.close();
  return { first, edit: median(edits), sections };
}

const profile = mkdtempSync(join(tmpdir(), 'patchlab-bench-'));
const context = await browserWithProfile(profile);
/** @type {object[]} */
const results = [];
try {
  await trusting(context, [hub.origin]);
  await workerStart(context);
  const starts = [];
  for (let i = 0; i < REPEATS; i += 1) starts.push(await workerStart(context));
  console.log(`worker: ${median(starts).toFixed(0)} ms until the module answers`);
  for (const [name, query, repeats, layers] of /** @type {[string, string, number, string | null][]} */ ([
    ['demo model, CPU', '?device=cpu', REPEATS, 'all'],
    ['demo model, WebGPU (SwiftShader)', '?device=wgpu', 1, 'all'],
    // The two layers used in the notebook.
    ['full shape, CPU, neurons of layers 8 and 10', `?model=gpt2&device=cpu&weights=${hub.url}`, 1, process.env.PATCHLAB_FULL === '1' ? '8 10' : null],
  ])) {
    /** @type {Awaited<ReturnType<typeof visit>>[]} */
    const visits = [];
    for (let i = 0; i < repeats; i += 1) visits.push(await visit(context, query, layers));
    const of = (/** @type {(one: typeof visits[number]) => number} */ which) => median(visits.map(which));
    const sections = Object.fromEntries(Object.keys(visits[0].sections).map((section) => [section, of(({ sections: all }) => all[section])]));
    const result = { name, repeats, first: of(({ first }) => first), edit: of(({ edit }) => edit), sections };
    results.push(result);
    console.log(JSON.stringify(result));
  }
  write({ what: 'the page by the clock, milliseconds', worker: median(starts), results });
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  await Promise.all([site.close(), hub.close()]);
}
