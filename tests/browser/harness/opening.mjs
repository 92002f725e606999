// Opens weights from a misbehaving server, and reads the outcome, the messages and what has been stored.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { browserWithProfile, dotsOf, nameOf, watchedPage, whenFresh } from './browser.mjs';
import { assertClose, demoFile, dist, dotsPart, nativeReport } from './inputs.mjs';
import { serveSite } from './server.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */
/** @import { FaultServer, Range } from './faults.mjs' */

/** Chromium logs each failed request to the console. */
const FAILED_REQUESTS = [/Failed to load resource/, /blocked by CORS policy/];

export const config = readFileSync(demoFile('config.json'));
const halves = readFileSync(demoFile('model.safetensors'));

/** The demo checkpoint, and the same in fp32, which has twice as many pieces. */
export const demo = { 'config.json': config, 'model.safetensors': halves };
export const wide = { 'config.json': config, 'model.safetensors': widened(halves) };

/** The same shapes with different weights: any remains of this file show in the numbers. */
const other = Buffer.from(wide['model.safetensors']);
other.fill(0, other.length / 2);
export const outdated = { 'config.json': config, 'model.safetensors': other };

/** The native command's means. */
export const means = dotsPart(nativeReport('logit-diff')).series.map((series) => series.mean);

/** Converts an fp16 checkpoint to fp32. @param {Buffer} file */
function widened(file) {
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerLength));
  const data = file.subarray(8 + headerLength);
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    assert.equal(tensor.dtype, 'F16');
    Object.assign(tensor, { dtype: 'F32', data_offsets: tensor.data_offsets.map((/** @type {number} */ offset) => 2 * offset) });
  }
  const numbers = new Float32Array(data.length / 2);
  for (let i = 0; i < numbers.length; i += 1) numbers[i] = ofHalf(data.readUInt16LE(2 * i));
  const text = JSON.stringify(header);
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, Buffer.from(padded), Buffer.from(numbers.buffer)]);
}

