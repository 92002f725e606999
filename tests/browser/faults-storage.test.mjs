// Stored downloads: second visits, changed files, damage, full storage, two tabs, and interrupted downloads.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { assertClean, dotsOf, nameOf, whenFresh, whenOpen } from './harness/browser.mjs';
import { LARGE, carried, common, faultServer, repeated, sum, union } from './harness/faults.mjs';
import {
  addressOf, damage, demo, endOf, failsWith, keptOf, keysOf, listenedPage, openAgain, opensWell, outdated, sharedBrowser, siteFor, wide,
} from './harness/opening.mjs';
import { testRows } from './harness/rows.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { Asked, FaultServer, Misbehave } from './harness/faults.mjs' */
/** @import { Done, Row } from './harness/rows.mjs' */

const length = wide['model.safetensors'].length;
/** An upper bound for the size of the file's header. */
const HEADER = 10_000;
const browser = sharedBrowser();

/** Ranges of the weights that were downloaded, without the revalidation request. @param {FaultServer} hub */
function fetched(hub) {
  return carried(hub.of().filter(({ start, end }) => end - start > 8 || start > 0));
}

/** Checks that a second visit only revalidates. @param {Done} done */
async function keptForGood({ hub, end, again }) {
  const second = await again();
  assert.deepEqual(fetched(hub), []);
  assert.ok(hub.of().length <= 1, 'it was asked more than once if the file is the same');
  assert.equal(second.network, 0);
  assert.equal(second.storage, end.network);
}

/** Checks that no weights are stored, and that they can be opened again. @param {RegExp} why @returns {Row['check']} */
function notKept(why) {
  return async ({ page, hub, end, again }) => {
    assert.match(end.unkept ?? '', why);
    // The header is read and stored before the size of the rest is known.
    assert.ok(sum(await keptOf(page, hub.url)) < HEADER);
    const second = await again();
    assert.ok(second.storage < HEADER);
    assert.equal(second.storage + second.network, end.network);
  };
}

/** @param {Page} page @param {{ origin: string }} site @param {number} bytes */
async function limit(page, { origin }, bytes) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: bytes });
}

/** @type {Row[]} */
const rows = [
  {
    name: 'what is kept is the file, with its digests',
    async check({ page, hub }) {
      const pieces = await keptOf(page, hub.url);
      assert.deepEqual(union(pieces), [{ start: 0, end: length }]);
      for (const { start, end, digest, found } of pieces) {
        const content = createHash('sha256').update(wide['model.safetensors'].subarray(start, end)).digest('hex');
        assert.deepEqual([digest, found], [content, content]);
      }
    },
  },
  { name: 'the second visit of a host with ETags', check: keptForGood },
  { name: 'the second visit of a host with dates', host: { etag: null, lastModified: 'Mon, 01 Jan 2024 00:00:00 GMT' }, check: keptForGood },
  {
    name: 'the second visit of a host without ranges',
    host: { ranges: false },
    async check({ hub, end, again }) {
      const second = await again();
      // It answers the revalidation with the whole file, which is not used.
      assert.equal(hub.of().length, 1);
      assert.equal(second.network, 0);
      assert.equal(second.storage, end.network);
    },
  },
  {
    name: 'a host that does not say which state of the file it has',
    host: { etag: null },
    check: notKept(/\w/),
  },
  {
    name: 'what is kept is damaged',
    async check({ page, hub, end, again }) {
      const [, , damaged] = (await keptOf(page, hub.url)).filter((piece) => piece.end - piece.start >= LARGE);
      await damage(page, new RegExp(`${hub.origin}.*=${damaged.start}-\\d+$`));
      const second = await again();
      assert.deepEqual(fetched(hub), [{ start: damaged.start, end: damaged.end }]);
      assert.equal(second.storage + second.network, end.network);
      for (const { digest, found } of await keptOf(page, hub.url)) assert.equal(digest, found);
    },
  },
  {
    name: 'the host is down and all is kept',
    hurry: 10,
    async check({ hub, end, again }) {
      await hub.down();
      const second = await again();
      assert.equal(second.network, 0);
      assert.equal(second.storage, end.network);
    },
  },
  {
    name: 'the host is down and a part is kept',
    onPage: true,
    hurry: 10,
    fault: ({ size, large }) => (size >= LARGE && large >= 2 ? { reset: true } : null),
    fails: /is kept/,
    async check({ page, hub, again }) {
      const before = await keptOf(page, hub.url);
      await hub.down();
      await page.reload();
      await failsWith(page, /cannot be reached[\s\S]*is kept/, 'source');
      assert.deepEqual(await keptOf(page, hub.url), before);
      await hub.up();
      hub.fault = null;
      await again();
      assert.equal(common(fetched(hub), before), 0);
      assert.equal(sum(fetched(hub)), length - sum(union(before)));
    },
  },
  {
    name: 'the file has changed since',
    async check({ page, hub, again }) {
      hub.files = demo;
      hub.host.etag = '"2"';
      const second = await again();
      assert.equal(second.storage, 0);
      assert.equal(second.network, demo['model.safetensors'].length);
      assert.deepEqual(union(await keptOf(page, hub.url)), [{ start: 0, end: demo['model.safetensors'].length }]);
      await keptForGood({ page, hub, end: second, again });
    },
  },
  {
    name: 'there is no room',
    prefix: 'StorageManager.prototype.estimate = async () => ({ quota: 1e9, usage: 995e6 });\n',
    check: notKept(/room for 5 MB/),
  },
  {
    // Chromium's storage estimate does not include this limit.
    name: 'room that was promised runs out',
    onPage: true,
    first: (page, site) => limit(page, site, 10e6),
    async check({ page, hub, end, again }) {
      assert.match(end.unkept ?? '', /full/);
      const kept = sum(await keptOf(page, hub.url));
      // Pieces that are stored at the same time may exceed the limit together.
      assert.ok(kept > 0 && kept < end.network, `${kept} of ${end.network} bytes are kept`);
      const second = await again();
      assert.equal(second.storage, kept, 'what had room is not used');
    },
  },
  {
    // As in an insecure context.
    name: 'a browser without storage, locks and digests',
    prefix: `{
      Object.defineProperty(self, 'caches', { value: undefined });
      for (const name of ['storage', 'locks']) Object.defineProperty(navigator, name, { value: undefined });
      Object.defineProperty(crypto, 'subtle', { value: undefined });
    }\n`,
    check: notKept(/\w/),
  },
  {
    name: 'a browser that throws when storage is looked at',
    prefix: 'Object.defineProperty(self, "caches", { get() { throw new DOMException("made up", "SecurityError"); } });\n',
    check: notKept(/made up/),
  },
  {
    name: 'a browser that refuses storage',
    prefix: 'CacheStorage.prototype.open = () => Promise.reject(new DOMException("made up", "SecurityError"));\n',
    check: notKept(/made up/),
  },
  {
    name: 'fp32 that is kept as fp16',
    half: true,
    async check({ page, hub, again }) {
      assert.ok((await keysOf(page, hub.origin)).some((key) => /f16/.test(key)));
      const second = await again();
      assert.deepEqual(fetched(hub), []);
      assert.equal(second.network, 0);
    },
  },
];

