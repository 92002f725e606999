// A page that opens what strangers made: nothing of it may run, and the page has to go on working.

import assert from 'node:assert/strict';
import { dotsOf, fieldId, freshBrowser, openGroup, watchedPage, whenFresh } from './browser.mjs';
import { dist } from './inputs.mjs';
import { serveSite } from './server.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { TestContext } from 'node:test' */

export const IMAGE = '<img src=x onerror="window.pwned=1">';
export const SCRIPT = '</script><script>window.pwned=1</script>';
export const ATTRIBUTE = '"\'><b onmouseover="window.pwned=1" style="position:fixed;inset:0">';
/** Bidirectional overrides, control characters and zero-width characters. */
export const CONTROLS = 'a\u202eb\u2066\u0007\u0000\u200b\ufeff\u0301';
/** A lone surrogate: JSON can encode it, but it is not valid text. */
export const HALF = '\ud800';
/** Elements that exist only if injected markup was parsed. */
const TRACES = 'img[src="x"], body script:not([src]), [onerror], [onmouseover], [onload], [onclick]';

/** @param {TestContext} t */
export async function strangersPage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { acceptDownloads: true });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  /** Forces a fresh load: changing only the fragment would not reload the page. @param {string} fragment */
  const load = async (fragment) => {
    await page.goto('about:blank');
    await page.goto(`${site.url}?device=cpu${fragment}`);
  };
  return { page, watched, load };
}

/** Asserts that nothing was executed or parsed as markup. @param {Page} page */
export async function assertInert(page) {
  assert.equal(await page.evaluate(() => 'pwned' in window), false, 'a script ran');
  assert.deepEqual(await page.locator(TRACES).evaluateAll((found) => found.map((element) => element.outerHTML)), []);
}

/** Types a prompt and waits for its results. @param {Page} page */
export async function assertWorks(page) {
  await openGroup(page, 0);
  for (const [field, text] of [['clean', "They're glad when they"], ['corrupted', 'They are glad when they'], ['answer', "'re"], ['distractor', ' are']]) {
    await page.fill(fieldId(0, 0, field), text);
  }
  await page.waitForFunction(() => document.querySelector('.dots-row .dot') !== null);
  await whenFresh(page, 'logit-diff');
  assert.ok((await dotsOf(page))[0].values.every(Number.isFinite));
  await assertInert(page);
}
