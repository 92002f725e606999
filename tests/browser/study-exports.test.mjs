// Exports of a whole study: a self-contained report, a document that the page can open again, a notebook.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { violations } from './harness/axe.mjs';
import { andThenFresh, assertClean, dotsOf, fieldId, freshBrowser, watchedPage, whenFresh } from './harness/browser.mjs';
import { assertClose, chosenFiles, dist, linkTo, nativeReport, onePair } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';
import { cells, gridParts, whenIdle } from './harness/study.mjs';

/** @import { TestContext } from 'node:test' */
/** @import { BrowserContext, Page } from 'playwright-core' */

const TOLERANCE = 1e-3;

/** @param {TestContext} t @param {string} [query] */
async function studyPage(t, query = '?device=cpu') {
  const site = await serveSite(dist);
  t.after(site.close);
  const context = await freshBrowser(t, { acceptDownloads: true });
  // Reports are opened from disk, where the origin is "null"; each test checks their requests.
  const { page, watched } = await watchedPage(context, { hosts: [site.origin, 'null'] });
  await page.goto(site.url + query);
  return { site, context, page, watched };
}

/** Chooses from the header's menu. @param {Page} page @param {'html' | 'json' | 'ipynb' | 'experiment'} format */
async function exported(page, format) {
  await page.click('#export');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`.menu-export [data-format="${format}"]`)]);
  return { name: download.suggestedFilename(), path: await download.path(), text: readFileSync(await download.path(), 'utf8') };
}

/** Scrolls to figures until they are computed. @param {Page} page @param {string[]} figures */
async function compute(page, figures) {
  for (const figure of figures) {
    await page.locator(`#${figure}`).scrollIntoViewIfNeeded();
    await whenFresh(page, figure);
  }
  await whenIdle(page);
}

