// Screenshots of the page for visual review: every state in both themes, on a desktop and on a phone. Writes PNG files to
// the folder PATCHLAB_SHOTS.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fieldId, launched, trusting, whenFresh } from './harness/browser.mjs';
import { firstGroup, runAll } from './harness/study.mjs';
import { demoFile, dist, linkTo, onePair } from './harness/inputs.mjs';
import { faultServer } from './harness/faults.mjs';
import { deadAddress, serveFiles, serveSite } from './harness/server.mjs';
import { standin } from './harness/standin.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */

const folder = process.env.PATCHLAB_SHOTS;
assert.ok(folder, 'PATCHLAB_SHOTS is not set: the folder for the pictures');
mkdirSync(folder, { recursive: true });

const LONG_MS = 300_000;
const site = await serveSite(dist);
/** Serves weights slowly, so that there is time for screenshots. */
const slow = await faultServer(
  { 'config.json': readFileSync(demoFile('config.json')), 'model.safetensors': readFileSync(demoFile('model.safetensors')) },
  { fault: ({ size }) => (size > 100_000 ? { perSecond: size / 20 } : null) },
);
const dead = await deadAddress();
const fresh = async (/** @type {Page} */ page) => {
  await whenFresh(page, 'logit-diff');
  await whenFresh(page, 'test-prompt');
};
const openEditor = async (/** @type {Page} */ page) => {
  if (await page.locator('#sheet-open').isVisible()) await page.click('#sheet-open');
};

/** Computes everything, once per page, and scrolls to a section. @param {string} section */
const section = (section) => async (/** @type {Page} */ page) => {
  await fresh(page);
  if ((await page.locator('#checks').getAttribute('data-state')) !== 'fresh') await runAll(page);
  await page.locator(`#section-${section}`).evaluate((element) => element.scrollIntoView());
  if (section === 'compare') {
    await page.click('#show-both');
    await page.locator('#compare-body[data-state="fresh"]').waitFor();
    await page.locator('#section-compare').evaluate((element) => element.scrollIntoView());
  }
};

/**
 * `of`: a screenshot of this element only; these share one page.
 * @type {Record<string, { query?: string, show: (page: Page) => Promise<unknown>, whole?: boolean, of?: string }>}
 */
const states = {
  full: { show: fresh },
  article: { show: fresh, whole: true },
  // Each section of the study in full.
  ...Object.fromEntries(['task', 'where', 'heads', 'patching', 'neurons', 'compare', 'trust'].map((name) => [`section-${name}`, { show: section(name), of: `#section-${name}` }])),
  groups: {
    show: async (page) => {
      await fresh(page);
      await page.locator('.group-chips').getByRole('button', { name: 'all' }).click();
      await page.locator('#head-attribution').evaluate((element) => element.scrollIntoView());
      await whenFresh(page, 'head-attribution');
    },
  },
  head: {
    show: async (page) => {
      await section('heads')(page);
      await page.locator('#head-attribution .heat [role="gridcell"]').nth(7).click();
      await page.locator('.card[data-state="fresh"]').waitFor();
    },
  },
  patched: {
    show: async (page) => {
      await section('patching')(page);
      await page.locator('#residual-patching .heat [role="gridcell"]').nth(2).click();
      await page.locator('.card[data-state="fresh"]').waitFor();
    },
  },
  paste: {
    show: async (page) => {
      await fresh(page);
      await openEditor(page);
      await page.click('#paste-group');
      await page.fill('#paste-text', "We're late when they\tWe are late when they\t're\t are\nWe're reading so they\tWe are reading so they\nalone");
      await page.locator('#paste-preview .field-error').waitFor();
    },
  },
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
  stranger: {
    query: '&weights=https://example.org/weights/&model=gpt2',
    show: (page) => page.waitForSelector('#opening[data-state="asking"]'),
  },
  loading: {
    query: `&weights=${slow.url}&model=gpt2`,
    show: (page) => page.waitForFunction(() => Number(/** @type {HTMLElement | null} */ (document.querySelector('.work-text[data-done]'))?.dataset.done) > 0),
  },
  paused: {
    query: `&weights=${slow.url}&model=gpt2`,
    show: (page) => page.click('#pause-opening'),
  },
  stored: {
    show: async (page) => { await fresh(page); await page.click('#stored'); await page.locator('.stored-model').waitFor(); },
  },
  failed: {
    query: `&weights=${dead}`,
    show: async (page) => { await fresh(page); await page.click('[data-model="gpt2"]'); await page.waitForSelector('#opening[data-state="failed"]'); },
  },
  empty: { query: `${linkTo({ groups: [] })}`, show: (page) => page.waitForSelector('#opening[data-state="open"]') },
  one: { query: linkTo(onePair), show: fresh },
  // A circuit taken from the picture of edges, and what it is worth.
  circuit: {
    query: '&model=planted-ioi',
    show: async (page) => {
      await whenFresh(page, 'logit-diff');
      await page.locator('#edge-attribution').evaluate((element) => element.scrollIntoView());
      await whenFresh(page, 'edge-attribution');
      await page.getByRole('button', { name: /as the circuit/ }).click();
      await page.locator('#circuit').evaluate((element) => element.scrollIntoView());
      await whenFresh(page, 'circuit');
      await page.locator('#circuit .basket').evaluate((element) => element.scrollIntoView());
    },
  },
};

