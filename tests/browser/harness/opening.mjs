// A page that opens the weights of a server that misbehaves: how it ends, what is said meanwhile, what is kept.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertClean, browserWithProfile, dotsOf, watchedPage, whenFresh } from './browser.mjs';
import { faultServer } from './faults.mjs';
import { assertClose, demoFile, dist, dotsPart, nativeReport } from './inputs.mjs';
import { serveSite } from './server.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */
/** @import { FaultServer, Files, Host, Misbehave, Range } from './faults.mjs' */

/** Chromium writes each request that fails to the console. */
const FAILED_REQUESTS = [/Failed to load resource/, /blocked by CORS policy/];

export const config = readFileSync(demoFile('config.json'));
const halves = readFileSync(demoFile('model.safetensors'));

/** The demo checkpoint, and the same in fp32: as many numbers, in twice as many pieces. */
export const demo = { 'config.json': config, 'model.safetensors': halves };
export const wide = { 'config.json': config, 'model.safetensors': widened(halves) };

/** The same shapes with other weights: what is left of this file is seen in the numbers. */
const other = Buffer.from(wide['model.safetensors']);
other.fill(0, other.length / 2);
export const outdated = { 'config.json': config, 'model.safetensors': other };

/** The native command's means. */
const means = dotsPart(nativeReport('logit-diff')).series.map((series) => series.mean);

/** A checkpoint of fp16 in fp32. @param {Buffer} file */
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

/** A browser for all tests of a file. @returns {() => BrowserContext} */
export function sharedBrowser() {
  /** @type {BrowserContext} */
  let context;
  const profile = mkdtempSync(join(tmpdir(), 'patchlab-profile-'));
  before(async () => {
    context = await browserWithProfile(profile);
    // Each test has its own origin, and a service worker would fetch the whole site for each.
    await context.addInitScript(() => Object.defineProperty(navigator, 'serviceWorker', { value: undefined }));
  });
  after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
  return () => context;
}

/** For the worker: its clock runs faster, so that waiting for seconds takes fractions of them. @param {number} factor */
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
 * The site, with something that runs in the worker before the engine.
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
 * A page, not yet at any address, whose strip is listened to.
 *
 * @param {import('node:test').TestContext} t
 * @param {BrowserContext} context
 * @param {{ origin: string }[]} servers that may be asked
 * @param {RegExp[]} [expected] console messages that belong to the test
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

/** Where GPT-2 small is opened from a server. @param {{ url: string }} site @param {{ url: string }} hub */
export function addressOf(site, hub) {
  return `${site.url}?model=gpt2&device=cpu&weights=${hub.url}`;
}

/** What the strip said since the page was loaded. @param {Page} page @returns {Promise<string[]>} */
export function saidOn(page) {
  return page.evaluate(() => /** @type {any} */ (window).said);
}

/**
 * @typedef {object} End
 * @property {boolean} opens
 * @property {string} text what the strip says
 * @property {string | undefined} code of the failure
 * @property {number} network
 * @property {number} storage
 * @property {string | null} unkept
 */

/** Waits for the end of an opening. @param {Page} page @param {number} [timeout] @returns {Promise<End>} */
export async function endOf(page, timeout = 60_000) {
  await page.waitForFunction(() => {
    const state = document.getElementById('opening')?.dataset.state ?? '';
    // An opening that was cancelled leaves what was there before, which may be nothing.
    const begun = /** @type {any} */ (window).said?.some((/** @type {string} */ text) => text.includes('Opening GPT-2'));
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

/** Waits for a model that computes what the native command does. @param {Page} page @returns {Promise<End>} */
export async function opensWell(page) {
  const end = await endOf(page);
  assert.ok(end.opens, `it does not open: ${end.text}`);
  assert.equal(await page.locator('[data-hook="model-name"]').innerText(), 'GPT-2 small');
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

/** Opens what was opened before. The server counts anew. @param {Page} page @param {FaultServer} hub @returns {Promise<End>} */
export async function openAgain(page, hub) {
  hub.answers.length = 0;
  await page.reload();
  return opensWell(page);
}

/** @typedef {Range & { key: string, digest: string | null, found: string }} Piece `digest` is the one that is kept, `found` that of the content */

/** What is kept of a file, by the place of its bytes in it. @param {Page} page @param {string} url @returns {Promise<Piece[]>} */
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

/** All that is kept from a server. @param {Page} page @param {string} origin @returns {Promise<string[]>} keys */
export function keysOf(page, origin) {
  return page.evaluate(async (start) => {
    const keys = [];
    for (const name of (await caches.keys()).filter((key) => key.startsWith('patchlab-weights-'))) {
      keys.push(...(await (await caches.open(name)).keys()).map((request) => request.url));
    }
    return keys.filter((key) => key.startsWith(start));
  }, origin);
}

/** Damages what is kept under keys that match, and leaves the digest beside it as it was. @param {Page} page @param {RegExp} pattern */
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

/** @typedef {{ page: Page, hub: FaultServer, end: End }} Done */

/**
 * One fault, and what comes of it.
 * @typedef {object} Row
 * @property {string} name
 * @property {Files} [files] what the server has; else the checkpoint in fp32
 * @property {Partial<Host>} [host]
 * @property {Misbehave} [fault]
 * @property {number} [hurry] how much faster than real time the worker's clock runs
 * @property {string} [prefix] runs in the worker before the engine
 * @property {(page: Page, site: { origin: string }) => Promise<unknown>} [first] before the page goes to its address
 * @property {RegExp[]} [expected] what the console may say besides
 * @property {RegExp} [fails] what the page says then; without it, the model opens
 * @property {string} [code] of the failure, else `source`
 * @property {RegExp} [note] something that the strip says meanwhile
 * @property {(done: Done) => void | Promise<void>} [check]
 */

/** Makes each row a test. @param {Row[]} rows @param {() => BrowserContext} browser */
export function testRows(rows, browser) {
  for (const { name, files = wide, host, fault, hurry, prefix, first, expected, fails, code = 'source', note, check } of rows) {
    test(name, async (t) => {
      const site = await siteFor(t, { hurry, prefix });
      const hub = await faultServer(files, { host, fault });
      t.after(hub.down);
      const { page, watched } = await listenedPage(t, browser(), [site, hub], expected);
      await first?.(page, site);
      await page.goto(addressOf(site, hub));
      const end = fails ? await failsWith(page, fails, code) : await opensWell(page);
      if (note) {
        const said = await saidOn(page);
        assert.ok(said.some((text) => note.test(text)), `${note} was not said: ${said.join(' | ').slice(0, 2000)}`);
      }
      await check?.({ page, hub, end });
      assertClean(watched);
    });
  }
}
