// Firefox and WebKit do what a visitor does: open the demo, edit a prompt, run everything, look into a head, save the study.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertClose, dist, dotsPart, linkTo, nativeReport, onePair } from './harness/inputs.mjs';
import { OTHERS } from './harness/other-browsers.mjs';
import { serveSite } from './harness/server.mjs';

/** @import { Tab } from './harness/other-browsers.mjs' */

const TOLERANCE = 1e-3;
const LONG_MS = 120_000;
/** What fails silently, and what would be downloaded. */
const WATCH = `(() => {
  window.failures = [];
  window.saved = [];
  addEventListener('error', (event) => failures.push(event.message));
  addEventListener('unhandledrejection', (event) => failures.push(String(event.reason)));
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => {
    blob.text().then((text) => saved.push(text));
    return make.call(URL, blob);
  };
})()`;
const VALUES = '[...document.querySelectorAll("#logit-diff .dot")].map((dot) => Number(dot.dataset.value))';

/** Waits until an expression is true. @param {Tab} tab @param {string} script @param {string} what */
async function until(tab, script, what) {
  const start = performance.now();
  // WebKit's driver now and then answers with an error while the page is busy.
  for (let failure = ''; !await tab.evaluate(script).catch((error) => { failure = `, ${error}`; });) {
    assert.ok(performance.now() - start < LONG_MS, `${what}: not after ${LONG_MS / 1000} s${failure}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

for (const [name, { open, lacks }] of Object.entries(OTHERS)) {
  test(`${name} opens the demo, edits, runs everything, inspects a head and saves the study`, { skip: lacks }, async (t) => {
    const site = await serveSite(dist);
    t.after(site.close);
    const tab = await open();
    t.after(tab.close);
    t.diagnostic(tab.browser);
    const link = linkTo(onePair);
    await tab.goto(`${site.url}?device=cpu${link}`);
    await tab.evaluate(WATCH);
    await until(tab, 'document.getElementById("logit-diff")?.dataset.state === "fresh"', 'the first figure');
    assert.equal(await tab.evaluate('document.getElementById("too-old")'), null);
    const native = dotsPart(nativeReport('logit-diff')).series[0].points.slice(0, 2).map((point) => point.value);
    assertClose(await tab.evaluate(VALUES), native, TOLERANCE, 'logit differences');

    // An edit of both prompts, which must stay equally long, and the way back.
    const isFresh = 'document.getElementById("logit-diff").dataset.state === "fresh"';
    for (const field of ['clean', 'corrupted']) await tab.type(`#field-0-0-${field}`, ' now');
    await until(tab, `${isFresh} && ${VALUES}.length === 2 && Math.abs(${VALUES}[0] - ${native[0]}) > ${TOLERANCE}`, 'the edited prompts');
    const clean = onePair.groups[0].pairs[0].clean;
    while (await tab.evaluate('document.querySelector("#field-0-0-clean").value') !== clean) await tab.click('[aria-label="Undo"]');
    await until(tab, `${isFresh} && Math.abs(${VALUES}[0] - ${native[0]}) < ${TOLERANCE}`, 'undo');

    await tab.click('#run-all');
    await until(tab, 'document.getElementById("contents").dataset.busy === "true"', 'the start');
    await until(tab, 'document.getElementById("contents").dataset.busy === "false"', 'the whole study');
    assertClose(await tab.evaluate(VALUES), native, TOLERANCE, 'logit differences after undo');
    const states = await tab.evaluate('[...document.querySelectorAll(".figure")].map((figure) => [figure.id, figure.dataset.state])');
    assert.ok(states.filter((/** @type {string[]} */ [, state]) => state === 'fresh').length >= 15, JSON.stringify(states));
    assert.deepEqual(states.filter((/** @type {string[]} */ [, state]) => ['failed', 'running', 'stale'].includes(state)), []);

    await tab.evaluate('document.querySelector("#head-attribution [role=gridcell]").scrollIntoView({ block: "center" })');
    await tab.click('#head-attribution [role="gridcell"]');
    await until(tab, '[...document.querySelectorAll("#inspector .card")].some((card) => card.dataset.state === "fresh")', 'the head\u2019s card');

    await tab.click('#export');
    await tab.click('.menu-export [data-format="json"]');
    await until(tab, 'saved.length > 0', 'the study file');
    const study = JSON.parse(await tab.evaluate('saved[0]'));
    assert.deepEqual(study.experiment.groups, onePair.groups);
    assert.ok(study.results.length >= 15);
    const saved = dotsPart(study.results.find((/** @type {{ analysis: string }} */ { analysis }) => analysis === 'logit-diff').report).series[0].points;
    assertClose(saved.map(({ value }) => value), native, TOLERANCE, 'logit differences in the file');
    assert.deepEqual(await tab.evaluate('failures'), []);
    if (process.env.PATCHLAB_SHOTS) {
      mkdirSync(process.env.PATCHLAB_SHOTS, { recursive: true });
      writeFileSync(join(process.env.PATCHLAB_SHOTS, `${name.toLowerCase()}.png`), await tab.screenshot());
    }
  });
}
