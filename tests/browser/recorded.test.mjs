// Published values on the page: read when they are wanted, compared, linked to; a planted value is found.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertClean, freshBrowser, watchedPage, whenFresh } from './harness/browser.mjs';
import { demoFile, dist, nativeReport } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';
import { firstGroup } from './harness/study.mjs';

/** @import { Page } from 'playwright-core' */

/** What the native command computes with the demo model, as a file of recorded values; one of them is wrong. */
function recorded() {
  const config = JSON.parse(readFileSync(demoFile('config.json'), 'utf8'));
  const model = { name: 'the demo model', n_layers: config.n_layer, n_heads: config.n_head, d_model: config.n_embd, d_mlp: config.n_inner, d_vocab: config.vocab_size };
  const dots = nativeReport('logit-diff').parts.find((part) => part.kind === 'dots');
  const map = nativeReport('head-attribution').parts.find((part) => part.kind === 'heat');
  assert.ok(dots && map);
  const item = { source: 'native', experiment: 'contractions', decimals: 4 };
  const cells = map.panels[0].values[0].mean.slice();
  cells[5] = (cells[5] ?? 0) + 0.01;
  return {
    index: [{ file: 'demo.json', model }],
    values: {
      model,
      sources: { native: { name: 'the native command', link: 'https://example.org/native', licence: null } },
      experiments: { contractions: firstGroup() },
      items: [
        { ...item, title: 'Logit differences', analysis: 'logit-diff', read: { kind: 'dots' }, values: dots.series[0].points.map(({ value }) => value) },
        { ...item, title: 'Head attribution', analysis: 'head-attribution', read: { kind: 'grid', part: 0 }, values: cells },
      ],
    },
  };
}

/** @param {Page} page */
const tables = (page) => page.locator('#recorded .folds > *').evaluateAll((folds) => folds.map((fold) => fold.textContent ?? ''));

test('published values are fetched when they are wanted, and compared; a wrong one is found', async (t) => {
  const site = await serveSite(dist);
  t.after(site.close);
  const { page, watched } = await watchedPage(await freshBrowser(t, { serviceWorkers: 'block' }), { hosts: [site.origin], expected: [/Service Worker registration blocked/] });
  await page.goto(`${site.url}?device=cpu`);
  await whenFresh(page, 'logit-diff');
  assert.deepEqual(watched.requests.filter((address) => address.includes('/recorded/')), [], 'not before');

  // The demo model is not GPT-2: the figure says so, and the values are not fetched.
  await page.locator('#recorded').scrollIntoViewIfNeeded();
  await page.locator('#recorded').getByText('there is nothing to compare it with').waitFor();
  assert.deepEqual(watched.requests.filter((address) => address.includes('/recorded/')).map((address) => address.split('/').at(-1)), ['index.json']);

  // A host may have values of its own models.
  const { index, values } = recorded();
  await page.route('**/recorded/index.json', (route) => route.fulfill({ json: index }));
  await page.route('**/recorded/demo.json', (route) => route.fulfill({ json: values }));
  await page.reload();
  await whenFresh(page, 'logit-diff');
  await page.locator('#recorded').scrollIntoViewIfNeeded();
  await whenFresh(page, 'recorded');
  const total = values.items.flatMap((item) => item.values).length;
  const [summary, single] = await tables(page);
  assert.ok(summary.includes(`${total - 1} of ${total} published values agree`), summary);
  assert.match(single, /Head attribution.*head 1/);
  const link = page.locator('#recorded a', { hasText: 'the native command' }).first();
  assert.equal(await link.getAttribute('href'), 'https://example.org/native');
  assert.equal(await link.getAttribute('rel'), 'noreferrer');
  assertClean(watched);
});
