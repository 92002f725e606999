// Random and mutated links, for a given time: `node link.mjs [minutes] [seed]`. A finding is shrunk and printed with the
// seed that reproduces it.

import { readdirSync, readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { judgeLink } from './link-judge.mjs';

const minutes = Number(process.argv[2] ?? 1);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const folder = new URL('corpus/link/', import.meta.url);
const links = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8').trim());

/** @param {string | Uint8Array} content */
const deflated = (content) => `#e=${deflateRawSync(content).toString('base64url')}`;

// Documents that are valid except in a few places, where they contain junk.
const junk = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(-1, 0.5, 1e308, 2 ** 53, '__proto__', '<img src=x onerror=alert(1)>', null, [], {}));
const text = fc.oneof({ weight: 40, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) }, { weight: 1, arbitrary: junk });
const flag = fc.oneof({ weight: 40, arbitrary: fc.boolean() }, { weight: 1, arbitrary: junk });
const count = fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 5 }) }, { weight: 2, arbitrary: fc.integer() }, { weight: 1, arbitrary: junk });
const some = (/** @type {Record<string, fc.Arbitrary<unknown>>} */ fields) => fc.oneof(
  { weight: 60, arbitrary: fc.record(fields) },
  { weight: 1, arbitrary: fc.record(fields, { requiredKeys: [] }) },
  { weight: 1, arbitrary: junk },
);
const list = (/** @type {fc.Arbitrary<unknown>} */ of, maxLength = 4) => fc.oneof({ weight: 60, arbitrary: fc.array(of, { maxLength }) }, { weight: 1, arbitrary: junk });
const experiment = some({
  groups: list(some({ name: text, symmetric: flag, pairs: list(some({ clean: text, corrupted: text, answer: text, distractor: text })) })),
  prepend_bos: flag,
});
const item = some({
  kind: fc.oneof(fc.constantFrom('head', 'neuron', 'patch'), junk), group: count, layer: count,
  head: fc.option(count, { nil: undefined }), neuron: fc.option(count, { nil: undefined }), position: fc.option(count, { nil: undefined }), site: fc.option(text, { nil: undefined }),
});
const study = some({
  shown: list(count), direction: fc.oneof(fc.constantFrom('denoise', 'noise'), junk), measure: text, compared: list(count, 2),
  settings: fc.oneof(fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'logit-diff')), fc.oneof(fc.dictionary(fc.string(), junk), junk)), junk),
  pins: list(item), open: fc.oneof(item, fc.constant(null)), section: text,
});
const test = fc.oneof(some({ group: count, pair: count, swapped: flag }), some({ prompt: text, answer: text }));
const documents = some({ experiment, test, study }).map((document) => JSON.stringify(document));

/** A text with parts cut out, doubled, or changed. @param {fc.Arbitrary<string>} of */
const mutated = (of) => fc.tuple(of, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 20 }), fc.string({ maxLength: 4 }), fc.boolean()), { maxLength: 3 })).map(([whole, changes]) =>
  changes.reduce((text, [place, length, put, isCut]) => {
    const at = place % (text.length + 1);
    return text.slice(0, at) + put + text.slice(isCut ? at + length : Math.max(0, at - length));
  }, whole));

const fragments = fc.oneof(
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.string().map((rest) => `#e=${rest}`) },
  { weight: 2, arbitrary: fc.base64String().map((rest) => `#e=${rest}`) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map(deflated) },
  { weight: 2, arbitrary: mutated(fc.constantFrom(...links)) },
  { weight: 4, arbitrary: mutated(documents).map(deflated) },
  { weight: 10, arbitrary: documents.map(deflated) },
);

/** @type {Record<string, number>} */
const outcomes = { none: 0, refused: 0, read: 0 };
let slowest = 0;
const started = performance.now();
await fc.assert(
  fc.asyncProperty(fragments, async (fragment) => {
    const start = process.cpuUsage();
    outcomes[await judgeLink(fragment)] += 1;
    const { user, system } = process.cpuUsage(start);
    slowest = Math.max(slowest, (user + system) / 1000);
  }),
  { numRuns: 10_000_000, interruptAfterTimeLimit: minutes * 60_000, markInterruptAsFailure: false, seed, verbose: 0 },
);
const total = outcomes.none + outcomes.refused + outcomes.read;
console.log(`${total} links in ${((performance.now() - started) / 60_000).toFixed(1)} min, seed ${seed}:`, outcomes, `at most ${slowest.toFixed(0)} ms of work each, ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`);