testRows(rows, browser);

/** @param {Asked} asked */
const isLarge = ({ size }) => size >= LARGE;
/** Two pieces arrive, the others stall. @type {Misbehave} */
const halfway = (asked) => (isLarge(asked) && asked.large >= 2 ? { stall: { after: 100_000, ms: 60_000 } } : null);

/** @param {() => boolean | Promise<boolean>} condition @param {string} what @param {number} [ms] */
async function until(condition, what, ms = 20_000) {
  for (const end = performance.now() + ms; !(await condition());) {
    assert.ok(performance.now() < end, what);
    await new Promise((done) => { setTimeout(done, 20); });
  }
}

/** Waits until two pieces are stored and the others are in flight. @param {Page} page @param {FaultServer} hub */
async function whenHalfway(page, hub) {
  await until(() => hub.of().filter(({ outcome, sent }) => outcome === 'begun' && sent >= 100_000).length >= 2, 'the other parts are on their way');
  await until(async () => (await keptOf(page, hub.url)).filter(({ start, end }) => end - start >= LARGE).length === 2, 'two parts are kept');
}

/** @param {import('node:test').TestContext} t @param {{ fault: Misbehave, tabs?: number }} options */
async function tabs(t, { fault, tabs: count = 1 }) {
  const site = await siteFor(t);
  const hub = await faultServer(wide, { fault });
  t.after(hub.down);
  const pages = [];
  for (let tab = 0; tab < count; tab += 1) pages.push(await listenedPage(t, browser(), [site, hub], [/ERR_ABORTED/]));
  return { site, hub, pages, address: addressOf(site, hub) };
}