/** @param {BrowserContext} context @param {string} name @param {typeof states[string]} state @param {Page} [shared] */
async function take(context, name, { query = '', show, whole = false, of }, shared) {
  const page = shared ?? (await context.newPage());
  if (!shared) await trusting(page, [slow.origin, new URL(dead).origin]);
  if (!shared) await page.goto(`${site.url}?device=cpu${query}`);
  await show(page);
  // Hovering is not part of the state.
  await page.mouse.move(0, 0);
  await page.waitForTimeout(300);
  const path = join(/** @type {string} */ (folder), `${name}.png`);
  // Fixed elements would appear in the middle of a section taller than the window.
  if (of) await page.evaluate(() => document.querySelector('.sheet-bar')?.setAttribute('hidden', ''));
  if (of) await page.locator(of).screenshot({ path });
  else await page.screenshot({ path, fullPage: whole });
  return page;
}

const browser = await launched();
for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const [device, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
    // Each state as of a first visit; parts of the whole study are parts of one page.
    const visit = async (/** @type {(context: BrowserContext) => Promise<unknown>} */ work) => {
      const context = await browser.newContext({ colorScheme, viewport });
      await work(context);
      await context.close();
    };
    const all = Object.entries(states);
    await visit(async (context) => {
      /** @type {Page | undefined} */
      let shared;
      for (const [name, state] of all.filter(([, { of }]) => of)) shared = await take(context, `${name}-${device}-${colorScheme}`, state, shared);
    });
    for (const [name, state] of all.filter(([, { of }]) => !of)) {
      await visit((context) => take(context, `${name}-${device}-${colorScheme}`, state));
    }
  }
}

// GPT-2 small's size: computed once, looked at in every width and theme.
const { config, weights } = standin();
const hub = await serveFiles({ 'config.json': Buffer.from(config), 'model.safetensors': weights });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
await trusting(page, [hub.origin]);
const experiment = firstGroup();
experiment.groups[0].pairs = experiment.groups[0].pairs.slice(0, 2);
await page.goto(`${site.url}?device=cpu&model=${hub.url}${linkTo(experiment)}`);
await whenFresh(page, 'test-prompt', { timeout: LONG_MS });
for (const figure of ['logit-lens', 'layer-attribution', 'text-lens', 'head-attribution', 'attention', 'residual-patching', 'component-patching', 'head-patching', 'neuron-attribution', 'neuron-on-text']) {
  await page.locator(`#${figure}`).scrollIntoViewIfNeeded();
  await whenFresh(page, figure, { timeout: LONG_MS });
}
for (const [width, height] of [[1280, 800], [1440, 900], [1920, 1080], [390, 844]]) {
  await page.setViewportSize({ width, height });
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    // Pictures are fitted once the width stays.
    await page.waitForTimeout(400);
    for (const name of ['where', 'heads', 'patching', 'neurons']) {
      await take(context, `size-${name}-${width}-${colorScheme}`, { show: async () => {}, of: `#section-${name}` }, page);
    }
  }
}
// As the README shows it, with a head in the inspector.
await page.setViewportSize({ width: 1440, height: 900 });
await page.emulateMedia({ colorScheme: 'light' });
await page.locator('#head-patching .heat [role="gridcell"]').nth(7 * 12 + 11).click();
await page.locator('.card[data-item="L7H11"][data-state="fresh"]').waitFor();
await page.waitForTimeout(500);
await page.locator('#head-patching').evaluate((element) => element.scrollIntoView());
await take(context, 'size-page', { show: async () => {} }, page);
await browser.close();
await hub.close();
await site.close();
await slow.down();