/** Opens a report from disk. @param {TestContext} t @param {BrowserContext} context @param {string} path */
async function openReport(t, context, path) {
  const folder = mkdtempSync(join(tmpdir(), 'patchlab-report-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'report.html');
  copyFileSync(path, file);
  const report = await context.newPage();
  /** @type {string[]} */
  const requests = [];
  /** @type {string[]} */
  const messages = [];
  report.on('request', (request) => requests.push(request.url()));
  report.on('console', (message) => messages.push(message.text()));
  report.on('pageerror', (error) => messages.push(String(error)));
  await report.goto(pathToFileURL(file).href);
  return { report, requests, messages };
}

test('the report holds every figure with its picture and its numbers, and nothing that runs or is fetched', async (t) => {
  const { page, watched, context } = await studyPage(t);
  await compute(page, ['logit-diff', 'test-prompt', 'logit-lens', 'head-attribution', 'attention', 'residual-patching', 'head-patching', 'neuron-attribution']);
  const fresh = await page.locator('.figure[data-state="fresh"]').evaluateAll((figures) => figures.map((figure) => figure.id));
  const { name, path, text } = await exported(page, 'html');
  assert.match(name, /^patchlab-report-re-they-and-7-more-\d{4}-\d\d-\d\d\.html$/);
  t.diagnostic(`${fresh.length} figures, ${(text.length / 1000).toFixed(0)} kB`);
  assert.doesNotMatch(text, /<script|<iframe|<object|<embed|<link|<base|javascript:|@import|\son\w+=|url\((?!#)|var\(--(?!ink|soft|line|strong|accent|sans|serif|mono)/i);
  const { report, requests, messages } = await openReport(t, context, path);
  assert.equal(requests.length, 1, requests.join(', '));
  assert.deepEqual(messages, []);

  // Every figure, in the page's order, and a chart for every part that is not a table.
  assert.deepEqual(await report.locator('.figure > header').evaluateAll((heads) => heads.map((head) => head.id)), fresh);
  for (const analysis of ['logit-lens', 'head-attribution', 'residual-patching', 'head-patching']) {
    const pictures = await report.locator(`.figure:has(#${analysis}) figure`).evaluateAll((figures) => figures.map((figure) => ({
      title: /** @type {HTMLElement} */ (figure).dataset.title, kind: /** @type {HTMLElement} */ (figure).dataset.kind,
      marks: figure.querySelectorAll('svg rect, svg path, svg circle').length, missing: [...figure.querySelectorAll('[fill^="url("]')].filter((element) => !document.getElementById((element.getAttribute('fill') ?? '').slice(5, -1))).length,
    })));
    assert.deepEqual(pictures.map(({ title, kind }) => [title, kind]), nativeReport(analysis).parts.filter((part) => part.kind !== 'table').map((part) => [part.title, part.kind]));
    for (const { title, marks, missing } of pictures) {
      assert.ok(marks > 6, `${title}: ${marks} marks`);
      assert.equal(missing, 0, `${title}: a paint is missing`);
    }
  }
  const ids = await report.locator('[id]').evaluateAll((elements) => elements.map((element) => element.id));
  assert.equal(new Set(ids).size, ids.length, 'an id is there twice');

  // Numbers are rounded in the table, and in full in the CSV.
  const [grid] = gridParts(nativeReport('head-attribution'));
  const [values] = grid.panels[0].values;
  const numbers = report.locator(`details[data-title="${grid.title}"]`);
  const shown = await numbers.locator('td').evaluateAll((all) => all.map((cell) => Number((cell.textContent ?? '').replace('\u2212', '-'))));
  assertClose(shown, values.mean.map(Number), TOLERANCE, 'head attribution');
  const link = numbers.locator('a[download]');
  assert.equal(await link.getAttribute('download'), 'patchlab-head-attribution.csv');
  const csv = Buffer.from((await link.getAttribute('href') ?? '').replace('data:text/csv;charset=utf-8;base64,', ''), 'base64').toString('utf8').trimEnd().split('\n');
  const means = csv.filter((line) => line.includes(',(mean),')).map((line) => Number(line.split('(mean),')[1].split(',')[0]));
  assertClose(means, values.mean.map(Number), TOLERANCE, 'head attribution as CSV');
  await numbers.locator('summary').click();
  const [download] = await Promise.all([report.waitForEvent('download'), link.click()]);
  assert.equal(readFileSync(await download.path(), 'utf8').split('\n')[0], csv[0], 'the file inside the file can be saved');

  // The experiment, the settings, the list of what is missing, and the link back.
  assert.equal(await report.locator('#experiment table').count(), 8);
  assert.equal(await report.locator('#experiment td .token').nth(1).textContent(), ' are');
  assert.match(await report.locator('#residual-patching .settings').innerText(), /direction\s*denoise/);
  assert.match(await report.locator('footer').innerText(), /Not computed, and so not here: .*Neuron patching/);
  const address = await report.locator('.facts a').getAttribute('href');
  assert.equal(address, page.url());
  assert.deepEqual(await violations(report), []);
  await report.setViewportSize({ width: 390, height: 800 });
  assert.ok(await report.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than a phone');
  assertClean(watched);
});

test('whatever stands in prompts and names stays text', async (t) => {
  const hostile = '</title></style><script>window.hit=1</script><img src=x onerror="window.hit=1"><svg onload=window.hit=1>"\'&amp;]]>--><!--';
  const [pair] = onePair.groups[0].pairs;
  const experiment = { groups: [{ name: hostile, symmetric: true, pairs: [{ ...pair, clean: `${hostile} we`, corrupted: `${hostile} they` }, { ...pair, answer: hostile }] }], prepend_bos: true };
  const { page, watched, context } = await studyPage(t, `?device=cpu${linkTo(experiment)}`);
  await compute(page, ['logit-diff', 'test-prompt', 'residual-patching', 'attention', 'text-lens']);
  const { path } = await exported(page, 'html');
  const { report, requests, messages } = await openReport(t, context, path);
  assert.equal(requests.length, 1);
  assert.deepEqual(messages, []);
  assert.equal(await report.evaluate(() => /** @type {any} */ (window).hit), undefined);
  assert.equal(await report.locator('script, img, iframe, foreignObject, [onload], [onerror]').count(), 0);
  assert.equal(await report.title(), `Patchlab study: ${hostile}`);
  assert.equal(await report.locator('h1').textContent(), hostile);
  assert.equal(await report.locator('#experiment td').nth(1).textContent(), `${hostile} we`);
  assert.match(await report.locator('.left-out').first().innerText(), /1 problem/);
  assertClean(watched);
});

test('a study is opened again, and shows its numbers without computing them', async (t) => {
  const { site, page, watched, context } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  await page.locator('.group-chips label', { hasText: "'s he" }).click();
  await compute(page, ['logit-diff', 'test-prompt', 'head-attribution', 'residual-patching']);
  const { name, text } = await exported(page, 'json');
  assert.match(name, /^patchlab-study-re-they-and-7-more-\d{4}-\d\d-\d\d\.json$/);
  const study = JSON.parse(text);
  assert.deepEqual([study.patchlab, study.version, study.model.n_layers, study.experiment.groups.length], ['study', 1, 4, 8]);
  const native = nativeReport('head-attribution');
  const { report, groups } = study.results.find((/** @type {any} */ result) => result.analysis === 'head-attribution');
  assert.deepEqual(groups, [0, 5]);
  const [nativeGrid] = gridParts(native);
  const [grid] = gridParts(report);
  assertClose(grid.panels[1].values[0].mean.map(Number), nativeGrid.panels[5].values[0].mean.map(Number), TOLERANCE, 'the second group');
  assertClose(grid.panels[0].values[0].prompts[3].map(Number), nativeGrid.panels[0].values[0].prompts[3].map(Number), TOLERANCE, 'a prompt');
  assert.equal(grid.panels[1].group, 5, 'groups are those of the experiment');

  // Numbers that no model produces, so that they can only come from the file.
  study.model.name = 'a model far away';
  for (const result of study.results) result.report.model = 'a model far away';
  const before = await dotsOf(page);
  grid.panels[0].values[0].mean[0] = 0.125;
  const { page: other, watched: alsoWatched } = await watchedPage(context, { hosts: [site.origin] });
  await other.goto(`${site.url}?device=cpu${linkTo(onePair)}`);
  await whenFresh(other, 'test-prompt');
  await other.setInputFiles('#import-file', chosenFiles({ 'far.json': JSON.stringify(study) }));
  await other.locator('#loaded-study').waitFor();
  for (const figure of ['logit-diff', 'test-prompt', 'head-attribution', 'residual-patching']) {
    await whenFresh(other, figure);
    assert.ok(await other.locator(`#${figure}[data-from-file]`).count(), figure);
    assert.match(await other.locator(`#${figure} .provenance`).innerText(), /a model far away.*from far\.json, not computed here/);
  }
  assert.match(await other.locator('#loaded-study').innerText(), /far\.json.*a model far away/s);
  assert.deepEqual(await dotsOf(other), before);
  assert.equal((await cells(other, 'head-attribution', grid.title))[0], 0.125);
  assert.deepEqual(await other.locator('.group-chips input:checked').evaluateAll((boxes) => boxes.map((box) => box.closest('label')?.textContent)), ["'re they", "'s he"]);

  // A round trip, even if another model is opened in between: the loaded study is exported unchanged.
  await other.click('[data-model="demo"]');
  await other.waitForSelector('#opening[data-state="opening"]');
  await other.waitForSelector('#opening[data-state="open"]');
  await whenIdle(other);
  const again = JSON.parse((await exported(other, 'json')).text);
  assert.equal(again.model.name, 'a model far away');
  const part = (/** @type {any} */ document) => document.results.find((/** @type {any} */ result) => result.analysis === 'head-attribution');
  assert.deepEqual(part(again), part(study));

  // What is changed is computed here; the rest stays.
  await other.locator('.study-bar').getByRole('button', { name: 'noise', exact: true }).click();
  await other.locator('#residual-patching').scrollIntoViewIfNeeded();
  await other.waitForFunction(() => document.getElementById('residual-patching')?.dataset.fromFile === undefined);
  await whenFresh(other, 'residual-patching');
  assert.equal(await other.locator('#head-attribution[data-from-file]').count(), 1);
  await other.locator('#loaded-study button').click();
  await whenFresh(other, 'head-attribution');
  await other.waitForFunction(() => !document.querySelector('[data-from-file]'));
  const [computed] = await cells(other, 'head-attribution', grid.title);
  assertClose([computed], [Number(nativeGrid.panels[0].values[0].mean[0])], TOLERANCE, 'computed here');

  // Damaged files have no effect.
  const runs = await dotsOf(other);
  for (const [damage, said] of /** @type {[(document: any) => void, RegExp][]} */ ([
    [(document) => { document.version = 7; }, /version 7/],
    [(document) => { delete document.model; }, /which model/],
    [(document) => { part(document).report.parts[0].panels[0].values[0].mean.pop(); }, /head-attribution is damaged/],
    [(document) => { part(document).report.parts[0].kind = 'nonsense'; }, /head-attribution is damaged/],
    [(document) => { delete part(document).report.parts[0].panels[0].name; part(document).report.parts[0].rows = null; }, /head-attribution is damaged/],
  ])) {
    const document = structuredClone(study);
    damage(document);
    await other.setInputFiles('#import-file', chosenFiles({ 'bad.json': JSON.stringify(document) }));
    await other.waitForFunction((pattern) => new RegExp(pattern).test(document.getElementById('toast')?.textContent ?? ''), said.source);
  }
  assert.deepEqual(await dotsOf(other), runs);
  assertClean(watched);
  assertClean(alsoWatched);
});

test('the notebook is a notebook, with the experiment and the analyses that were computed', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'logit-diff');
  await page.fill(fieldId(0, 3, 'answer'), ' two tokens');
  await compute(page, ['test-prompt', 'head-attribution', 'residual-patching']);
  await andThenFresh(page, 'residual-patching', () => page.locator('.study-bar').getByRole('button', { name: 'noise', exact: true }).click());
  await whenIdle(page);
  const { name, text } = await exported(page, 'ipynb');
  assert.match(name, /^patchlab-notebook-.*\.ipynb$/);
  const notebook = JSON.parse(text);
  assert.deepEqual([notebook.nbformat, notebook.nbformat_minor >= 0, notebook.metadata.kernelspec.language], [4, true, 'python']);
  for (const cell of notebook.cells) {
    assert.ok(['code', 'markdown'].includes(cell.cell_type));
    assert.equal(typeof cell.source, 'string');
    assert.deepEqual(Object.keys(cell).sort(), cell.cell_type === 'code' ? ['cell_type', 'execution_count', 'metadata', 'outputs', 'source'] : ['cell_type', 'metadata', 'source']);
  }
  const code = notebook.cells.filter((/** @type {any} */ cell) => cell.cell_type === 'code').map((/** @type {any} */ cell) => cell.source);
  const names = code.find((/** @type {string} */ source) => source.includes('EXPERIMENT = '));
  assert.match(names, /^MODEL = "path\/to\/checkpoint"/m);
  assert.match(names, /^TOKENIZER = "openai-community\/gpt2"/m);
  /** @param {string} what */
  const read = (what) => JSON.parse(JSON.parse(new RegExp(`^${what} = json.loads\\((.*)\\)$`, 'm').exec(names)?.[1] ?? 'null'));
  const experiment = read('EXPERIMENT');
  assert.equal(experiment.groups.length, 8);
  assert.equal(experiment.groups[0].pairs.length, 3, 'a pair that cannot be run is left out');
  const inPython = ['logit-diff', 'logit-lens', 'layer-attribution', 'head-attribution', 'attention', 'source-attribution', 'score-decomposition', 'head-atlas', 'residual-patching', 'component-patching', 'head-patching', 'neuron-attribution'];
  const fresh = await page.locator('.figure[data-state="fresh"]').evaluateAll((figures) => figures.map((figure) => figure.id));
  assert.deepEqual(Object.keys(read('SETTINGS')).sort(), fresh.filter((figure) => inPython.includes(figure)).sort());
  assert.equal(read('SETTINGS')['residual-patching'].direction, 'noise');
  assert.match(await page.locator('#toast').innerText(), /1 pair that cannot be run is not in it/);
  assertClean(watched);
});

test('with nothing computed there is nothing to export but the experiment', async (t) => {
  const { page, watched } = await studyPage(t, `?device=cpu${linkTo({ groups: [] })}`);
  await page.waitForSelector('#opening[data-state="open"]');
  await whenIdle(page);
  for (const format of ['html', 'json', 'ipynb']) {
    await page.evaluate(() => { document.getElementById('toast')?.replaceChildren(); });
    await page.click('#export');
    await page.click(`.menu-export [data-format="${format}"]`);
    await page.locator('#toast', { hasText: 'Nothing is computed yet' }).waitFor();
  }
  const { name, text } = await exported(page, 'experiment');
  assert.equal(name, 'patchlab-experiment.json');
  assert.deepEqual(JSON.parse(text), { groups: [], prepend_bos: true });
  assertClean(watched);
});

test('the menu is used with the keyboard', async (t) => {
  const { page, watched } = await studyPage(t);
  await whenFresh(page, 'test-prompt');
  await page.focus('#export');
  await page.keyboard.press('Enter');
  const focused = () => page.evaluate(() => /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.format ?? document.activeElement?.id);
  await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'menuitem');
  assert.equal(await focused(), 'html');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'json');
  await page.keyboard.press('End');
  assert.equal(await focused(), 'experiment');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'html');
  assert.deepEqual(await violations(page, '.export-place'), []);
  await page.keyboard.press('Escape');
  assert.equal(await focused(), 'export');
  assert.equal(await page.locator('.menu-export:popover-open').count(), 0);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'menuitem');
  await page.keyboard.press('ArrowUp');
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  assert.equal(download.suggestedFilename(), 'patchlab-experiment.json');
  assert.equal(await focused(), 'export');
  assertClean(watched);
});
