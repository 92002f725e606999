// Network faults during a download, one at a time: the model still opens with the right numbers, or the page says why it
// does not.

import assert from 'node:assert/strict';
import { LARGE, carried, repeated, sum, union } from './harness/faults.mjs';
import { config, demo, elsewhere, keptOf, opensWell, outdated, sharedBrowser, wide } from './harness/opening.mjs';
import { testRows } from './harness/rows.mjs';

/** @import { Answer, Fault, FaultServer } from './harness/faults.mjs' */
/** @import { Row } from './harness/rows.mjs' */

const PIECE = 4 << 20;
const AT_ONCE = 4;
/** Failures in a row after which a range is given up. */
const TRIES = 6;
/** Bytes of a response that the browser may have received but not delivered to the page when the connection ends. */
const IN_PIPE = 256 << 10;

const length = wide['model.safetensors'].length;

/** Attempts at each large piece, keyed by the end of its range. @param {FaultServer} hub @returns {Answer[][]} */
function attempts(hub) {
  const ends = new Set(hub.of().filter(({ start, end }) => end - start >= LARGE).map(({ end }) => end));
  return [...ends].map((end) => hub.of().filter((answer) => answer.end === end));
}

/** The largest number of responses that were in flight at the same time. @param {Answer[]} answers */
function mostAtOnce(answers) {
  return Math.max(...answers.map(({ at }) => answers.filter((other) => other.at <= at && other.ended > at).length));
}

/** Cuts a piece after three quarters, slowly enough for the page to read what arrives. @param {number} size @returns {Fault} */
function cutWithin(size) {
  return { perSecond: size, cutAfter: Math.floor(0.75 * size) };
}

/** Checks that every piece was requested this many times. @param {number} times @returns {Row['check']} */
function eachTried(times) {
  return ({ hub }) => {
    assert.ok(attempts(hub).length >= 3);
    for (const tried of attempts(hub)) assert.equal(tried.length, times);
  };
}

/** Checks that each piece was resumed where it was cut. @param {{ hub: FaultServer }} done */
function wentOn({ hub }) {
  const cut = hub.of().filter(({ outcome }) => outcome === 'cut' || outcome === 'left');
  assert.ok(cut.length > 0);
  for (const { start, end, sent } of cut) {
    const next = hub.of().find((answer) => answer.end === end && answer.start > start);
    assert.ok(next && next.start <= start + sent, `the part from ${start} to ${end} did not go on behind ${sent} bytes`);
  }
  assert.ok(repeated(hub.of()) <= cut.length * IN_PIPE, `${repeated(hub.of())} bytes came twice`);
}

/** Checks that nothing was downloaded twice. @param {{ hub: FaultServer }} done */
function nothingTwice({ hub }) {
  assert.equal(repeated(hub.of()), 0);
  assert.ok(sum(carried(hub.of())) > 0.99 * length);
}

