// Download progress, and the menu of stored weights.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { violations } from './harness/axe.mjs';
import { andThenFresh, assertClean, browserOnDisk, nameOf, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { copyOfSite } from './harness/copies.mjs';
import { LARGE, faultServer } from './harness/faults.mjs';
import { demoFile, dist } from './harness/inputs.mjs';
import { wide } from './harness/opening.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */

const demo = { 'config.json': demoFile('config.json'), 'model.safetensors': demoFile('model.safetensors') };

/** @param {TestContext} t @param {{ files?: Record<string, string | Buffer> }} [options] */
async function pageWithHub(t, { files = demo } = {}) {
  const site = await serveSite(dist);
  const hub = await serveFiles(files);
  t.after(site.close);
  t.after(hub.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin], expected: [/ERR_ABORTED/] });
  await page.addInitScript(() => {
    const { storage } = navigator;
    storage.persist = async () => {
      Object.assign(window, { askedToKeep: true });
      return false;
    };
  });
  await page.goto(`${site.url}?device=cpu&weights=${hub.url}`);
  return { page, watched, hub };
}

/** @param {Page} page */
const askedToKeep = (page) => page.evaluate(() => 'askedToKeep' in window);

/** Opens the menu and waits until it is filled. @param {Page} page */
async function openMenu(page) {
  await page.click('#stored');
  await page.locator('.stored-list:not([aria-busy])').waitFor();
  return page.locator('#stored-menu');
}

test('a paused download is cancelled, and the next is not paused', async (t) => {
  const site = await serveSite(dist);
  // Slow until the download has been cancelled.
  let slow = true;
  const hub = await faultServer(wide, { fault: ({ size }) => (slow && size >= LARGE ? { perSecond: size / 20 } : null) });
  t.after(site.close);
  t.after(hub.down);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin], expected: [/ERR_ABORTED|Failed to load resource/] });
  await page.goto(`${site.url}?device=cpu&weights=${hub.url}`);
  await whenFresh(page, 'logit-diff');
  await page.click('[data-model="gpt2"]');
  await page.locator('#pause-opening').click();
  assert.match(await page.locator('.work-text').innerText(), /^Paused \u00b7 .* of .*MB$/);
  await page.click('#cancel-opening');
  await whenOpen(page);
  assert.match(await page.locator('[data-hook="model-name"]').innerText(), /demo model/);
  slow = false;
  await andThenFresh(page, 'logit-diff', () => page.click('[data-model="gpt2"]'));
  await whenOpen(page);
  assertClean(watched);
});

