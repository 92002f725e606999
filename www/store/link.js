// The link in the address bar: `#e=`, then the experiment, the prompt under test and the view as deflated JSON in
// base64url.
// The model and the device are in the query (`?model=`, `?device=`), see ../opening/choices.js.

import { readExperiment, withoutDefaults } from './experiment.js';
import { readTest } from './draft.js';
import { readView } from './view.js';

/** @import { FullExperiment } from './experiment.js' */
/** @import { TestPrompt } from './store.js' */
/** @import { View } from './view.js' */

/** What a link holds. @typedef {{ experiment: FullExperiment, test: TestPrompt | null, view: View }} LinkedPage */

/** Longest fragment, in characters: browsers accept it, and no hand-written experiment needs more. */
export const LONGEST_LINK = 1 << 20;
/** Longest document, in bytes. A few kilobytes can inflate to gigabytes, and a link may come from anyone. */
const LONGEST_DOCUMENT = 4 << 20;

/** Most groups and pairs. A link of a kilobyte can hold enough to keep the page busy for minutes, now and, through the draft, on later visits. */
const MOST_PARTS = 1000;

/** @param {FullExperiment} experiment */
function isTooLarge({ groups }) {
  return groups.reduce((count, { pairs }) => count + 1 + pairs.length, 0) > MOST_PARTS;
}

/**
 * @param {FullExperiment} experiment
 * @param {TestPrompt} test
 * @param {View} study
 * @returns {Promise<string>} the fragment, including `#`; empty if the experiment is too large for a link
 */
export async function writeLink(experiment, test, study) {
  if (isTooLarge(experiment)) return '';
  const document = new TextEncoder().encode(JSON.stringify({ experiment: withoutDefaults(experiment), test, study }));
  if (document.length > LONGEST_DOCUMENT) return '';
  const bytes = await pipe(document, new CompressionStream('deflate-raw'), Infinity);
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  const fragment = `#e=${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
  return fragment.length > LONGEST_LINK ? '' : fragment;
}

/**
 * @param {string} fragment `location.hash`
 * @returns {Promise<LinkedPage | null>} null if it holds no experiment
 * @throws {Error} with a message for the user, if the link is damaged
 */
export async function readLink(fragment) {
  if (!fragment.startsWith('#e=')) return null;
  if (fragment.length > LONGEST_LINK) throw new Error('it is longer than any that this page writes');
  let document;
  try {
    const binary = atob(fragment.slice(3).replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = await pipe(Uint8Array.from(binary, (c) => c.charCodeAt(0)), new DecompressionStream('deflate-raw'), LONGEST_DOCUMENT);
    document = JSON.parse(new TextDecoder().decode(bytes), wellFormed);
  } catch (error) {
    if (error instanceof TooLong) throw new Error('it holds more than any that this page writes');
    throw new Error('it is incomplete or was changed on its way');
  }
  const experiment = readExperiment(document?.experiment);
  if (isTooLarge(experiment)) throw new Error(`it has more than ${MOST_PARTS} groups and prompt pairs`);
  return { experiment, test: readTest(document?.test), view: readView(document?.study) };
}

/** Replaces lone surrogates, which JSON can encode but the engine cannot accept, with U+FFFD. @param {string} _ @param {unknown} value */
function wellFormed(_, value) {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value;
}

class TooLong extends Error {}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {CompressionStream | DecompressionStream} stream
 * @param {number} limit most bytes of output; reading stops at the chunk that exceeds it
 */
async function pipe(bytes, stream, limit) {
  /** @type {ReadableStream<Uint8Array>} */
  const out = new Blob([bytes]).stream().pipeThrough(stream);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const chunks = [];
  let length = 0;
  // Not `for await`: some browsers do not support it on streams.
  const reader = out.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    length += read.value.length;
    if (length > limit) {
      await reader.cancel();
      throw new TooLong();
    }
    chunks.push(new Uint8Array(read.value));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
