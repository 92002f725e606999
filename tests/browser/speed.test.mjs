// Waiting times, and tasks that block the page, on the CPU. Other load on the machine may spoil a measurement, so each is repeated: a page that is too slow
// is slow every time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { andThenFresh, assertClean, fieldId, freshBrowser, openGroup, watchedPage, whenFresh } from './harness/browser.mjs';
import { chosenFiles, dist, linkTo } from './harness/inputs.mjs';
import { drawLarge, emptyPage } from './harness/pictures.mjs';
import { serveSite } from './harness/server.mjs';
import { firstGroup, longestTask, runAll, watchTasks } from './harness/study.mjs';
import { durations, editToResult, moments, noteMoments } from './harness/timing.mjs';

const STUDY_MS = 10_000;
const EDIT_MS = 200;

/** @param {import('node:test').TestContext} t */
async function openedPage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const { page, watched } = await watchedPage(await freshBrowser(t), { hosts: [site.origin] });
  await noteMoments(page);
  await page.goto(`${site.url}?device=cpu${linkTo(firstGroup())}`);
  await whenFresh(page, 'logit-diff');
  await whenFresh(page, 'test-prompt');
  return { page, watched };
}

/** With all groups of the first preset. @param {import('node:test').TestContext} t */
async function wholePage(t) {
  const site = await serveSite(dist);
  t.after(site.close);
  const { page, watched } = await watchedPage(await freshBrowser(t), { hosts: [site.origin] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'test-prompt');
  return { page, watched };
}

test('the whole study of one group of the demo model, all neurons included', async (t) => {
  /** @type {number[]} */
  const times = [];
  while (times.length < 3 && !times.some((time) => time <= STUDY_MS)) {
    const { page, watched } = await openedPage(t);
    const start = await page.evaluate(() => performance.now());
    await runAll(page);
    const noted = await moments(page);
    assert.ok(durations(noted).has('neuron-patching'), 'the neurons were not patched');
    times.push(Math.max(...noted.filter(({ state }) => state === 'fresh').map(({ at }) => at)) - start);
    assertClean(watched);
  }
  t.diagnostic(`${times.map((time) => time.toFixed(0)).join(', ')} ms`);
  assert.ok(Math.min(...times) <= STUDY_MS, `${Math.min(...times)} ms`);
});

test('an edited prompt shows its new logit difference', async (t) => {
  const { page, watched } = await openedPage(t);
  await openGroup(page, 0);
  /** @type {number[]} */
  const times = [];
  for (const word of ['sister', 'brother', 'teacher', 'mother', 'father', 'uncle', 'doctor']) {
    times.push(await editToResult(page, fieldId(0, 0, 'clean'), `We're helping our ${word} when they`));
    // Let the other figures finish before the next edit.
    await page.waitForTimeout(300);
  }
  const median = times.sort((a, b) => a - b)[times.length >> 1];
  t.diagnostic(`${times.map((time) => time.toFixed(0)).join(', ')} ms`);
  assert.ok(median <= EDIT_MS, `${median} ms`);
  assertClean(watched);
});

test('every edge of the demo model, and the picture of the strongest', async (t) => {
  const { page, watched } = await wholePage(t);
  await page.goto(`${page.url().split('#')[0]}#edge-attribution`);
  await whenFresh(page, 'edge-attribution');
  const computed = await page.locator('#edge-attribution').getByText('computed in').innerText();
  // The circuit below has a picture of its own.
  const slider = page.locator('#edge-attribution').getByLabel('Edges shown');
  const shown = () => page.locator('#edge-attribution .edge-graph path').count();
  await slider.waitFor();
  assert.equal(await shown(), 30);
  // The slider answers from kept results.
  const ms = await slider.evaluate((input) => {
    if (!(input instanceof HTMLInputElement)) throw new Error('no slider');
    const start = performance.now();
    input.value = '400';
    input.dispatchEvent(new Event('input'));
    return performance.now() - start;
  });
  assert.equal(await shown(), 400);
  // What these edges leave by themselves takes circuits, but no sweep.
  const left = await slider.evaluate(async (input) => {
    const output = document.querySelector('#edge-attribution .edges-actions output');
    if (!(input instanceof HTMLInputElement) || !output) throw new Error('no slider');
    const start = performance.now();
    input.value = '20';
    input.dispatchEvent(new Event('input'));
    while (!output.textContent && performance.now() - start < 5000) await new Promise(requestAnimationFrame);
    return performance.now() - start;
  });
  t.diagnostic(`${computed}; slider ${ms.toFixed(1)} ms; what is left ${left.toFixed(1)} ms`);
  const [, number, unit] = /([\d.]+)\s*(ms|s)/.exec(computed) ?? [];
  assert.ok(Number(number) * (unit === 's' ? 1000 : 1) <= 5000, computed);
  assert.ok(ms <= 100, `${ms} ms`);
  assert.ok(left <= 1000, `${left} ms`);
  assertClean(watched);
});

/** A thousand different pairs of 15 tokens, as JSON lines. */
function thousandPairs() {
  const names = ['Mary', 'John', 'Anna', 'Paul', 'Tom', 'Kate', 'Mark', 'Sarah', 'David', 'Emma', 'James', 'Laura'];
  const places = ['shop', 'park', 'office', 'station', 'school', 'hospital', 'beach', 'market'];
  return Array.from({ length: 1000 }, (_, index) => {
    const [one, step] = [index % 12, 1 + (Math.floor(index / 12) % 11)];
    const [io, s, other] = [names[one], names[(one + step) % 12], names[(one + step + (step === 11 ? 2 : 1)) % 12]];
    const text = (/** @type {string} */ giver) => `When ${io} and ${s} went to the ${places[Math.floor(index / 132)]}, ${giver} gave the bag to`;
    return JSON.stringify({ clean: text(s), corrupted: text(other), answer: ` ${io}`, distractor: ` ${s}`, group: 'many', symmetric: false });
  }).join('\n');
}

test('a file of a thousand pairs has its first figure within five seconds, and typing in it never waits', async (t) => {
  const { page, watched } = await openedPage(t);
  /** @type {number[]} */
  const longest = [];
  const start = performance.now();
  await andThenFresh(page, 'logit-diff', () => page.setInputFiles('#import-file', chosenFiles({ 'pairs.jsonl': thousandPairs() })));
  const first = performance.now() - start;
  await page.locator('.pair-row').first().click();
  const field = page.locator(fieldId(0, 0, 'clean'));
  await field.waitFor();
  // Other load on the machine may spoil a measurement, but not three in a row.
  while (longest.length < 3 && !longest.some((time) => time < 100)) {
    await watchTasks(page);
    await field.focus();
    await page.keyboard.type(' very', { delay: 120 });
    // With its new logit differences drawn.
    await page.waitForTimeout(3000);
    longest.push(await longestTask(page));
  }
  t.diagnostic(`first figure after ${(first / 1000).toFixed(2)} s; longest task while typing: ${longest.join(', ')} ms`);
  assert.ok(first < 5000, `${first} ms`);
  assert.ok(longest.some((time) => time < 100), `${longest} ms`);
  assertClean(watched);
});

test('no task on the page\u2019s thread takes long while the whole study runs', async (t) => {
  /** @type {number[]} */
  const longest = [];
  // Other load on the machine may spoil a measurement, but not three in a row.
  while (longest.length < 3 && !longest.some((time) => time < 100)) {
    const { page, watched } = await wholePage(t);
    await watchTasks(page);
    await runAll(page);
    longest.push(await longestTask(page));
    assertClean(watched);
    await page.close();
  }
  t.diagnostic(`longest task: ${longest.join(', ')} ms`);
  assert.ok(Math.min(...longest) < 100, `a task of ${Math.min(...longest)} ms`);
});

test('a long run shows its progress, is cancelled within a second, and runs again', async (t) => {
  const { page, watched } = await wholePage(t);
  await page.locator('.group-chips').getByRole('button', { name: 'all' }).click();
  await page.click('#run-all');
  await page.waitForFunction(() => [...document.querySelectorAll('.figure-progress')].some((text) => /\d+ of \d+ patches/.test(text.textContent ?? '')), undefined, { timeout: 60_000 });
  assert.match(await page.locator('#run-time').innerText(), /of \d+ figures, .+ left/);
  await page.locator('.report-preview .heat, .report-preview .lines').first().waitFor();
  const took = await page.evaluate(async () => {
    const start = performance.now();
    /** @type {HTMLElement | null} */ (document.querySelector('#cancel-all'))?.click();
    const inPage = [...document.querySelectorAll('.figure')].every((figure) => !['running', 'queued', 'stale'].includes(/** @type {HTMLElement} */ (figure).dataset.state ?? ''));
    return { inPage, milliseconds: performance.now() - start };
  });
  assert.ok(took.inPage, 'nothing runs any more');
  // The engine is free once it answers the next request: a click on a dot selects another prompt.
  const start = Date.now();
  await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', 'Something else'));
  t.diagnostic(`the page took ${took.milliseconds.toFixed(0)} ms, the engine was free after at most ${Date.now() - start} ms`);
  assert.ok(Date.now() - start < 1000 + 300 + 200, `the engine went on for ${Date.now() - start} ms`);
  const stopped = page.locator('.figure[data-state="failed"]').first();
  const id = (await stopped.getAttribute('id')) ?? '';
  await andThenFresh(page, id, () => stopped.getByRole('button', { name: 'Run again' }).click());
  await page.locator('.group-chips').getByRole('button', { name: 'only the first' }).click();
  await runAll(page);
  assertClean(watched);
});

test('the largest grids are drawn and switched within a tenth of a second', async (t) => {
  const { page, watched } = await emptyPage(t);
  for (const [name, sample] of Object.entries({ heads: 'samples.headPositionGrid(samples.GROUPS)', neurons: 'samples.neuronGrid(samples.GROUPS, 8)' })) {
    /** @type {number[]} */
    const drawing = [];
    /** @type {number[]} */
    const switching = [];
    // Other load on the machine may spoil some measurements, but not all.
    for (let round = 0; round < 4; round += 1) {
      drawing.push(await drawLarge(page, sample));
      switching.push(await page.evaluate(() => {
        const other = document.querySelector('[aria-label="Measure"] [aria-pressed="false"]');
        const start = performance.now();
        /** @type {HTMLElement} */ (other).click();
        document.body.getBoundingClientRect();
        return performance.now() - start;
      }));
    }
    t.diagnostic(`${name}: drawn in ${drawing.map(Math.round).join(', ')} ms, switched in ${switching.map(Math.round).join(', ')} ms`);
    assert.ok(Math.min(...drawing) < 100, `${name}: drawn in ${drawing}`);
    assert.ok(Math.min(...switching) < 100, `${name}: switched in ${switching}`);
  }
  assert.ok((await page.locator('#sections *').count()) < 3000, 'no element for each of 300,000 neurons');
  assertClean(watched);
});

test('saving a study in the shape of GPT-2 small keeps the page awake, and can be cancelled', async (t) => {
  const { page, watched } = await emptyPage(t);
  await page.evaluate(async () => {
    const { studyReport } = await import(/** @type {any} */ ('./www/exports/study-report.js'));
    const { studyJson } = await import(/** @type {any} */ ('./www/exports/study-json.js'));
    const samples = /** @type {any} */ (window).samples;
    const figure = (/** @type {string} */ analysis, /** @type {any[]} */ parts) => ({
      section: { id: 'all', number: '1', title: 'All' }, analysis, title: analysis, read: ['Read it.'], tables: undefined, info: { name: analysis, settings: [] }, settings: {}, groups: [0], place: analysis, picture: null,
      report: { analysis, title: analysis, model: 'made up', device: 'none', parts, problems: [] },
    });
    const figures = [
      figure('neurons', [samples.neuronGrid(samples.GROUPS.slice(0, 2))]), figure('heads', [samples.headGrid(12, samples.GROUPS)]), figure('residual', [samples.residualGrid(samples.GROUPS)]),
      figure('scatter', [samples.scatter(samples.GROUPS)]), figure('attention', [samples.attention(20)]), figure('lens', [samples.textLens()]), figure('values', [samples.tokenValues()]),
      figure('dots', [samples.dots(), samples.checksTable()]),
    ];
    const study = {
      made: new Date(), experiment: { groups: [], prepend_bos: true }, test: { group: 0, pair: 0, swapped: false }, view: {}, figures, missing: [], describe: () => '',
      model: { name: 'made up', n_layers: 12, n_heads: 12, d_mlp: 3072, parameters: 124e6, device: { name: 'none' } }, link: { address: location.href, lacks: '' }, pictures: /** @type {any} */ (window).pictures,
    };
    Object.assign(window, { studyReport, studyJson, study });
  });
  /** @param {string} what */
  const measured = async (what) => {
    /** @type {number[]} */
    const longest = [];
    let size = 0;
    // Other load on the machine may spoil a measurement.
    while (longest.length < 3 && !longest.some((time) => time < 100)) {
      await watchTasks(page);
      size = await page.evaluate(async (name) => (await /** @type {any} */ (window)[name](/** @type {any} */ (window).study)).size, what);
      // Long tasks are reported with a delay.
      await page.waitForTimeout(200);
      longest.push(await longestTask(page));
    }
    t.diagnostic(`${what}: ${(size / 1e6).toFixed(1)} MB, longest task ${longest.join(', ')} ms`);
    assert.ok(Math.min(...longest) < 100, `${what}: a task of ${Math.min(...longest)} ms`);
    return size;
  };
  assert.ok(await measured('studyReport') < 8e6, 'small enough for a mail');
  assert.ok(await measured('studyJson') > 1e6);
  const html = await page.evaluate(async () => (await /** @type {any} */ (window).studyReport(/** @type {any} */ (window).study)).text());
  assert.match(html, /the 20 largest of 36864/);
  assert.match(html, /longer than 1\.0 MB/);
  const stopped = await page.evaluate(async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    return /** @type {any} */ (window).studyReport(/** @type {any} */ (window).study, { signal: controller.signal }).then(() => 'made', (/** @type {Error} */ error) => error.name);
  });
  assert.equal(stopped, 'AbortError');
  assert.equal(await page.locator('.export-stage').count(), 0, 'nothing is left behind');
  assertClean(watched);
});
