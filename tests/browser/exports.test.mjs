// Saved figures, and how much a visitor downloads in all.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertClean, freshBrowser, whenFresh } from './harness/browser.mjs';
import { dist } from './harness/inputs.mjs';
import { draw, emptyPage, saved } from './harness/pictures.mjs';
import * as samples from './harness/samples.mjs';
import { serveSite } from './harness/server.mjs';

test('CSV holds every number of every prompt and measure', async (t) => {
  const { page, watched } = await emptyPage(t);
  const part = samples.residualGrid(samples.GROUPS.slice(0, 2));
  assert.equal(part.kind, 'heat');
  part.panels[1].name = 'a "quoted", name';
  await draw(page, [part]);
  const { name, content } = await saved(page, 'csv');
  assert.equal(name, 'patchlab-patching-the-residual-stream.csv');
  const [head, ...lines] = content.toString('utf8').trimEnd().split('\n');
  assert.equal(head, 'panel,measure,site,layer,position,row: layer,column: position,prompt,value,interval low,interval high,p,p adjusted,clean mean,corrupted mean');
  assert.equal(lines.length, 3 * (96 + 84) * 9);
  const { mean, low, high, prompts, clean, corrupted } = part.panels[0].values[1];
  assert.ok(lines.includes(`'re they,logit-diff,blocks.4.hook_resid_pre,4,3,4, helping_3,(mean),${mean[35]},${low[35]},${high[35]},,,${clean},${corrupted}`));
  assert.ok(lines.includes(`'re they,logit-diff,blocks.4.hook_resid_pre,4,3,4, helping_3,${part.panels[0].prompts[5]},${prompts[5][35]},,,,,,`));
  assert.ok(lines.some((line) => line.startsWith('"a ""quoted"", name",normalized,')));
  assertClean(watched);
});

test('every kind of figure is saved as a picture that stands alone, light even from a dark page', async (t) => {
  const { page, watched } = await emptyPage(t, { colorScheme: 'dark' });
  const parts = [
    samples.headGrid(12, samples.GROUPS), samples.neuronGrid(samples.GROUPS.slice(0, 1)), samples.lensGrid(samples.GROUPS), samples.scatter(samples.GROUPS.slice(0, 2)),
    samples.attention(4), samples.textLens(), samples.tokenValues(), samples.checksTable(), samples.dots(),
  ];
  for (const part of parts) {
    await draw(page, [part]);
    const svg = (await saved(page, 'svg')).content.toString('utf8');
    const found = await page.evaluate((text) => {
      const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
      const texts = [...parsed.querySelectorAll('text')];
      const ids = new Set([...parsed.querySelectorAll('[id]')].map((element) => element.id));
      const used = [...text.matchAll(/url\(#([^)]+)\)/g)].map((match) => match[1]);
      return { error: parsed.querySelector('parsererror')?.textContent ?? '', texts: texts.length, missing: used.filter((id) => !ids.has(id)), ground: parsed.querySelector('rect')?.getAttribute('fill') };
    }, svg);
    assert.equal(found.error, '', part.kind);
    assert.ok(found.texts > 4, `${part.kind}: ${found.texts} texts`);
    assert.deepEqual(found.missing, [], part.kind);
    assert.equal(found.ground, '#ffffff');
    assert.doesNotMatch(svg, /var\(|light-dark|class=|style=|<style|tabindex|href=/, part.kind);
    assert.ok(svg.includes(part.title), part.kind);
    assert.doesNotMatch(svg, /fill="#e4e7eb"/, `${part.kind}: light text of the dark theme`);
  }
  await draw(page, [samples.headGrid(12, samples.GROUPS)]);
  const width = Number(/width="(\d+)"/.exec((await saved(page, 'svg')).content.toString('utf8'))?.[1]);
  const { content } = await saved(page, 'png');
  assert.equal(content.readUInt32BE(16), 2 * width, 'twice as wide as the SVG');
  assertClean(watched);
});

test('scripts and styles of the page are small', async (t) => {
  const site = await serveSite(dist, { path: '/' });
  t.after(site.close);
  // The service worker downloads everything in the background, which does not count here.
  const context = await freshBrowser(t, { serviceWorkers: 'block' });
  const page = await context.newPage();
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  const isText = (/** @type {string} */ file) => /^www\/.*\.(js|css)$/.test(file);
  const first = [...new Set(site.seen.map(({ path }) => path.slice(1)))].filter(isText);
  const all = readdirSync(dist, { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/')).filter(isText);
  const sizeOf = (/** @type {string[]} */ files) => files.reduce((sum, file) => sum + gzipSync(readFileSync(join(dist, file))).length, 0);
  t.diagnostic(`at first ${first.length} files, ${(sizeOf(first) / 1000).toFixed(1)} kB gzipped; in all ${all.length} files, ${(sizeOf(all) / 1000).toFixed(1)} kB`);
  assert.ok(first.length > 8 && first.length < 30 && first.every((file) => all.includes(file)), `${first.length} files`);
  assert.ok(sizeOf(first) < 100_000, `${sizeOf(first)} bytes gzipped before anything is clicked`);
  assert.ok(sizeOf(all) < 128_000, `${sizeOf(all)} bytes gzipped in all`);
});
