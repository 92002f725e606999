// Shared by all browser benchmarks: the checkpoint of GPT-2's full shape, medians, and writing of results.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFixture, writeCheckpoint } from '../harness/fixtures.mjs';

/** The files of a generated checkpoint of GPT-2 small's shape, for a server. They are written once. */
export function fullCheckpoint() {
  const { config, parsed, expected } = readFixture('full');
  const folder = join(tmpdir(), 'patchlab-bench-full');
  const files = { 'config.json': join(folder, 'config.json'), 'model.safetensors': join(folder, 'model.safetensors') };
  // The configuration is written last, so that a partial checkpoint is not mistaken for a complete one.
  if (!existsSync(files['config.json'])) {
    mkdirSync(folder, { recursive: true });
    writeCheckpoint(files['model.safetensors'], expected.seed, parsed);
    writeFileSync(files['config.json'], config);
  }
  return files;
}

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** An environment variable set by `cargo xtask bench`. @param {string} name @param {string} what */
export function given(name, what) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: ${what}. "cargo xtask bench" sets it.`);
  return value;
}

/** Writes results to PATCHLAB_BENCH, with a description of the machine. @param {object} results */
export function write(results) {
  const machine = `${cpus().length} x ${cpus()[0].model}`;
  writeFileSync(given('PATCHLAB_BENCH', 'the file to write'), `${JSON.stringify({ machine, ...results }, null, 1)}\n`);
}
