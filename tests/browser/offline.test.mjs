// The service worker: the page offline, and how a new version replaces an old one.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertClean, dotsOf, fieldId, browserOnDisk, watchedPage, whenFresh, whenKept, whenOpen } from './harness/browser.mjs';
import { changeFile, copyOfSite, listOf, newVersion, sha256, versionWithout } from './harness/copies.mjs';
import { demoFile, dist } from './harness/inputs.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */

const TITLE = 'Patchlab: GPT-2 under the microscope';
const renamed = (/** @type {string} */ text) => text.replace(`<title>${TITLE}</title>`, '<title>Patchlab, newer</title>');

/** The names of this browser's caches. @param {Page} page */
function caches(page) {
  return page.evaluate(() => window.caches.keys());
}

test('the list has every file but weights, with its hash', () => {
  const { files } = listOf(dist);
  const there = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dist.length + 1))
    .filter((path) => path !== 'sw.js' && !path.endsWith('.safetensors') && !path.startsWith('www/models/gpt2/'));
  assert.deepEqual(Object.keys(files).sort(), there.sort());
  for (const path of there) assert.equal(files[path], sha256(readFileSync(join(dist, path))), path);
});

test('the second visit needs no network', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await browserOnDisk(t);
  const { page: first, watched: before } = await watchedPage(context, { hosts: [site.origin] });
  await first.goto(`${site.url}?device=cpu`);
  await whenFresh(first, 'logit-diff');
  await whenKept(first);
  const dots = await dotsOf(first);
  // What few visitors want is kept when it was fetched once.
  assert.deepEqual(before.requests.filter((address) => address.includes('/recorded/')), []);
  await first.reload();
  await whenFresh(first, 'logit-diff');
  await first.locator('#recorded').scrollIntoViewIfNeeded();
  await first.locator('#recorded').getByText('there is nothing to compare it with').waitFor();
  await first.close();
  assertClean(before);

  await context.setOffline(true);
  await site.close();
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenOpen(page);
  await whenFresh(page, 'logit-diff');
  assert.deepEqual(await dotsOf(page), dots);
  assert.match(await page.locator('[data-hook="source"]').innerText(), /from this browser\u2019s storage/);
  await page.locator('#recorded').scrollIntoViewIfNeeded();
  await page.locator('#recorded').getByText('there is nothing to compare it with').waitFor();
  // Scripts that are loaded on demand are cached too.
  await page.click('#stored');
  await page.locator('#stored-title').waitFor();
  assertClean(watched);
});

test('weights of another host need no network the second time', async (t) => {
  const hub = await serveFiles({ 'config.json': demoFile('config.json'), 'model.safetensors': demoFile('model.safetensors') });
  const folder = copyOfSite(t);
  newVersion(folder, 'index.html', (text) => text.replace(/(name="patchlab-weights" content=")[^"]*/, (_, start) => start + hub.url));
  const site = await serveSite(folder);
  t.after(site.close);
  t.after(hub.close);
  const context = await browserOnDisk(t);
  // There is no mirror beside the page; the browser logs the 404.
  const { page: first, watched: before } = await watchedPage(context, { hosts: [site.origin, hub.origin], expected: [/404/] });
  await first.goto(`${site.url}?device=cpu&model=gpt2`);
  await whenFresh(first, 'logit-diff');
  await whenKept(first);
  const dots = await dotsOf(first);
  assert.match(await first.locator('[data-hook="source"]').innerText(), /from the network/);
  await first.close();
  assertClean(before);

  await context.setOffline(true);
  await site.close();
  await hub.close();
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin], expected: [/ERR_INTERNET_DISCONNECTED/] });
  await page.goto(`${site.url}?device=cpu&model=gpt2`);
  await whenOpen(page);
  assert.equal(await page.locator('[data-hook="model-name"]').innerText(), 'GPT-2 small');
  await whenFresh(page, 'logit-diff');
  assert.deepEqual(await dotsOf(page), dots);
  assertClean(watched);
});

test('a new version is offered, takes over as a whole, and says so once', async (t) => {
  const folder = copyOfSite(t);
  const site = await serveSite(folder);
  t.after(site.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  await whenKept(page);
  const old = await caches(page);

  newVersion(folder, 'index.html', renamed);
  versionWithout(folder, 'stored-menu');
  await page.reload();
  assert.equal(await page.title(), TITLE, 'the version that is kept');
  await whenFresh(page, 'logit-diff');
  await page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they");
  const notice = page.locator('#update');
  await notice.waitFor({ timeout: 60_000 });
  assert.match(await notice.innerText(), /A new version of Patchlab is ready\./);
  assert.equal(await page.title(), TITLE);

  const { page: other } = await watchedPage(context, { hosts: [site.origin] });
  await other.goto(`${site.url}?device=cpu`);
  await whenOpen(other);
  assert.equal(await other.title(), TITLE, 'both tabs are of one version');
  await other.locator('#update').waitFor({ timeout: 60_000 });

  await page.click('#reload');
  await page.waitForFunction(() => document.title === 'Patchlab, newer', undefined, { timeout: 60_000 });
  await page.locator('#toast').getByText('This is the new version of Patchlab.').waitFor();
  await whenFresh(page, 'logit-diff');
  assert.equal(await page.inputValue(fieldId(0, 0, 'clean')), "They're helping our friend when they");
  await other.locator('#update').getByText('brought up to date in another tab').waitFor();
  // The tab that was not reloaded still gets its own scripts (page.md B14).
  await other.click('#stored');
  await other.locator('#stored-title').waitFor();
  await other.close();

  const now = await caches(page);
  const pages = (/** @type {string[]} */ names) => names.filter((name) => name.startsWith('patchlab-page-'));
  assert.equal(pages(old).length, 1);
  assert.equal(pages(now).length, 2, 'the version before stays');
  assert.deepEqual(now.filter((name) => !pages(now).includes(name)), old.filter((name) => !pages(old).includes(name)), 'weights are left alone');
  await page.reload();
  await whenOpen(page);
  assert.equal(await page.title(), 'Patchlab, newer');
  assert.equal(await page.locator('#update').count(), 0);
  assert.doesNotMatch(await page.locator('#toast').innerText(), /new version/);
  assertClean(watched);
});

test('a file of another version keeps a new version from taking over', async (t) => {
  const folder = copyOfSite(t);
  const site = await serveSite(folder);
  t.after(site.close);
  const context = await browserOnDisk(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin], expected: [/is of another version/] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  await whenKept(page);
  const old = await caches(page);

  newVersion(folder, 'index.html', renamed);
  changeFile(folder, 'www/main.js', (text) => `${text}\n// Uploaded later.`);
  const state = await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    /** @type {Promise<string>} */
    const ended = new Promise((done) => {
      registration.addEventListener('updatefound', () => {
        const fresh = registration.installing;
        fresh?.addEventListener('statechange', () => { if (fresh.state !== 'installing') done(fresh.state); });
      });
    });
    await registration.update();
    return ended;
  });
  assert.equal(state, 'redundant');
  assert.deepEqual(await caches(page), old);
  await page.reload();
  assert.equal(await page.title(), TITLE);
  await whenFresh(page, 'logit-diff');
  assert.equal(await page.locator('#update').count(), 0);

  // The upload is complete now.
  newVersion(folder, 'www/main.js', (text) => text);
  await page.reload();
  await page.locator('#update').waitFor({ timeout: 60_000 });
  assertClean(watched);
});