for (const [name, fault, ready] of /** @type {[string, Misbehave, (hub: FaultServer) => boolean][]} */ ([
  ['the host is silent', (asked) => (isLarge(asked) ? { stall: { after: 100_000, ms: 60_000 } } : null), (hub) => hub.of().some(({ sent }) => sent === 100_000)],
  ['the host has not answered', (asked) => (isLarge(asked) ? { delay: 60_000 } : null), (hub) => hub.of().some(({ start, end }) => end - start >= LARGE)],
  ['it is to be tried again in a minute', (asked) => (isLarge(asked) ? { status: 429, retryAfter: '60' } : null), (hub) => hub.of().some(({ status }) => status === 429)],
])) {
  test(`cancelling while ${name}`, async (t) => {
    const { hub, site, pages: [{ page, watched }] } = await tabs(t, { fault });
    await page.goto(`${site.url}?device=cpu&weights=${hub.url}`);
    await whenFresh(page, 'logit-diff');
    const before = await dotsOf(page);
    await page.click('[data-model="gpt2"]');
    await until(() => ready(hub), 'the download has begun');
    const pressed = performance.now();
    await page.click('#cancel-opening');
    await whenOpen(page);
    assert.ok(performance.now() - pressed < 1500, `it took ${performance.now() - pressed} ms`);
    assert.match(await page.locator('[data-hook="model-name"]').innerText(), /demo model/);
    assert.deepEqual(await dotsOf(page), before);
    await until(() => hub.of().every(({ outcome }) => outcome !== 'begun'), 'requests go on', 2000);
    const asked = hub.answers.length;
    hub.fault = null;
    await page.click('[data-model="gpt2"]');
    await page.waitForSelector(`[data-hook="model-name"]:text("${nameOf(hub)}")`);
    await opensWell(page);
    assert.ok(hub.answers.length > asked);
    assertClean(watched);
  });
}

test('without the record of which version is kept, an old version is not taken for the new one', async (t) => {
  const { hub, address, pages: [{ page, watched }] } = await tabs(t, { fault: () => null });
  hub.files = outdated;
  await page.goto(address);
  assert.ok((await endOf(page)).opens);
  await damage(page, new RegExp(`${hub.origin}.*patchlab-version`));
  hub.files = wide;
  hub.host.etag = '"2"';
  const again = await openAgain(page, hub);
  assert.equal(again.network, length);
  assert.deepEqual(union(await keptOf(page, hub.url)), [{ start: 0, end: length }]);
  assertClean(watched);
});

test('a cancelled download goes on where it was', async (t) => {
  const { hub, address, pages: [{ page, watched }] } = await tabs(t, { fault: halfway });
  await page.goto(address);
  await whenHalfway(page, hub);
  await page.click('#cancel-opening');
  await page.waitForSelector('#opening[data-state="none"]');
  const kept = await keptOf(page, hub.url);
  hub.fault = null;
  await openAgain(page, hub);
  assert.equal(common(fetched(hub), kept), 0);
  assert.equal(sum(fetched(hub)), length - sum(union(kept)));
  assertClean(watched);
});

test('a closed tab\u2019s download goes on in another', async (t) => {
  const { hub, address, pages: [first, second] } = await tabs(t, { fault: halfway, tabs: 2 });
  await first.page.goto(address);
  await whenHalfway(first.page, hub);
  const kept = await keptOf(first.page, hub.url);
  await first.page.close();
  hub.fault = null;
  hub.answers.length = 0;
  await second.page.goto(address);
  await opensWell(second.page);
  assert.equal(common(fetched(hub), kept), 0);
  assert.equal(sum(fetched(hub)), length - sum(union(kept)));
  assertClean(second.watched);
});

test('two tabs fetch the same weights once', async (t) => {
  const { hub, address, pages } = await tabs(t, { fault: (asked) => (isLarge(asked) ? { perSecond: asked.size / 2 } : null), tabs: 2 });
  await Promise.all(pages.map(({ page }) => page.goto(address)));
  const ends = await Promise.all(pages.map(({ page }) => opensWell(page)));
  const parts = hub.of().filter(({ start, end }) => end - start >= LARGE);
  assert.equal(repeated(parts), 0);
  assert.equal(new Set(parts.map(({ start }) => start)).size, parts.length);
  assert.ok(ends.every(({ network, storage }) => network + storage === length));
  for (const { watched } of pages) assertClean(watched);
});

test('of two tabs one is closed while it fetches', async (t) => {
  const { hub, address, pages: [first, second] } = await tabs(t, { fault: halfway, tabs: 2 });
  await first.page.goto(address);
  await whenHalfway(first.page, hub);
  await second.page.goto(address);
  await second.page.waitForFunction(() => Number(/** @type {HTMLElement | null} */ (document.querySelector('.work-text[data-done]'))?.dataset.done) > 0);
  const kept = await keptOf(second.page, hub.url);
  hub.fault = null;
  await first.page.close();
  await opensWell(second.page);
  const parts = hub.of().filter(({ outcome }) => outcome === 'complete').filter(({ start, end }) => end - start >= LARGE);
  assert.equal(repeated(parts), 0);
  assert.equal(common(carried(parts.slice(2)), kept), 0);
  assertClean(second.watched);
});
