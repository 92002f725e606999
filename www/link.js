// The link in the address bar: `#e=` and the experiment, the prompt under test and how the study is looked at, as
// deflated JSON in base64url.
// The model and the device are in the query (`?model=`, `?device=`), see opening/choices.js.

import { readExperiment } from './experiment.js';
import { readTest } from './state.js';
import { readSetup } from './study/setup.js';

/** @import { FullExperiment } from './experiment.js' */
/** @import { TestPrompt } from './state.js' */
/** @import { Saved } from './study/setup.js' */

/**
 * @param {FullExperiment} experiment
 * @param {TestPrompt} test
 * @param {Saved} study
 * @returns {Promise<string>} the fragment, with its `#`
 */
export async function writeLink(experiment, test, study) {
  const bytes = await pipe(new TextEncoder().encode(JSON.stringify({ experiment, test, study })), new CompressionStream('deflate-raw'));
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return `#e=${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

/**
 * @param {string} fragment `location.hash`
 * @returns {Promise<{ experiment: FullExperiment, test: TestPrompt | null, study: Partial<Saved> } | null>} null if it holds no experiment
 * @throws {Error} in words, if it holds a damaged one
 */
export async function readLink(fragment) {
  if (!fragment.startsWith('#e=')) return null;
  let document;
  try {
    const binary = atob(fragment.slice(3).replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = await pipe(Uint8Array.from(binary, (c) => c.charCodeAt(0)), new DecompressionStream('deflate-raw'));
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Error('it is incomplete or was changed on its way');
  }
  return { experiment: readExperiment(document?.experiment), test: readTest(document?.test), study: readSetup(document?.study) };
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {CompressionStream | DecompressionStream} stream
 */
async function pipe(bytes, stream) {
  const out = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(out).arrayBuffer());
}
