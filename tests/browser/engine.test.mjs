// The engine in the browser against the values recorded with TransformerLens, one quantity of each kind, on the CPU and
// on WebGPU. The reports from the worker are compared, without the page's figures.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertClean, freshBrowser, watchedPage, thorough } from './harness/browser.mjs';
import { circuitGroups, fixtureGroups, readFixture, recordedCircuits, recordedValues, writeCheckpoint } from './harness/fixtures.mjs';
import { assertClose, dist } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { TestContext } from 'node:test' */
/** @import { Attention, Experiment, Grid, Part, Report, TextLens, TokenValues, Table } from '../../www/types/engine.js' */

/** Relative to the largest magnitude for attributions and attention, absolute for normalised maps. tests/analyses.rs says why. */
const TOLERANCE = 1e-4;
const NORMALIZED = 2e-4;

/**
 * A separate engine in a page, with a recorded model open.
 *
 * @param {TestContext} t
 * @param {string} model
 * @param {'cpu' | 'wgpu'} device
 */
async function openEngine(t, model, device) {
  const { config, parsed, expected } = readFixture(model);
  const folder = mkdtempSync(join(tmpdir(), 'patchlab-engine-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const weights = join(folder, 'model.safetensors');
  writeCheckpoint(weights, expected.seed, parsed);

  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.route('**/recorded/config.json', (route) => route.fulfill({ body: config }));
  await page.route('**/recorded/model.safetensors', (route) => route.fulfill({ path: weights }));
  await page.goto(`${site.url}?device=cpu`);
  const opened = await page.evaluate(async ({ model, device }) => {
    const { Engine } = await import(new URL('./www/engine/client.js', location.href).href);
    const engine = new Engine();
    Object.assign(window, { engine });
    const files = await Promise.all(['config.json', 'model.safetensors'].map(async (name) => new File([await (await fetch(`./recorded/${name}`)).blob()], name)));
    return engine.call('open', { model: { from: 'files', name: model, files }, device });
  }, { model, device });
  assert.equal(opened.model.device.kind, device);

  /** @param {string} analysis @param {object} [settings] @param {number[]} [groups] @param {Experiment} [all] @returns {Promise<Report>} */
  const run = async (analysis, settings = {}, groups = [0, 1, 2], all = fixtureGroups(model)) => {
    const experiment = { ...all, groups: groups.map((group) => all.groups[group]) };
    const report = await page.evaluate((request) => /** @type {any} */ (window).engine.call('run', request), { analysis, settings, experiment });
    assert.deepEqual(report.problems, []);
    return report;
  };
  return { run, watched, expected, recorded: recordedValues(model) };
}

/** @param {Report} report @returns {Grid[]} */
function gridsOf(report) {
  return report.parts.filter((part) => part.kind === 'heat' || part.kind === 'line');
}

/** A panel's per-prompt values, by cell, as in the fixtures. @param {Grid} grid @param {number} panel @param {number} [measure] */
function byCell(grid, panel, measure = 0) {
  const { prompts } = grid.panels[panel].values[measure];
  return prompts[0].flatMap((_, cell) => prompts.map((prompt) => Number(prompt[cell])));
}

/** @param {number[]} numbers */
function largest(numbers) {
  return numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
}

/** @param {number[]} numbers */
function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** @typedef {Awaited<ReturnType<typeof openEngine>>} Opened */

/** @param {Opened} opened @param {string} model @param {number[]} groups */
async function compareAttributions({ run, recorded }, model, groups) {
  for (const [analysis, settings, name] of /** @type {const} */ ([
    ['logit-lens', {}, 'lens'],
    ['layer-attribution', {}, 'layers'],
    ['head-attribution', {}, 'heads'],
    ['neuron-attribution', {}, 'neurons'],
  ])) {
    const [grid] = gridsOf(await run(analysis, settings, groups));
    for (const [panel, group] of groups.entries()) {
      const wanted = recorded(`group${group}/${name}`).flat();
      if (name === 'layers') wanted.push(...recorded(`group${group}/bias/unembed`).flat());
      assertClose(byCell(grid, panel), wanted, TOLERANCE * largest(wanted), `${model}, group ${group}, ${name}`);
    }
  }
}

/** @param {Opened} opened @param {string} model @param {string} analysis @param {object} settings @param {string[]} maps @param {number[]} groups */
async function compareMaps({ run, recorded }, model, analysis, settings, maps, groups) {
  const grids = gridsOf(await run(analysis, settings, groups));
  assert.equal(grids.length, maps.length);
  for (const [index, map] of maps.entries()) {
    for (const [panel, group] of groups.entries()) {
      const corrupted = recorded(`group${group}/corrupted/logit_diff`).flat();
      const span = mean(recorded(`group${group}/clean/logit_diff`).flat()) - mean(corrupted);
      const patched = recorded(`group${group}/denoise/${map}/logit_diff`).flat();
      const wanted = patched.map((number, i) => (number - corrupted[i % corrupted.length]) / span);
      assertClose(byCell(grids[index], panel), wanted, NORMALIZED, `${model}, group ${group}, ${map}`);
    }
  }
}

/** @param {Opened} opened @param {string} model */
async function compareAttention({ run, recorded }, model) {
  const report = await run('attention', { heads: 'all', group: '0' });
  const [attention] = /** @type {(Part & Attention)[]} */ (report.parts);
  for (const { name, layer, head, rows } of attention.prompts[0].heads) {
    const positions = rows.length;
    const matrix = recorded(`cache/blocks.${layer}.attn.hook_pattern`).slice(head * positions, (head + 1) * positions);
    rows.forEach((row, destination) => assertClose(row, matrix[destination].slice(0, destination + 1), TOLERANCE, `${model}, ${name}`));
  }
}

/** @param {Opened} opened @param {string} model */
async function compareText({ run, recorded, expected }, model) {
  const [lens] = /** @type {(Part & TextLens)[]} */ ((await run('text-lens')).parts);
  const logits = recorded('text_lens_recomputed/logits').flat();
  assertClose(lens.cells.flat(2).map((guess) => guess.logit), logits, TOLERANCE * largest(logits), `${model}, text lens`);

  const { layer, neuron } = expected.neuron_examples[1];
  const parts = (await run('neuron-on-text', { neuron: `L${layer}N${neuron}`, text: fixtureGroups(model).groups[0].pairs[0].clean })).parts;
  const [values, ...tables] = /** @type {[Part & TokenValues, ...(Part & Table)[]]} */ (parts);
  // The long text starts with the first prompt, and attention is causal.
  const { tokens } = values.rows[0];
  const differ = tokens.findIndex(({ id }, position) => id !== expected.long_tokens[position]);
  const common = differ < 0 ? tokens.length : differ;
  assert.ok(common > 4, `only ${common} tokens in common`);
  assertClose(values.rows[0].values.slice(0, common), recorded('neuron_on_text')[1].slice(0, common), TOLERANCE * largest(recorded('neuron_on_text')[1]), `${model}, neuron on text`);
  for (const [index, name] of ['promoted', 'suppressed'].entries()) {
    const wanted = recorded(`neuron_tokens/${name}/values`)[1];
    assertClose(tables[index].rows.map((row) => Number(row.cells[1])), wanted, TOLERANCE * largest(wanted), `${model}, ${name}`);
  }
}

/** What is recorded in causal.safetensors: one of each kind, on the group that is not symmetric. @param {Opened} opened @param {string} model */
async function compareCausal({ run, recorded }, model) {
  /** @param {string} name */
  const values = (name) => recorded(name).flat();
  for (const [analysis, settings, measure, name] of /** @type {const} */ ([
    ['logit-lens', { scale: 'own' }, 0, 'lens/logit_diff'],
    ['ablation', { probabilities: false }, 0, 'ablation/heads/zero/all/change'],
    ['self-repair', { heads: 'L1H1' }, 0, 'self_repair/one/zero/after'],
    ['path-patching', {}, 1, 'path/noise/live_live/final/heads'],
    ['path-patching', { receivers: 'L2H1.q', direction: 'denoise' }, 1, 'path/denoise/live_live/q/heads'],
    ['source-attribution', { heads: 'all' }, 0, 'source'],
  ])) {
    const [grid] = gridsOf(await run(analysis, settings, [2]));
    const found = byCell(grid, 0, measure);
    // Of paths, only the heads that come before the receiver are shown.
    assertClose(found, values(`group2/${name}`).slice(0, found.length), NORMALIZED, `${model}, ${analysis} ${JSON.stringify(settings)}`);
  }

  // The scores of all pairs of components, summed over what wrote the query: `[key, source, prompt]`.
  const [byKey] = gridsOf(await run('score-decomposition', { head: 'L2H1', top_k: 1000 }, [2]));
  const pairs = values('group2/scores');
  const components = byKey.rows.ticks.length - 1; // the last row is the score
  const each = pairs.length / components;
  const wanted = Array.from({ length: each }, (_, index) => Array.from({ length: components }, (_, query) => pairs[query * each + index]).reduce((a, b) => a + b));
  assertClose(byCell(byKey, 0).slice(0, each), wanted, NORMALIZED, `${model}, scores by key`);

  const report = await run('head-atlas', {}, [2]);
  const [attention, copies] = gridsOf(report);
  for (const [grid, panel, name] of /** @type {const} */ ([[attention, 0, 'bos/whole/previous'], [attention, 2, 'bos/whole/induction'], [copies, 0, 'copying'], [copies, 1, 'copying_full']])) {
    assertClose(grid.panels[panel].values[0].mean.map(Number), values(`atlas/${name}`), TOLERANCE, `${model}, ${name}`);
  }
}

/** Every edge, exactly and by gradients: the values of circuits.safetensors, of the group that is not symmetric. @param {Opened} opened @param {string} model */
async function compareEdges({ run }, model) {
  const recorded = recordedValues(model, ['circuits.safetensors']);
  for (const [method, name] of /** @type {const} */ ([['exact', 'exact/noise'], ['eap', 'eap/noise'], ['eap-ig', 'eap-ig/noise/5'], ['relp', 'relp/noise']])) {
    const [edges] = (await run('edge-attribution', { method }, [2], circuitGroups())).parts;
    if (edges.kind !== 'edges') throw new Error(`${edges.kind} comes first`);
    const wanted = recorded(`2/${name}`).flat();
    // Exact edges are differences of float32 logits (tests/edges.rs).
    assertClose(byCell(edges, 0), wanted, TOLERANCE * largest(wanted) + (method === 'exact' ? 2e-5 : 0), `${model}, ${name}`);
  }
}

/** A circuit named edge by edge, with all that can stand in place of the others. @param {Opened} opened @param {string} model */
async function compareCircuits({ run }, model) {
  const recorded = recordedValues(model, ['circuits.safetensors']);
  const { edges, circuits } = recordedCircuits(model);
  const row = Object.keys(circuits).indexOf('hand');
  for (const ablation of ['resample', 'mean', 'zero']) {
    const settings = { edges: circuits.hand.map((edge) => edges[edge]).join(' '), ablation };
    const dots = (await run('circuit', settings, [2], circuitGroups())).parts.find((part) => part.kind === 'dots');
    const found = dots?.series[0].points.map(({ value }) => value) ?? [];
    const wanted = recorded(`2/circuit/${ablation}`)[row].flat();
    assertClose(found, wanted, TOLERANCE * Math.max(1, largest(wanted)), `${model}, circuit, ${ablation}`);
  }
}

/** @param {Opened} opened @param {number[]} groups */
async function compareChecks({ run }, groups) {
  for (const part of /** @type {(Part & Table)[]} */ ((await run('checks', {}, groups)).parts)) {
    for (const row of part.rows) assert.equal(row.mark, 'passed', JSON.stringify(row));
  }
}

for (const model of ['tiny-a', 'tiny-b']) {
  test(`every quantity of ${model} agrees with TransformerLens on the CPU`, async (t) => {
    const opened = await openEngine(t, model, 'cpu');
    const groups = [0, 1, 2];
    await compareAttributions(opened, model, groups);
    await compareAttention(opened, model);
    await compareText(opened, model);
    for (const site of ['resid_pre', 'resid_mid', 'resid_post']) {
      await compareMaps(opened, model, 'residual-patching', { site }, [site], groups);
    }
    await compareMaps(opened, model, 'component-patching', {}, ['attn_out', 'mlp_out'], groups);
    await compareMaps(opened, model, 'head-patching', {}, ['z', 'v', 'pattern', 'q', 'k'], groups);
    await compareMaps(opened, model, 'neuron-patching', {}, ['mlp_post'], groups);
    await compareCausal(opened, model);
    await compareEdges(opened, model);
    await compareCircuits(opened, model);
    await compareChecks(opened, groups);
    assertClean(opened.watched);
  });

  (model === 'tiny-b' ? test : thorough)(`one of each kind of quantity of ${model} agrees with TransformerLens on WebGPU`, async (t) => {
    const opened = await openEngine(t, model, 'wgpu');
    const groups = [2];
    await compareAttributions(opened, model, groups);
    await compareAttention(opened, model);
    await compareText(opened, model);
    // Without logits over the whole vocabulary, which take minutes on a software GPU.
    await compareMaps(opened, model, 'residual-patching', { probabilities: false }, ['resid_pre'], groups);
    await compareMaps(opened, model, 'head-patching', { probabilities: false }, ['z', 'v', 'pattern', 'q', 'k'], groups);
    await compareMaps(opened, model, 'neuron-patching', {}, ['mlp_post'], groups);
    await compareEdges(opened, model);
    await compareCircuits(opened, model);
    assertClean(opened.watched);
  });
}
