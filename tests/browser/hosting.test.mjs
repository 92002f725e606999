// The built site on plain static servers, at the root and under a path.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import handler from 'serve-handler';
import sirv from 'sirv';
import { assertClean, dotsOf, freshBrowser, watchedPage, whenFresh, whenKept, whenOpen } from './harness/browser.mjs';
import { assertClose, dist, dotsPart, nativeReport } from './harness/inputs.mjs';

const means = dotsPart(nativeReport('logit-diff')).series.map((series) => series.mean);
const files = sirv(dist, { etag: true });

/** @type {Record<string, http.RequestListener>} */
const servers = {
  sirv: (request, response) => files(request, response, () => { response.writeHead(404).end(); }),
  'serve-handler': (request, response) => handler(request, response, { public: dist }),
};

for (const [name, listener] of Object.entries(servers)) {
  for (const path of ['/', '/a/path/of/its/own/']) {
    test(`${name} at ${path}`, async (t) => {
      const server = http.createServer((request, response) => {
        if (!request.url?.startsWith(path)) return response.writeHead(404).end();
        request.url = request.url.slice(path.length - 1);
        return listener(request, response);
      });
      server.unref();
      await new Promise((done) => server.listen(0, '127.0.0.1', () => done(undefined)));
      t.after(() => server.closeAllConnections());
      t.after(() => server.close());
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      const origin = `http://127.0.0.1:${port}`;
      const context = await freshBrowser(t);
      const { page, watched } = await watchedPage(context, { hosts: [origin] });
      await page.goto(`${origin}${path}?device=cpu`);
      await whenOpen(page);
      await whenFresh(page, 'logit-diff');
      assertClose((await dotsOf(page)).map((row) => row.mean), means, 1e-3, 'means');
      // All files match the service worker's list, so the page is cached for offline use.
      await whenKept(page);
      await page.reload();
      await whenFresh(page, 'logit-diff');
      assert.ok(await page.evaluate(() => navigator.serviceWorker.controller !== null));
      assertClean(watched);
    });
  }
}
