// Compares two builds of the native command on the same work: every analysis of the demo model and of both recorded
// reference models. For changes that should not affect results.
//
//     node tests/browser/compare-reports.mjs OLD_PATCHLAB NEW_PATCHLAB
//
// Reports must agree in everything, numbers within TOLERANCE. Otherwise it lists the differences and exits with 1.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFixture, writeCheckpoint } from './harness/fixtures.mjs';

/** Ten times the rounding of a logit of these models, in f32. */
const TOLERANCE = 1e-6;
/** How many differences are listed per report. */
const LISTED = 20;

const root = new URL('../../', import.meta.url).pathname;

/** @typedef {{ path: string, old: unknown, new: unknown }} Difference */

/** The paths at which two JSON values differ. @param {unknown} before @param {unknown} after @param {string} path @returns {Difference[]} */
function differences(before, after, path = '') {
  const differ = [{ path, old: before, new: after }];
  if (typeof before === 'number' && typeof after === 'number') {
    return Math.abs(before - after) <= TOLERANCE ? [] : differ;
  }
  if (before === null || after === null || typeof before !== 'object' || typeof after !== 'object') {
    return before === after ? [] : differ;
  }
  if (Array.isArray(before) !== Array.isArray(after)) return differ;
  const [old, now] = [/** @type {Record<string, unknown>} */ (before), /** @type {Record<string, unknown>} */ (after)];
  const keys = new Set([...Object.keys(old), ...Object.keys(now)]);
  return [...keys].flatMap((key) => differences(old[key], now[key], `${path}/${key}`));
}

/** Every analysis of a model with its defaults, by name. @param {string} program @param {string} model @param {string[]} experiment @param {string} out @returns {Record<string, unknown>} */
function reports(program, model, experiment, out) {
  execFileSync(program, ['run', ...experiment, '--analysis', 'all', '--device', 'cpu', '--model', model, '--json', out], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const all = /** @type {{ analysis: string }[]} */ (JSON.parse(readFileSync(out, 'utf8')));
  return Object.fromEntries(all.map((report) => [report.analysis, report]));
}

/** Writes a recorded reference model as files. @param {string} name @param {string} folder */
function writeFixture(name, folder) {
  const { config, expected, parsed } = readFixture(name);
  writeFileSync(join(folder, 'config.json'), config);
  writeCheckpoint(join(folder, 'model.safetensors'), expected.seed, parsed);
  copyFileSync(join(root, 'tests/fixtures', name, 'groups.json'), join(folder, 'groups.json'));
}

const [old, now] = process.argv.slice(2);
if (!old || !now) {
  console.error('node tests/browser/compare-reports.mjs OLD_PATCHLAB NEW_PATCHLAB');
  process.exit(2);
}

let differing = 0;
const folder = mkdtempSync(join(tmpdir(), 'patchlab-reports-'));
try {
  for (const name of ['demo', 'tiny-a', 'tiny-b']) {
    const model = name === 'demo' ? join(root, 'www/models/demo') : mkdtempSync(join(folder, `${name}-`));
    if (name !== 'demo') writeFixture(name, model);
    const experiment = name === 'demo' ? [] : [join(model, 'groups.json')];
    const [before, after] = [old, now].map((program) => reports(program, model, experiment, join(folder, 'reports.json')));
    // Analyses that the old build does not have are nothing to compare.
    const found = Object.entries(before).flatMap(([analysis, report]) => differences(report, after[analysis], analysis));
    differing += found.length;
    console.log(`${name}: ${Object.keys(before).length} reports, ${found.length} differences`);
    for (const { path, old: was, new: is } of found.slice(0, LISTED)) {
      console.log(`  ${path}: ${JSON.stringify(was)} -> ${JSON.stringify(is)}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = differing > 0 ? 1 : 0;
