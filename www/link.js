// The link in the address bar: `#e=` and the experiment, the prompt under test and how the study is looked at, as
// deflated JSON in base64url.
// The model and the device are in the query (`?model=`, `?device=`), see opening/choices.js.

import { readExperiment } from './experiment.js';
import { readTest } from './state.js';
import { readSetup } from './study/setup.js';

/** @import { FullExperiment } from './experiment.js' */
/** @import { TestPrompt } from './state.js' */
/** @import { Saved } from './study/setup.js' */

/** Characters of a fragment: what browsers take as an address, and more than a person's experiment needs. */
export const LONGEST_LINK = 1 << 20;
/** Bytes of the document. Deflated, a few kilobytes can become gigabytes, and a link may come from anyone. */
export const LONGEST_DOCUMENT = 4 << 20;

/** Groups and pairs: a kilobyte of link can hold so many that the page is busy for minutes, on every visit from then on. */
export const MOST_PARTS = 1000;

/** @param {FullExperiment} experiment */
function isTooLarge({ groups }) {
  return groups.reduce((count, { pairs }) => count + 1 + pairs.length, 0) > MOST_PARTS;
}

/**
 * @param {FullExperiment} experiment
 * @param {TestPrompt} test
 * @param {Saved} study
 * @returns {Promise<string>} the fragment, with its `#`; empty if there is too much for a link
 */
export async function writeLink(experiment, test, study) {
  if (isTooLarge(experiment)) return '';
  const document = new TextEncoder().encode(JSON.stringify({ experiment, test, study }));
  if (document.length > LONGEST_DOCUMENT) return '';
  const bytes = await pipe(document, new CompressionStream('deflate-raw'), Infinity);
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  const fragment = `#e=${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
  return fragment.length > LONGEST_LINK ? '' : fragment;
}

/**
 * @param {string} fragment `location.hash`
 * @returns {Promise<{ experiment: FullExperiment, test: TestPrompt | null, study: Partial<Saved> } | null>} null if it holds no experiment
 * @throws {Error} in words, if it holds a damaged one
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
  return { experiment, test: readTest(document?.test), study: readSetup(document?.study) };
}

/** Half a character, which JSON can name and the engine cannot take, becomes the sign for one. @param {string} _ @param {unknown} value */
function wellFormed(_, value) {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value;
}

class TooLong extends Error {}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {CompressionStream | DecompressionStream} stream
 * @param {number} limit bytes that may come out; the stream is stopped at the chunk that exceeds it
 */
async function pipe(bytes, stream, limit) {
  /** @type {ReadableStream<Uint8Array>} */
  const out = new Blob([bytes]).stream().pipeThrough(stream);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const chunks = [];
  let length = 0;
  // A reader instead of `for await`, which not every browser has for streams.
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