/** @param {number} bits of an fp16 number */
function ofHalf(bits) {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  assert.notEqual(exponent, 0x1f, 'a weight is not finite');
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** One browser for all tests of a file. @returns {() => BrowserContext} */
export function sharedBrowser() {
  /** @type {BrowserContext} */
  let context;
  const profile = mkdtempSync(join(tmpdir(), 'patchlab-profile-'));
  before(async () => {
    context = await browserWithProfile(profile);
    // Each test has its own origin, for which a service worker would download the whole site.
    await context.addInitScript(() => Object.defineProperty(navigator, 'serviceWorker', { value: undefined }));
  });
  after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
  return () => context;
}

/** Worker prefix that speeds up its clock, so that waiting takes a fraction of the time. @param {number} factor */
export function hurried(factor) {
  return `{
    const [timer, now, clock] = [self.setTimeout, performance.now.bind(performance), Date.now];
    const began = clock();
    self.setTimeout = (f, ms = 0, ...rest) => timer(f, ms / ${factor}, ...rest);
    performance.now = () => now() * ${factor};
    Date.now = () => began + (clock() - began) * ${factor};
  }\n`;
}

/**
 * The site, with a script that runs in the worker before the engine.
 *
 * @param {import('node:test').TestContext} t
 * @param {{ hurry?: number, prefix?: string, folder?: string }} [options]
 */
export async function siteFor(t, { hurry = 1, prefix = '', folder = dist } = {}) {
  const worker = readFileSync(join(folder, 'www/engine/worker.js'), 'utf8');
  const first = (hurry === 1 ? '' : hurried(hurry)) + prefix;
  const site = await serveSite(folder, { replace: first ? { 'www/engine/worker.js': first + worker } : {} });
  t.after(site.close);
  return site;
}

/**
 * A blank page whose strip messages are recorded.
 *
 * @param {import('node:test').TestContext} t
 * @param {BrowserContext} context
 * @param {{ origin: string }[]} servers that may be contacted
 * @param {RegExp[]} [expected] console messages that the test expects
 */
export async function listenedPage(t, context, servers, expected = []) {
  const hosts = servers.flatMap(({ origin }) => [origin, elsewhere(origin)]);
  const { page, watched } = await watchedPage(context, { hosts, expected: [...FAILED_REQUESTS, ...expected] });
  t.after(() => page.close());
  await page.addInitScript(() => {
    /** @type {string[]} */
    const said = [];
    Object.assign(window, { said });
    new MutationObserver(() => {
      const text = document.getElementById('opening')?.textContent;
      if (text && said.at(-1) !== text) said.push(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  return { page, watched };
}

/** The same server under another name, which makes it another origin. @param {string} origin */
export function elsewhere(origin) {
  return origin.replace('127.0.0.1', 'localhost');
}

/** The page's address for opening GPT-2 small from a server. @param {{ url: string }} site @param {{ url: string }} hub */
export function addressOf(site, hub) {
  return `${site.url}?model=gpt2&device=cpu&weights=${hub.url}`;
}

/** All messages of the strip since the page was loaded. @param {Page} page @returns {Promise<string[]>} */
export function saidOn(page) {
  return page.evaluate(() => /** @type {any} */ (window).said);
}

/**
 * @typedef {object} End
 * @property {boolean} opens
 * @property {string} text the strip's text
 * @property {string | undefined} code of the failure
 * @property {number} network
 * @property {number} storage
 * @property {string | null} unkept
 */

/** Waits until opening has succeeded or failed. @param {Page} page @param {number} [timeout] @returns {Promise<End>} */
export async function endOf(page, timeout = 60_000) {
  await page.waitForFunction(() => {
    const state = document.getElementById('opening')?.dataset.state ?? '';
    // Cancelling restores the previous state, which may be no model.
    const begun = /** @type {any} */ (window).said?.some((/** @type {string} */ text) => text.includes('Opening '));
    return ['open', 'failed'].includes(state) || (state === 'none' && begun);
  }, undefined, { timeout });
  return page.evaluate(() => {
    const strip = /** @type {HTMLElement} */ (document.getElementById('opening'));
    const part = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (strip.querySelector(selector));
    const bytes = part('[data-hook="source"]')?.dataset;
    return {
      opens: strip.dataset.state === 'open',
      text: strip.innerText,
      code: part('.failure')?.dataset.code,
      network: Number(bytes?.network),
      storage: Number(bytes?.storage),
      unkept: part('[data-hook="unkept"]')?.innerText ?? null,
    };
  });
}

/** Waits for a model that computes the native command's numbers. @param {Page} page @returns {Promise<End>} */
export async function opensWell(page) {
  const end = await endOf(page);
  assert.ok(end.opens, `it does not open: ${end.text}`);
  const given = new URL(page.url()).searchParams.get('weights');
  assert.equal(await page.locator('[data-hook="model-name"]').innerText(), given ? nameOf({ url: given }) : 'GPT-2 small');
  await whenFresh(page, 'logit-diff');
  assertClose((await dotsOf(page)).map((row) => row.mean), means, 1e-3, 'means');
  return end;
}

/** Waits for a failure. @param {Page} page @param {RegExp} pattern @param {string} code @returns {Promise<End>} */
export async function failsWith(page, pattern, code) {
  const end = await endOf(page);
  assert.ok(!end.opens, 'it opened');
  assert.match(end.text, pattern);
  assert.equal(end.code, code);
  return end;
}

/** Opens the same model again, with the server's counters reset. @param {Page} page @param {FaultServer} hub @returns {Promise<End>} */
export async function openAgain(page, hub) {
  hub.answers.length = 0;
  await page.reload();
  return opensWell(page);
}

/** @typedef {Range & { key: string, digest: string | null, found: string }} Piece `digest` is the stored one, `found` that of the content */

/** The stored pieces of a file, by their byte range. @param {Page} page @param {string} url @returns {Promise<Piece[]>} */
export function keptOf(page, url) {
  return page.evaluate(async (file) => {
    /** @type {Piece[]} */
    const pieces = [];
    for (const name of (await caches.keys()).filter((key) => key.startsWith('patchlab-weights-'))) {
      const cache = await caches.open(name);
      for (const { url: key } of await cache.keys()) {
        const range = key.startsWith(file) ? /[?&]patchlab-bytes=(\d+)-(\d+)$/.exec(key) : null;
        const response = range && await cache.match(key);
        if (!range || !response) continue;
        const content = await response.arrayBuffer();
        const digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', content))];
        const start = Number(range[1]);
        pieces.push({
          key, start, end: start + content.byteLength, digest: response.headers.get('X-Patchlab-SHA256'),
          found: digest.map((byte) => byte.toString(16).padStart(2, '0')).join(''),
        });
      }
    }
    return pieces.sort((a, b) => a.start - b.start);
  }, url);
}

/** Everything stored from a server. @param {Page} page @param {string} origin @returns {Promise<string[]>} keys */
export function keysOf(page, origin) {
  return page.evaluate(async (start) => {
    const keys = [];
    for (const name of (await caches.keys()).filter((key) => key.startsWith('patchlab-weights-'))) {
      keys.push(...(await (await caches.open(name)).keys()).map((request) => request.url));
    }
    return keys.filter((key) => key.startsWith(start));
  }, origin);
}

/** Damages stored entries with matching keys, without changing their digests. @param {Page} page @param {RegExp} pattern */
export async function damage(page, pattern) {
  const damaged = await page.evaluate(async (source) => {
    let count = 0;
    for (const name of (await caches.keys()).filter((key) => key.startsWith('patchlab-weights-'))) {
      const cache = await caches.open(name);
      for (const { url: key } of await cache.keys()) {
        const response = new RegExp(source).test(key) && await cache.match(key);
        if (!response) continue;
        const content = new Uint8Array(await response.arrayBuffer());
        content[content.length >> 1] ^= 0x40;
        await cache.put(key, new Response(content, { headers: response.headers }));
        count += 1;
      }
    }
    return count;
  }, pattern.source);
  assert.equal(damaged, 1);
}
