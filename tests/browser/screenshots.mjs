// Pictures of the page for a person to look at: every state in both themes, on a desktop and on a phone.
// Writes PNG files into the folder PATCHLAB_SHOTS.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserWithProfile, fieldId, whenFresh } from './harness/browser.mjs';
import { demoFile, dist, linkTo, onePair } from './harness/inputs.mjs';
import { deadAddress, serveFiles, serveSite } from './harness/server.mjs';

/** @import { Page } from 'playwright-core' */

const folder = process.env.PATCHLAB_SHOTS;
assert.ok(folder, 'PATCHLAB_SHOTS is not set: the folder for the pictures');
mkdirSync(folder, { recursive: true });

const site = await serveSite(dist);
const slow = await serveFiles({ 'config.json': demoFile('config.json'), 'model.safetensors': demoFile('model.safetensors') }, { delay: 700 });
const dead = await deadAddress();
const fresh = async (/** @type {Page} */ page) => {
  await whenFresh(page, 'logit-diff');
  await whenFresh(page, 'test-prompt');
};
const openEditor = async (/** @type {Page} */ page) => {
  if (await page.locator('#sheet-open').isVisible()) await page.click('#sheet-open');
};

/** @type {Record<string, { query?: string, show: (page: Page) => Promise<unknown>, whole?: boolean }>} */
const states = {
  full: { show: fresh },
  article: { show: fresh, whole: true },
  editor: { show: async (page) => { await fresh(page); await openEditor(page); } },
  problems: {
    show: async (page) => {
      await fresh(page);
      await openEditor(page);
      await page.fill(fieldId(0, 0, 'corrupted'), 'We are helping our dear friend when they');
      await page.fill(fieldId(0, 0, 'answer'), ' contractions of');
      await page.locator('#problem-0-0-answer').waitFor({ state: 'visible' });
    },
  },
  table: { show: async (page) => { await fresh(page); await page.locator('.fold > summary').first().click(); await page.locator('.fold').first().scrollIntoViewIfNeeded(); } },
  prompt: { show: async (page) => { await fresh(page); await page.locator('#test-prompt').evaluate((section) => section.scrollIntoView()); } },
  presets: { show: async (page) => { await fresh(page); await openEditor(page); await page.click('#presets'); } },
  loading: {
    query: `&weights=${slow.url}&model=gpt2`,
    show: (page) => page.waitForFunction(() => Number(/** @type {HTMLElement | null} */ (document.querySelector('.work-text[data-done]'))?.dataset.done) > 0),
  },
  failed: {
    query: `&weights=${dead}`,
    show: async (page) => { await fresh(page); await page.click('[data-model="gpt2"]'); await page.waitForSelector('#opening[data-state="failed"]'); },
  },
  empty: { query: `${linkTo({ groups: [] })}`, show: (page) => page.waitForSelector('#opening[data-state="open"]') },
  one: { query: linkTo(onePair), show: fresh },
};

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const [device, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
    for (const [state, { query = '', show, whole = false }] of Object.entries(states)) {
      const profile = mkdtempSync(join(tmpdir(), 'patchlab-profile-'));
      const context = await browserWithProfile(profile, { colorScheme, viewport });
      try {
        const page = await context.newPage();
        await page.goto(`${site.url}?device=cpu${query}`);
        await show(page);
        // Whatever the mouse was on last is not part of the state.
        await page.mouse.move(0, 0);
        await page.waitForTimeout(300);
        await page.screenshot({ path: join(folder, `${state}-${device}-${colorScheme}.png`), fullPage: whole });
      } finally {
        await context.close();
        rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
      }
    }
  }
}
await site.close();
await slow.close();