/** @type {Row[]} */
const rows = [
  {
    name: 'nothing goes wrong',
    onPage: true,
    async check({ page, hub, end }) {
      nothingTwice({ hub });
      const answers = hub.of();
      assert.ok(answers.every(({ ranged, start, end: last }) => ranged && last - start <= PIECE));
      assert.ok(mostAtOnce(answers) <= AT_ONCE);
      assert.equal(end.network, sum(carried(answers)));
      assert.equal(end.unkept, null);
      assert.deepEqual(union(await keptOf(page, hub.url)), union(carried(answers)));
    },
  },
  {
    name: 'every part is cut once',
    onPage: true,
    fault: ({ tries, size }) => (size >= LARGE && tries === 0 ? cutWithin(size) : null),
    note: /Trying again/,
    check: wentOn,
  },
  {
    name: 'every part is cut once, and none says how long it is',
    host: { lengths: false },
    fault: ({ tries, size }) => (size >= LARGE && tries === 0 ? cutWithin(size) : null),
    check: wentOn,
  },
  {
    // Each attempt makes progress, so these do not count as failures in a row.
    name: 'a part is cut more often than it may fail in a row',
    hurry: 4,
    fault: ({ large, size, tries, end }, hub) => ((large === 0 && size >= LARGE) || (end === firstLarge(hub) && tries <= TRIES + 2) ? { perSecond: 800_000, cutAfter: 400_000 } : null),
    check: ({ hub }) => assert.equal(hub.of().filter(({ outcome }) => outcome === 'cut').length, TRIES + 3),
  },
  {
    name: 'the header is cut',
    hurry: 4,
    fault: ({ nth }) => (nth < 2 ? { cutAfter: 3 } : null),
  },
  {
    name: 'connections are reset before anything comes',
    hurry: 4,
    fault: ({ tries, size }) => (size >= LARGE && tries < 3 ? { reset: true } : null),
    check: ({ hub }) => assert.equal(hub.of().filter(({ outcome }) => outcome === 'cut').length, 3 * attempts(hub).length),
  },
  {
    name: 'the host refuses connections for a while',
    onPage: true,
    hurry: 3,
    fault: ({ large, size }, hub) => {
      if (large === 1 && size >= LARGE) void hub.down().then(() => setTimeout(() => hub.up(), 700));
    },
    note: /cannot be reached[\s\S]*Trying again/,
  },
  {
    // Longer than all attempts take.
    name: 'this machine is offline for a while',
    hurry: 10,
    prefix: `{
      const ask = self.fetch;
      let back = 0;
      self.fetch = (...request) => ask(...request).catch((error) => {
        back ||= performance.now() + 30_000;
        throw error;
      });
      Object.defineProperty(navigator, 'onLine', { get: () => performance.now() >= back });
    }\n`,
    fault: ({ large, size }, hub) => {
      if (large === 1 && size >= LARGE) void hub.down().then(() => setTimeout(() => hub.up(), 2800));
    },
    note: /offline/,
  },
  {
    name: 'HTTP 500, then 503',
    hurry: 4,
    fault: ({ tries, size }) => (size >= LARGE && tries < 2 ? { status: [500, 503][tries] } : null),
    note: /has a problem \(HTTP 50/,
    check: eachTried(3),
  },
  {
    // Chromium itself retries once.
    name: 'HTTP 408',
    hurry: 4,
    fault: ({ tries, size }) => (size >= LARGE && tries < 3 ? { status: 408 } : null),
    check: eachTried(4),
  },
  {
    name: 'HTTP 429, to wait for two seconds',
    fault: ({ large, size }) => (large === 1 && size >= LARGE ? { status: 429, retryAfter: '2' } : null),
    note: /asks to wait/,
    check: ({ hub }) => {
      const pause = pauseAfter(hub, 429);
      assert.ok(pause >= 1900 && pause < 6000, `${pause} ms`);
    },
  },
  {
    name: 'HTTP 429, to wait for an hour: a minute is enough',
    hurry: 40,
    fault: ({ large, size }) => (large === 1 && size >= LARGE ? { status: 429, retryAfter: '3600' } : null),
    check: ({ hub }) => {
      const pause = 40 * pauseAfter(hub, 429);
      assert.ok(pause >= 55_000 && pause < 120_000, `${pause} ms`);
    },
  },
  {
    name: 'config.json is refused once',
    fault: ({ path, nth }) => (path === 'config.json' && nth === 0 ? { status: 503 } : null),
    check: ({ hub }) => assert.equal(hub.of('config.json').length, 2),
  },
  {
    name: 'the host falls silent within a part',
    hurry: 5,
    fault: ({ large, size }) => (large === 1 && size >= LARGE ? { stall: { after: Math.floor(size / 2), ms: 30_000 } } : null),
    note: /has sent nothing for [5-9] seconds/,
    check({ hub }) {
      wentOn({ hub });
      const [silent] = hub.of().filter(({ outcome }) => outcome === 'left');
      const waited = (5 * (silent.ended - silent.at)) / 1000;
      assert.ok(waited >= 14 && waited < 25, `given up after ${waited} s`);
    },
  },
  {
    name: 'the host takes a connection and says nothing at all',
    hurry: 5,
    fault: ({ large, size }) => (large === 1 && size >= LARGE ? { delay: 30_000 } : null),
    note: /has sent nothing for [5-9] seconds/,
  },
  {
    name: 'a slow host that never stops is left alone',
    hurry: 10,
    fault: ({ large, size }) => (large === 1 && size >= LARGE ? { perSecond: size / 4 } : null),
    check({ hub }) {
      nothingTwice({ hub });
      for (const tried of attempts(hub)) assert.equal(tried.length, 1);
    },
  },
  {
    name: 'answers come in the opposite order',
    fault: ({ large, size }) => (size >= LARGE ? { delay: Math.max(0, 900 - 300 * large) } : null),
    check({ hub }) {
      nothingTwice({ hub });
      const ends = attempts(hub).map(([only]) => only.ended);
      assert.ok(ends[0] > ends[2], 'they came in order');
    },
  },
  {
    name: 'bodies that are shorter than they should be',
    fault: ({ tries, size }) => (size >= LARGE && tries === 0 ? { longerBy: -Math.floor(size / 4) } : null),
    check({ hub }) {
      nothingTwice({ hub });
      for (const [short, rest] of attempts(hub)) assert.equal(rest.start, short.start + short.sent);
    },
  },
  {
    name: 'bodies that are longer than they should be, once',
    fault: ({ tries, size }) => (size >= LARGE && tries === 0 ? { longerBy: 10 } : null),
    check: ({ hub }) => assert.ok(hub.of().every(({ ranged, start, end }) => ranged && end > start), 'a range of nothing was asked for'),
  },
  {
    name: 'bodies that are always longer than they should be',
    hurry: 10,
    fault: ({ size }) => (size >= LARGE ? { longerBy: 100_000 } : null),
    fails: /more than was asked for/,
  },
  {
    name: 'another part than was asked for, once',
    fault: ({ tries, size }) => (size >= LARGE && tries === 0 ? { shiftBy: 4096 } : null),
    check: eachTried(2),
  },
  {
    name: 'always another part than was asked for',
    hurry: 10,
    fault: ({ size }) => (size >= LARGE ? { shiftBy: 4096 } : null),
    fails: /another part than was asked for/,
  },
  {
    name: 'the file disappears',
    fault: ({ large, size }) => (size >= LARGE && large >= 1 ? { status: 404 } : null),
    fails: /no such file/,
    check: ({ hub }) => assert.ok(attempts(hub).every((tried) => tried.length === 1), 'it was asked for again'),
  },
  {
    name: 'the file may not be read',
    fault: ({ path }) => (path === 'model.safetensors' ? { status: 403 } : null),
    fails: /does not let anyone read it/,
    check: ({ hub }) => assert.equal(hub.of().length, 1),
  },
  {
    name: 'the file ends before it should',
    files: { 'config.json': config, 'model.safetensors': wide['model.safetensors'].subarray(0, length / 2) },
    fails: /ends/,
    code: 'checkpoint',
  },
  {
    name: 'the last attempt succeeds',
    hurry: 10,
    fault: ({ large, end, size, tries }, hub) => (size >= LARGE && tries < TRIES - 1 && (large === 0 || end === firstLarge(hub)) ? { status: 502 } : null),
    check: ({ hub }) => assert.equal(attempts(hub)[0].length, TRIES),
  },
  {
    name: 'the host is gone for good, and is back when it is tried again',
    onPage: true,
    hurry: 4,
    fault: ({ size, large }) => (size >= LARGE && large >= 2 ? { cutAfter: 0 } : null),
    fails: /is kept/,
    async check({ page, hub }) {
      for (const tried of attempts(hub)) assert.ok(tried.length <= TRIES + 1);
      const before = await keptOf(page, hub.url);
      // Requests that are sent together arrive in any order, so that one of the two may be the last, shorter piece.
      assert.ok(before.filter(({ start, end }) => end - start >= LARGE).length >= 2, `${sum(before)} bytes are kept`);
      hub.fault = null;
      hub.answers.length = 0;
      await page.click('#retry-opening');
      const end = await opensWell(page);
      assert.ok(end.storage >= sum(before.filter(({ start, end: last }) => last - start >= LARGE)));
      assert.deepEqual(union([...before, ...carried(large(hub))]), union(await keptOf(page, hub.url)));
      assert.equal(sum(carried(large(hub))), length - sum(union(before)));
    },
  },
  {
    name: 'a host that knows no ranges',
    host: { ranges: false },
    check({ hub, end }) {
      nothingTwice({ hub });
      assert.equal(hub.of().length, 1);
      assert.equal(end.unkept, null);
    },
  },
  {
    name: 'a host that knows no ranges and says no length',
    host: { ranges: false, lengths: false },
    check: nothingTwice,
  },
  {
    name: 'a host that knows no ranges is cut once',
    host: { ranges: false },
    fault: ({ path, nth }) => (path === 'model.safetensors' && nth === 0 ? { cutAfter: Math.floor(length / 2) } : null),
    check: ({ hub, end }) => {
      assert.equal(hub.of().length, 2);
      assert.ok(end.network <= length);
    },
  },
  {
    name: 'a host that says no lengths',
    host: { lengths: false },
    check: nothingTwice,
  },
  {
    name: 'a host that lets other origins see no headers',
    host: { exposes: '', etag: null, lastModified: 'Mon, 01 Jan 2024 00:00:00 GMT' },
    check: nothingTwice,
  },
  {
    name: 'a host that sends on to another origin',
    fault: ({ host, path }, hub) => (path === 'model.safetensors' && hub.origin.endsWith(host) ? { redirect: elsewhere(hub.origin) } : null),
    check({ hub, end }) {
      nothingTwice({ hub });
      assert.ok(hub.of().some(({ status }) => status === 302));
      assert.equal(end.unkept, null);
    },
  },
  {
    name: 'the file changes while it is fetched',
    files: outdated,
    fault: ({ size, large }, hub) => {
      if (size < LARGE || large !== 3) return;
      hub.files = wide;
      hub.host.etag = '"2"';
    },
    async check({ page, hub, end }) {
      assert.ok(sum(carried(hub.of())) > length, 'nothing of the old file was sent');
      assert.equal(end.network, length);
      assert.equal(end.storage, 0);
      assert.deepEqual(union(await keptOf(page, hub.url)), [{ start: 0, end: length }]);
    },
  },
  {
    name: 'the file changes again and again',
    fault: ({ path, nth }, hub) => {
      if (path === 'model.safetensors') hub.host.etag = `"${nth}"`;
    },
    fails: /changed/,
    code: 'source-changed',
    check: ({ hub }) => assert.ok(hub.of().length <= 12, `${hub.of().length} requests`),
  },
  {
    name: 'a page that asks to sign in, in place of the file',
    files: { 'config.json': config, 'model.safetensors': Buffer.from('<!doctype html><title>Sign in</title>') },
    host: { ranges: false },
    fails: /not a safetensors file/,
    code: 'checkpoint',
  },
  {
    name: 'a host that lets no other page read its files',
    host: { cors: false },
    hurry: 10,
    fails: /does not allow/,
  },
  {
    name: 'a file in two parts, both cut',
    files: demo,
    fault: ({ tries, size }) => (size >= LARGE && tries === 0 ? cutWithin(size) : null),
    check: wentOn,
  },
];

/** The end of the large piece that was requested first. @param {FaultServer} hub */
function firstLarge(hub) {
  return hub.of().find(({ start, end }) => end - start >= LARGE)?.end;
}

/** @param {FaultServer} hub */
function large(hub) {
  return hub.of().filter(({ start, end }) => end - start >= LARGE);
}

/** Milliseconds from a response with this status to the next request for the same range. @param {FaultServer} hub @param {number} status */
function pauseAfter(hub, status) {
  const refused = hub.of().find((answer) => answer.status === status);
  const next = hub.of().find(({ at, end }) => refused && at > refused.ended && end === refused.end);
  assert.ok(refused && next);
  return next.at - refused.ended;
}

testRows(rows, sharedBrowser());
