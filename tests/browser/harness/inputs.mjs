// Inputs of the tests: the built site, the native reports, and experiments.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { deflateRawSync } from 'node:zlib';

/** @import { Dots, Experiment, Report, Table, TokenRows } from '../../../www/types/engine.js' */
/** @import { View } from '../../../www/store/view.js' */

/** The built site. */
export const dist = environment('PATCHLAB_DIST', 'the folder of the built site');

/** @param {string} name @param {string} what */
function environment(name, what) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: ${what}. "cargo xtask test" sets it.`);
  return value;
}

/** The native command's reports on the first preset, with the demo model on the CPU. @type {Report[] | null} */
let native = null;

/** The native report of an analysis. @param {string} name @returns {Report} */
export function nativeReport(name) {
  const folder = environment('PATCHLAB_NATIVE', 'a folder with reports of the native command');
  native ??= /** @type {Report[]} */ (JSON.parse(readFileSync(join(folder, 'all.json'), 'utf8')));
  const report = native.find((candidate) => candidate.analysis === name);
  assert.ok(report, `the native command made no report of ${name}`);
  return report;
}

/** @param {Report} report @returns {Dots} */
export function dotsPart(report) {
  const part = report.parts.find((candidate) => candidate.kind === 'dots');
  assert.ok(part, 'the report has no dots');
  return part;
}

/** @param {Report} report @returns {Table} */
export function tablePart(report) {
  const part = report.parts.find((candidate) => candidate.kind === 'table');
  assert.ok(part, 'the report has no table');
  return part;
}

/** @param {Report} report @returns {TokenRows} */
export function tokensPart(report) {
  const part = report.parts.find((candidate) => candidate.kind === 'tokens');
  assert.ok(part, 'the report has no tokens');
  return part;
}

/** A file of the demo checkpoint. @param {'config.json' | 'model.safetensors'} name */
export function demoFile(name) {
  return join(dist, 'www/models/demo', name);
}

/** Removed when the tests of a file have ended. @type {string | null} */
let chosen = null;
after(() => chosen && rmSync(chosen, { recursive: true, force: true }));

/** Files for a file input element, on disk: the browser reads them there. @param {Record<string, Buffer | string>} files @returns {string[]} paths */
export function chosenFiles(files) {
  chosen ??= mkdtempSync(join(tmpdir(), 'patchlab-chosen-'));
  const folder = mkdtempSync(join(chosen, 'files-'));
  return Object.entries(files).map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  });
}

/** The fragment of a link, as the page writes it. @param {Experiment} experiment @param {Partial<View>} [view] */
export function linkTo(experiment, view = {}) {
  return `#e=${deflateRawSync(JSON.stringify({ experiment, study: view })).toString('base64url')}`;
}

/** A small experiment: the notebook's first pair. @type {Experiment} */
export const onePair = {
  groups: [
    {
      name: "'re they",
      symmetric: true,
      pairs: [
        { clean: "We're helping our friend when they", corrupted: 'We are helping our friend when they', answer: "'re", distractor: ' are' },
      ],
    },
  ],
  prepend_bos: true,
};

/** @param {number[]} found @param {number[]} expected @param {number} tolerance @param {string} what */
export function assertClose(found, expected, tolerance, what) {
  assert.equal(found.length, expected.length, `${what}: another number of values`);
  found.forEach((value, index) => {
    const error = Math.abs(value - expected[index]);
    // Written so that NaN fails too.
    assert.ok(error <= tolerance, `${what}[${index}]: ${value} is not ${expected[index]} within ${tolerance}`);
  });
}
