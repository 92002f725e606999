// A checkpoint of GPT-2 small's full shape, 498 MB, from a server to the CPU. It takes minutes, so it runs only where
// PATCHLAB_FULL asks for it: "cargo xtask test --full".

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { andThenFresh, assertClean, freshBrowser, topTokens, watchedPage, whenFresh, whenOpen } from './harness/browser.mjs';
import { readFixture, writeCheckpoint } from './harness/fixtures.mjs';
import { assertClose, dist, linkTo, onePair } from './harness/inputs.mjs';
import { serveFiles, serveSite } from './harness/server.mjs';

const SLOW = 600_000;

if (process.env.PATCHLAB_FULL) {
  test('the full shape agrees with PyTorch', async (t) => {
    const { config, parsed, expected } = readFixture('full');
    const folder = mkdtempSync(join(tmpdir(), 'patchlab-full-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const files = { 'config.json': join(folder, 'config.json'), 'model.safetensors': join(folder, 'model.safetensors') };
    writeFileSync(files['config.json'], config);
    writeCheckpoint(files['model.safetensors'], expected.seed, parsed);

    const site = await serveSite(dist);
    const hub = await serveFiles(files);
    t.after(site.close);
    t.after(hub.close);
    const context = await freshBrowser(t);
    const { page, watched } = await watchedPage(context, { hosts: [site.origin, hub.origin] });
    await page.goto(`${site.url}?model=gpt2&device=cpu&weights=${hub.url}${linkTo(onePair)}`);
    await whenOpen(page, SLOW);
    await whenFresh(page, 'test-prompt', { timeout: SLOW });
    for (const { text, top } of expected.prompts) {
      if ((await page.inputValue('#test-prompt-text')) !== text) {
        await andThenFresh(page, 'test-prompt', () => page.fill('#test-prompt-text', text), SLOW);
      }
      const rows = (await topTokens(page)).filter((row) => row.rank < 10);
      assert.deepEqual(rows.map((row) => row.id), top.slice(0, 10).map((/** @type {{ id: number }} */ token) => token.id), text);
      assertClose(rows.map((row) => row.logProbability), top.slice(0, 10).map((/** @type {{ log_prob: number }} */ token) => token.log_prob), 1e-3, text);
    }
    await page.close();
    assertClean(watched);
  });
}
