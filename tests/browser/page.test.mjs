// The page as a whole: accessible in both themes, served from any folder, and safe.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from './harness/axe.mjs';
import { andThenFresh, assertClean, fieldId, freshBrowser, watchedPage, whenFresh } from './harness/browser.mjs';
import { dist } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';

// Colours depend on the theme, sizes on the width.
for (const [colorScheme, width] of /** @type {const} */ ([['light', 1280], ['dark', 390]])) {
  test(`no serious barrier: ${colorScheme}, ${width} pixels wide`, async (t) => {
    const site = await serveSite(dist);
    t.after(site.close);
    const context = await freshBrowser(t, { viewport: { width, height: 844 }, colorScheme, reducedMotion: 'reduce' });
    const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
    /** @param {string} what */
    const assertNone = async (what) => assert.deepEqual(await violations(page), [], what);
    await page.goto(`${site.url}?device=cpu`);
    await whenFresh(page, 'logit-diff');
    await whenFresh(page, 'test-prompt');
    await page.locator('.fold > summary').first().click();
    await assertNone('with results');

    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels wider than the window`);

    // Stale results are dimmed on purpose, so wait until there are none.
    await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'A prompt of its own'));
    if (width === 390) await page.click('#sheet-open');
    await andThenFresh(page, 'logit-diff', () => page.fill(fieldId(0, 0, 'answer'), ' contractions of'));
    await page.locator('#problem-0-0-answer').waitFor({ state: 'visible' });
    await assertNone('with the editor and a problem');
    await page.click('#presets');
    await page.locator('[data-preset]').first().waitFor();
    await assertNone('with the menu');
    assertClean(watched);
  });
}

test('Back closes what was opened, and what was typed meanwhile stays', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await page.locator('#head-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-attribution');
  const inspector = page.locator('#inspector[data-cards="1"]');
  const cell = page.locator('#head-attribution .heat [role="gridcell"]').nth(7);
  const entries = await page.evaluate(() => history.length);
  await cell.click();
  await inspector.waitFor();
  await andThenFresh(page, 'logit-diff', () => page.fill(fieldId(0, 0, 'clean'), "They're helping our friend when they"));
  const isWritten = () => page.waitForFunction(() => JSON.parse(localStorage.getItem('patchlab.draft') ?? '{}').experiment?.groups[0].pairs[0].clean.startsWith('They'));
  await isWritten();
  await page.goBack();
  await page.locator('#inspector[data-cards="0"]').waitFor({ state: 'attached' });
  assert.equal(await page.inputValue(fieldId(0, 0, 'clean')), "They're helping our friend when they");
  assert.doesNotMatch(await page.locator('#toast').innerText(), /link/);
  // A reload shows what the page showed, although the entry held an older link.
  await page.waitForFunction(() => location.hash.startsWith('#e='));
  await page.waitForTimeout(600);
  await page.reload();
  await whenFresh(page, 'logit-diff');
  assert.equal(await page.inputValue(fieldId(0, 0, 'clean')), "They're helping our friend when they");
  assert.equal(await page.locator('#inspector').getAttribute('data-cards'), '0');

  // Closed otherwise, it leaves nothing behind: Back does not seem to do nothing.
  await page.locator('#head-attribution').scrollIntoViewIfNeeded();
  await whenFresh(page, 'head-attribution');
  await cell.click();
  await inspector.waitFor();
  await page.click('#inspector-close');
  await page.waitForFunction(() => history.state.opened === 0);
  assert.ok(await page.evaluate(() => history.length) <= entries + 1);
  assertClean(watched);
});

test('the sheet of a phone takes the focus and gives it back', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { viewport: { width: 390, height: 844 } });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  assert.equal(await page.locator('#rail').isVisible(), false);
  await page.click('#sheet-open');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'rail-title');
  assert.equal(await page.locator('#article').getAttribute('inert'), '');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'sheet-open');
  assert.equal(await page.locator('#article').getAttribute('inert'), null);
  await page.click('#sheet-open');
  await page.goBack();
  await page.locator('#rail').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'sheet-open');
  assertClean(watched);
});

test('the theme is switched, and kept', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { colorScheme: 'light' });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  const light = await ground();
  await page.click('#theme');
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark);
  await whenFresh(page, 'logit-diff');
  assertClean(watched);
});

test('the site works at the root of a host, too', async (t) => {
  const site = await serveSite(dist, { path: '/' });
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  assertClean(watched);
});

test('prompts and names are text, never code', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  const markup = '<img src=x onerror="window.broken = true">';
  await page.fill(fieldId(0, 0, 'clean'), markup);
  await page.fill('[data-hook="group-name"]', markup);
  await page.fill('#test-prompt-text', markup);
  await page.waitForFunction((text) => document.querySelector('.group-title')?.textContent === text, markup);
  await whenFresh(page, 'test-prompt');
  assert.equal(await page.evaluate(() => document.querySelectorAll('img').length), 0);
  assert.equal(await page.evaluate(() => 'broken' in window), false);
  const policy = await page.getAttribute('meta[http-equiv="Content-Security-Policy"]', 'content');
  assert.match(policy ?? '', /default-src 'none'/);
  assertClean(watched);
});

test('a browser that is too old is told what it lacks', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  assert.equal(await page.locator('#too-old').count(), 0);
  await page.addInitScript(() => {
    const { supports } = CSS;
    CSS.supports = (/** @type {any[]} */ ...query) => !String(query[1]).startsWith('light-dark') && /** @type {any} */ (supports).apply(CSS, query);
  });
  await page.reload();
  assert.match(await page.locator('#too-old').innerText(), /it lacks colours for light and dark\. Use Chrome or Edge 123/);
  assertClean(watched);
});

test('the skip link leads to the results, and the address bar keeps the whole page', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  await page.waitForFunction(() => location.hash.startsWith('#e='));
  const link = page.url();
  await page.locator('.skip').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction((before) => location.href === before, link);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'article');
  assertClean(watched);
});