test('what holds a download up is said', async (t) => {
  const ENGINE = `
export default async function init() {}
export function catalogue() { return []; }
export function presets() { return []; }
export class Engine {
  async open(_, choice, device, progress) {
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));
    for (let tick = 0; tick < 8; tick += 1) {
      progress({ stage: 'Loading weights', done: 1e6 + 1e6 * tick, total: 500e6, unit: 'bytes', note: tick < 4 ? 'The host has sent nothing for 5 seconds.' : null });
      await wait(250);
    }
    for (let tick = 0; tick < 36; tick += 1) {
      progress({ stage: 'Loading weights', done: 9e6 + 2e4 * tick, total: 500e6, unit: 'bytes', note: null });
      await wait(500);
    }
    const info = { name: choice.name, n_layers: 1, n_heads: 1, d_model: 1, d_head: 1, d_mlp: 1, d_vocab: 1, n_ctx: 9, parameters: 1, device: { kind: 'cpu', name: 'CPU', reason: 'made up' } };
    return { model: info, bytes: { total: 1, network: 1, storage: 0, unkept: 'this browser has room for 1 MB more, and 500 MB are needed' } };
  }
  check() { return { groups: [], problems: [] }; }
  cancel() {}
  pause() {}
}`;
  const site = await serveSite(dist, { replace: { 'patchlab-web.js': ENGINE } });
  t.after(site.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(site.url);
  const note = page.locator('.work-note');
  await note.getByText('The host has sent nothing for 5 seconds.').waitFor();
  await page.waitForFunction(() => document.querySelector('.work-note')?.textContent === '');
  await note.getByText('The connection or the host is slow.').waitFor({ timeout: 20_000 });
  assert.match(await page.locator('.work-text').innerText(), /\d+ kB\/s \u00b7 \d+ h \d+ min left/);
  assert.deepEqual(await violations(page, '#opening'), []);
  await whenOpen(page);
  assert.match(await page.locator('[data-hook="unkept"]').innerText(), /^not kept in this browser: .*room for 1 MB/);
  assertClean(watched);
});

test('what is kept is listed, and deleted when asked twice', async (t) => {
  const { page, watched, hub } = await pageWithHub(t);
  await whenFresh(page, 'logit-diff');
  assert.equal(await askedToKeep(page), false, 'the demo model is small, and its host is this one');
  await andThenFresh(page, 'logit-diff', () => page.click('[data-model="gpt2"]'));
  assert.equal(await askedToKeep(page), true);

  const menu = await openMenu(page);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'stored-title');
  const rows = menu.locator('.stored-model');
  assert.deepEqual((await rows.locator('.stored-name').allInnerTexts()).sort(), [nameOf(hub), 'demo model, trained on synthetic sentences, not GPT-2'].sort());
  const own = rows.filter({ hasText: nameOf(hub) });
  assert.match(await own.innerText(), /6\.9 MB \u00b7 complete/);
  assert.ok((await own.innerText()).includes(hub.url));
  assert.match(await menu.innerText(), /takes up about .*B of the .*GB that this browser allows it/);
  assert.deepEqual(await violations(page, '#stored-menu'), []);

  const button = own.getByRole('button');
  assert.equal(await button.getAttribute('aria-label'), `Delete the stored weights of ${nameOf(hub)}`);
  await button.click();
  assert.match(await button.innerText(), /^Delete 6\.9 MB\?$/);
  await page.keyboard.press('Shift+Tab');
  assert.equal(await button.innerText(), 'Delete', 'it asks again');
  await button.focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await own.waitFor({ state: 'detached' });
  assert.equal(await rows.count(), 1);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'stored-title');
  await page.keyboard.press('Escape');
  assert.equal(await menu.isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'stored');

  await page.reload();
  await whenOpen(page);
  assert.match(await page.locator('[data-hook="source"]').innerText(), /from the network/);
  assertClean(watched);
});

test('weights are kept as fp16 if one wants it', async (t) => {
  const { page, watched, hub } = await pageWithHub(t, { files: wide });
  await whenFresh(page, 'logit-diff');
  await openMenu(page);
  await page.getByLabel('Keep weights as fp16').check();
  await page.keyboard.press('Escape');
  await andThenFresh(page, 'logit-diff', () => page.click('[data-model="gpt2"]'));
  const row = (await openMenu(page)).locator('.stored-model').filter({ hasText: nameOf(hub) });
  assert.match(await row.innerText(), /6\.9 MB \u00b7 complete \u00b7 as fp16/);
  await page.reload();
  await whenOpen(page);
  assert.match(await page.locator('[data-hook="source"]').innerText(), /from this browser\u2019s storage/);
  await openMenu(page);
  assert.ok(await page.getByLabel('Keep weights as fp16').isChecked(), 'it is remembered');
  assertClean(watched);
});

test('weights beside the page are taken before those of the hub', async (t) => {
  const folder = copyOfSite(t);
  cpSync(join(folder, 'www/models/demo'), join(folder, 'www/models/gpt2'), { recursive: true });
  const site = await serveSite(folder);
  t.after(site.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu&model=gpt2`);
  await whenOpen(page);
  await whenFresh(page, 'logit-diff');
  assert.equal(await page.locator('[data-hook="model-name"]').innerText(), 'GPT-2 small');
  assert.ok(site.seen.some(({ path, range }) => path.endsWith('/www/models/gpt2/model.safetensors') && range));
  assertClean(watched);
});
