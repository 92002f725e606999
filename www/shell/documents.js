// The experiment as a file, and as a link in the clipboard.

import { readExperiment } from '../experiment.js';

/** @import { FullExperiment } from '../experiment.js' */
/** @import { Engine } from '../engine/client.js' */

/** @param {FullExperiment} experiment */
export function downloadExperiment(experiment) {
  const link = document.createElement('a');
  link.download = 'patchlab-experiment.json';
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(experiment, null, 2)}\n`], { type: 'application/json' }));
  link.click();
  // The download has its own reference by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * @param {File} file
 * @param {Engine} engine the last judge of what an experiment document is
 * @returns {Promise<FullExperiment>}
 * @throws {Error} in words, if the file is none
 */
export async function readExperimentFile(file, engine) {
  let document;
  try {
    document = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON. An experiment document is what "Export" writes.`);
  }
  let experiment;
  try {
    experiment = readExperiment(document);
  } catch (error) {
    throw new Error(`${file.name} is not an experiment document: ${error instanceof Error ? error.message : error}.`);
  }
  await engine.call('check', { experiment: document });
  return experiment;
}
