// A checkpoint of GPT-2 small's full shape, 498 MB, from a server to the CPU, over a connection that breaks, with a
// browser that is closed halfway. It takes minutes, so it runs only if PATCHLAB_FULL is set: "cargo xtask test --full".

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { andThenFresh, assertClean, browserWithProfile, topTokens, whenFresh, whenOpen } from './harness/browser.mjs';
import { carried, common, faultServer, repeated, sum, union } from './harness/faults.mjs';
import { readFixture, writeCheckpoint } from './harness/fixtures.mjs';
import { assertClose, dist, linkTo, onePair } from './harness/inputs.mjs';
import { addressOf, endOf, keptOf, listenedPage } from './harness/opening.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { FaultServer } from './harness/faults.mjs' */

const SLOW = 600_000;
/** What may be in flight when a connection breaks: three pieces of 4 MiB. */
const IN_FLIGHT = 3 * (4 << 20);

/** @param {import('node:test').TestContext} t @param {string} name */
function folderFor(t, name) {
  const folder = mkdtempSync(join(tmpdir(), name));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  return folder;
}

/** Ranges of the weights that were downloaded, without the revalidation request. @param {FaultServer} hub */
function fetched(hub) {
  return carried(hub.of().filter(({ start, end }) => end - start > 8 || start > 0));
}

/** Waits until the server has sent this many bytes since its counter was reset. @param {FaultServer} hub @param {number} bytes @param {Page} page */
async function whenSent(hub, bytes, page) {
  for (const end = performance.now() + SLOW; sum(carried(hub.of())) < bytes;) {
    assert.ok(performance.now() < end, await page.locator('#opening').innerText());
    await new Promise((done) => { setTimeout(done, 50); });
  }
}

if (process.env.PATCHLAB_FULL) {
  test('the full shape agrees with PyTorch, after two breaks', async (t) => {
    const { config, parsed, expected } = readFixture('full');
    const folder = folderFor(t, 'patchlab-full-');
    const profile = folderFor(t, 'patchlab-profile-');
    const files = { 'config.json': join(folder, 'config.json'), 'model.safetensors': join(folder, 'model.safetensors') };
    writeFileSync(files['config.json'], config);
    writeCheckpoint(files['model.safetensors'], expected.seed, parsed);
    const length = statSync(files['model.safetensors']).size;

    const site = await serveSite(dist);
    const hub = await faultServer(files);
    t.after(site.close);
    t.after(hub.down);
    const address = addressOf(site, hub) + linkTo(onePair);
    /** Everything that was downloaded before the server's counter was reset. @type {typeof hub.answers} */
    const earlier = [];
    const countAnew = () => earlier.push(...hub.answers.splice(0));

    const broken = await browserWithProfile(profile);
    try {
      const { page, watched } = await listenedPage(t, broken, [site, hub]);
      await page.goto(address);
      await whenSent(hub, 0.3 * length, page);
      await hub.down();
      const failed = await endOf(page, SLOW);
      assert.match(failed.text, /is kept/);
      assert.equal(failed.code, 'source');
      const kept = await keptOf(page, hub.url);
      assert.ok(sum(kept) > 0.3 * length - 2 * IN_FLIGHT, `${sum(kept)} bytes are kept`);

      countAnew();
      await hub.up();
      await page.click('#retry-opening');
      await whenSent(hub, 0.3 * length, page);
      assert.equal(common(fetched(hub), kept), 0, 'what was kept was fetched again');
      assertClean(watched);
    } finally {
      await broken.close();
    }

    countAnew();
    const context = await browserWithProfile(profile);
    t.after(() => context.close());
    const { page, watched } = await listenedPage(t, context, [site, hub]);
    // A page of the same origin that opens no model.
    await page.goto(`${site.url}www/models/demo/config.json`);
    const kept = await keptOf(page, hub.url);
    assert.ok(sum(kept) > 0.6 * length - 4 * IN_FLIGHT, `${sum(kept)} bytes are kept`);
    await page.goto(address);
    await whenOpen(page, SLOW);
    const { network, storage, unkept } = await endOf(page);
    assert.equal(common(fetched(hub), kept), 0, 'what was kept was fetched again');
    assert.equal(network + storage, length);
    assert.equal(unkept, null);
    const all = [...earlier, ...hub.answers].filter(({ path, start, end }) => path === 'model.safetensors' && (end - start > 8 || start > 0));
    assert.deepEqual(union(carried(all)), [{ start: 8, end: length }]);
    assert.ok(repeated(all) <= 2 * IN_FLIGHT, `${repeated(all)} bytes came twice`);

    await whenFresh(page, 'test-prompt', { timeout: SLOW });
    for (const { text, top } of expected.prompts) {
      if ((await page.inputValue('#test-prompt-text')) !== text) {
        await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', text), SLOW);
      }
      const rows = (await topTokens(page)).filter((row) => row.rank < 10);
      assert.deepEqual(rows.map((row) => row.id), top.slice(0, 10).map((/** @type {{ id: number }} */ token) => token.id), text);
      assertClose(rows.map((row) => row.logProbability), top.slice(0, 10).map((/** @type {{ log_prob: number }} */ token) => token.log_prob), 1e-3, text);
    }
    await page.close();
    assertClean(watched);
  });
}
