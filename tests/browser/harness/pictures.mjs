// A page that only draws reports. It is the real site, with its Content-Security-Policy, but with main.js replaced by a
// script that draws synthetic reports in GPT-2 small's shapes.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freshBrowser, watchedPage } from './browser.mjs';
import { dist } from './inputs.mjs';
import { serveSite } from './server.mjs';

/** @import { TestContext } from 'node:test' */
/** @import { BrowserContextOptions, Page } from 'playwright-core' */
/** @import { Part } from '../../../www/types/engine.js' */

const WIRING = `
import { saveMenu } from './exports/menu.js';
import { updatePart } from './reports/index.js';
import { layOut } from './study/report-view.js';
import { Stage } from './reports/stage.js';
import * as samples from './samples.js';
import { Tip } from './tip.js';
const calls = [];
const hear = (name) => (...values) => calls.push([name, ...values]);
const actions = { onHead: hear('head'), onNeuron: hear('neuron'), onPatch: hear('patch'), onDot: hear('dot'), onSeries: hear('series') };
const place = document.getElementById('sections');
const page = new Stage({ tip: new Tip(document), menu: (figure, part) => saveMenu(figure, part, console.error) });
Object.assign(window, {
  calls,
  draw: (parts, without = []) => {
    const own = Object.fromEntries(Object.entries(actions).filter(([name]) => !without.includes(name)));
    const start = performance.now();
    const report = { analysis: 'sample', title: '', model: '', device: '', parts, problems: [] };
    page.scope.end();
    place.replaceChildren(layOut(report, { title: '', stage: page.with({ actions: own }), tables: undefined, measure: null }));
    document.body.getBoundingClientRect();
    return performance.now() - start;
  },
  update: (part) => updatePart(place.querySelector('figure'), part),
  samples,
  pictures: (name) => page.picture(name),
});
`;
/** The samples are generated in the page: sending it a sweep over all neurons would take a minute. */
const SAMPLES = readFileSync(new URL('./samples.mjs', import.meta.url), 'utf8');

/** @param {TestContext} t @param {BrowserContextOptions} [options] */
export async function emptyPage(t, options = {}) {
  const site = await serveSite(dist, { replace: { 'www/main.js': WIRING, 'www/samples.js': SAMPLES }, scripts: fileURLToPath(new URL('../../../www', import.meta.url)) });
  t.after(site.close);
  const context = await freshBrowser(t, { acceptDownloads: true, ...options });
  const { page, watched } = await watchedPage(context, { hosts: [site.origin] });
  await page.goto(site.url);
  await page.waitForFunction(() => 'draw' in window);
  return { page, watched };
}

/** Draws parts and returns the time in milliseconds. @param {Page} page @param {Part[]} parts @param {string[]} [without] actions to leave out */
export function draw(page, parts, without = []) {
  return page.evaluate(([given, left]) => /** @type {any} */ (window).draw(given, left), /** @type {const} */ ([parts, without]));
}

/** Draws a large sample that is generated in the page. @param {Page} page @param {string} sample an expression @returns {Promise<number>} */
export function drawLarge(page, sample) {
  return page.evaluate(`draw([${sample}])`);
}

/** The actions that the figures have called since the last call of this function. @param {Page} page @returns {Promise<any[]>} */
export function calls(page) {
  return page.evaluate(() => /** @type {any} */ (window).calls.splice(0));
}

/** The tooltip's lines. @param {Page} page */
export async function tip(page) {
  return (await page.locator('#tip:popover-open').innerText()).split('\n');
}

/** Saves a figure through its menu. @param {Page} page @param {'svg' | 'png' | 'csv'} format */
export async function saved(page, format) {
  await page.click('.save');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`.menu-save [data-format="${format}"]`)]);
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
}
