// Tables of faults, one test for each row. The engine opens the weights alone, in a worker of its own for each visit, because
// drawing the page takes longer than opening; rows that need the page say so.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { assertClean } from './browser.mjs';
import { faultServer } from './faults.mjs';
import { assertClose, dist } from './inputs.mjs';
import { addressOf, failsWith, hurried, listenedPage, means, openAgain, opensWell, saidOn, siteFor, wide } from './opening.mjs';
import { serveSite } from './server.mjs';
import { firstGroup } from './study.mjs';

/** @import { BrowserContext, Page } from 'playwright-core' */
/** @import { FaultServer, Files, Host, Misbehave } from './faults.mjs' */
/** @import { End } from './opening.mjs' */
/** @import { Server } from './server.mjs' */

const LONG_MS = 60_000;

/**
 * @typedef {object} Done
 * @property {Page} page of the site's origin
 * @property {FaultServer} hub
 * @property {End} end
 * @property {() => Promise<End>} again a second visit: opens the same model, with the server's counters reset
 *
 * @typedef {object} Row one fault, and the expected outcome
 * @property {string} name
 * @property {Files} [files] the server's files; by default the checkpoint in fp32
 * @property {Partial<Host>} [host]
 * @property {Misbehave} [fault]
 * @property {number} [hurry] how much faster than real time the worker's clock runs
 * @property {string} [prefix] runs in the worker before the engine
 * @property {boolean} [half] whether weights are kept as fp16
 * @property {boolean} [onPage] the page opens the weights
 * @property {(page: Page, site: { origin: string }) => Promise<unknown>} [first] runs before the page navigates to its address
 * @property {RegExp[]} [expected] further allowed console messages of the page
 * @property {RegExp} [fails] the error message; without it, the model must open
 * @property {string} [code] of the failure; `source` by default
 * @property {RegExp} [note] what is said meanwhile
 * @property {(done: Done) => void | Promise<void>} [check]
 */

/** Registers a test for each row. @param {Row[]} rows @param {() => BrowserContext} browser */
export function testRows(rows, browser) {
  /** @type {{ site: Server, blank: Page } | undefined} */
  let place;
  const placed = async () => {
    if (place) return place;
    const [site, blank] = await Promise.all([serveSite(dist), browser().newPage()]);
    // Any file of the site, for its origin.
    await blank.goto(`${site.url}www/models/demo/config.json`);
    return (place = { site, blank });
  };
  after(() => place?.site.close());

  for (const row of rows) {
    test(row.name, async (t) => {
      const hub = await faultServer(row.files ?? wide, row);
      t.after(hub.down);
      if (row.onPage) return onPage(t, row, hub, browser());
      const { site, blank } = await placed();
      const visit = () => visited(blank, site, hub, row);
      /** @param {End & { means: number[] }} end */
      const well = (end) => {
        assert.ok(end.opens, `it does not open: ${end.text}`);
        assertClose(end.means, means.slice(0, 1), 1e-3, 'means');
        return end;
      };
      const end = await visit();
      if (row.fails) isFailure(row, end);
      else well(end);
      if (row.note) isSaid(row.note, end.said);
      const again = async () => {
        hub.answers.length = 0;
        return well(await visit());
      };
      await row.check?.({ page: blank, hub, end, again });
    });
  }
}

/** @param {import('node:test').TestContext} t @param {Row} row @param {FaultServer} hub @param {BrowserContext} browser */
async function onPage(t, { hurry, prefix, first, expected, fails, code = 'source', note, check }, hub, browser) {
  const site = await siteFor(t, { hurry, prefix });
  const { page, watched } = await listenedPage(t, browser, [site, hub], expected);
  await first?.(page, site);
  await page.goto(addressOf(site, hub));
  const end = fails ? await failsWith(page, fails, code) : await opensWell(page);
  if (note) isSaid(note, await saidOn(page));
  await check?.({ page, hub, end, again: () => openAgain(page, hub) });
  assertClean(watched);
}

/** @param {Row} row @param {End} end */
function isFailure({ fails, code = 'source' }, end) {
  assert.ok(fails && !end.opens, 'it opened');
  assert.match(end.text, fails);
  assert.equal(end.code, code);
}

/** @param {RegExp} note @param {string[]} said */
function isSaid(note, said) {
  assert.ok(said.some((text) => note.test(text)), `${note} was not said: ${said.join(' | ').slice(0, 2000)}`);
}

/**
 * Opens the weights with an engine of its own, and computes the first group's mean.
 *
 * @param {Page} page @param {Server} site @param {FaultServer} hub @param {Row} row
 * @returns {Promise<End & { means: number[], said: string[] }>}
 */
function visited(page, site, hub, { hurry = 1, prefix = '', half = false }) {
  const first = (hurry === 1 ? '' : hurried(hurry)) + prefix;
  const done = page.evaluate(async ({ root, base, first, half, experiment }) => {
    const { Engine } = await import(`${root}www/engine/client.js`);
    const script = (/** @type {string} */ text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    /** @type {Worker | undefined} */
    let worker;
    const imports = script(`import '${script(first)}'; import '${root}www/engine/worker.js';`);
    const engine = new Engine(() => (worker = new Worker(imports, { type: 'module' })));
    /** @type {string[]} */
    const said = [];
    try {
      const model = { from: 'address', name: 'GPT-2 small', base, tokenizer: 'gpt2', ...(half ? { half: true } : {}) };
      const { bytes } = await engine.call('open', { model, device: 'cpu' }, { onProgress: (/** @type {{ note: string | null }} */ { note }) => { if (note) said.push(note); } });
      const { parts } = await engine.call('run', { analysis: 'logit-diff', experiment, settings: {} });
      const means = parts[0].series.map((/** @type {{ mean: number }} */ { mean }) => mean);
      return { opens: true, text: '', code: undefined, network: bytes.network, storage: bytes.storage, unkept: bytes.unkept, means, said };
    } catch (error) {
      const { code, message } = /** @type {{ code: string, message: string }} */ (error);
      return { opens: false, text: message, code, network: 0, storage: 0, unkept: null, means: [], said };
    } finally {
      worker?.terminate();
    }
  }, { root: site.url, base: hub.url, first, half, experiment: firstGroup() });
  const late = new Promise((_, reject) => { setTimeout(() => reject(new Error('neither opened nor refused')), LONG_MS).unref(); });
  return /** @type {ReturnType<typeof visited>} */ (Promise.race([done, late]));
}
