// Runs the tests in three lanes: those without a browser; those that measure time or fill the processor, one after the other;
// the rest, which mostly wait, three at a time. Prints how long each lane took.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

/** Files whose tests would spoil each other's times. */
const ALONE = ['counts', 'engine', 'gpt2-size', 'lost-device', 'parity', 'speed'].map((name) => `${name}.test.mjs`);
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const files = readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort();
const gone = ALONE.filter((name) => !files.includes(name));
if (gone.length > 0) throw new Error(`lanes.mjs names files that are not there: ${gone.join(', ')}`);

const lanes = [
  { name: 'without a browser', concurrency: 2, files: readdirSync(`${here}/unit`).filter((name) => name.endsWith('.test.mjs')).map((name) => `unit/${name}`) },
  { name: 'in browsers, side by side', concurrency: 3, files: files.filter((name) => !ALONE.includes(name)) },
  { name: 'in Chromium, alone', concurrency: 1, files: ALONE },
];
let failed = false;
/** @type {string[]} */
const times = [];
for (const { name, concurrency, files: own } of lanes) {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, '--test-timeout=1200000', '--test-reporter=spec', ...own], { cwd: here, stdio: 'inherit' });
  times.push(`${((performance.now() - start) / 1000).toFixed(0)} s ${name}`);
  failed ||= status !== 0;
}
console.log(`tests: ${times.join(', ')}`);
process.exit(failed ? 1 : 0);
