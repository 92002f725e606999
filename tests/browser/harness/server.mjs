// Web servers for the tests: the built site under a path, and folders of weights on another origin.

import { createReadStream, statSync } from 'node:fs';
import http from 'node:http';
import sirv from 'sirv';

/**
 * @typedef {object} Seen
 * @property {string} method
 * @property {string} path
 * @property {string | null} range
 * @property {number} bytes sent in the body
 */

/** @typedef {{ url: string, origin: string, seen: Seen[], close: () => Promise<void> }} Server */

/** @param {http.RequestListener} listener @returns {Promise<{ origin: string, close: () => Promise<void> }>} */
async function listen(listener) {
  const server = http.createServer(listener);
  // A test that fails before closing its servers must not keep the process alive.
  server.unref();
  await new Promise((done) => server.listen(0, '127.0.0.1', () => done(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    }),
  };
}

/**
 * Serves a built site.
 *
 * @param {string} dist
 * @param {{ path?: string, replace?: Record<string, string>, scripts?: string | null }} [options] `path`: where to serve the site; `replace`: replacement text by file;
 *   `scripts`: a folder of modules to serve in place of the site's bundles
 * @returns {Promise<Server>}
 */
export async function serveSite(dist, { path = '/some/sub/path/', replace = {}, scripts = null } = {}) {
  const files = sirv(dist, { dev: true });
  const modules = scripts === null ? null : sirv(scripts, { dev: true });
  /** @type {Seen[]} */
  const seen = [];
  const { origin, close } = await listen((request, response) => {
    const url = new URL(request.url ?? '/', 'http://host');
    seen.push({ method: request.method ?? '', path: url.pathname, range: request.headers.range ?? null, bytes: 0 });
    const missing = () => { response.writeHead(404).end(); };
    if (!url.pathname.startsWith(path)) return missing();
    const inside = url.pathname.slice(path.length);
    if (inside in replace) return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(replace[inside]);
    if (modules && /^www\/.*\.js$/.test(inside)) {
      request.url = inside.slice('www'.length);
      return modules(request, response, missing);
    }
    request.url = `/${inside}${url.search}`;
    return files(request, response, missing);
  });
  return { url: `${origin}${path}`, origin, seen, close };
}

/**
 * Serves files to other origins, with range requests, as the hub does.
 *
 * @param {Record<string, string | Buffer>} files by URL path: a local path, or the content
 * @param {{ delay?: number }} [options] milliseconds to delay every range
 * @returns {Promise<Server>}
 */
export async function serveFiles(files, { delay = 0 } = {}) {
  /** @type {Seen[]} */
  const seen = [];
  const { origin, close } = await listen(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://host').pathname;
    const range = request.headers.range ?? null;
    const entry = { method: request.method ?? '', path, range, bytes: 0 };
    seen.push(entry);
    const headers = {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Headers': 'Range',
      'Access-Control-Expose-Headers': 'Content-Range, ETag',
      ETag: '"1"',
    };
    if (request.method === 'OPTIONS') return response.writeHead(204, headers).end();
    const file = files[path.slice(1)];
    if (file === undefined) return response.writeHead(404, headers).end();
    const length = typeof file === 'string' ? statSync(file).size : file.length;
    const wanted = range === null ? null : /^bytes=(\d+)-(\d+)$/.exec(range);
    const first = wanted ? Number(wanted[1]) : 0;
    if (first >= length) return response.writeHead(416, { ...headers, 'Content-Range': `bytes */${length}` }).end();
    const last = wanted ? Math.min(Number(wanted[2]), length - 1) : length - 1;
    entry.bytes = last - first + 1;
    if (delay > 0 && wanted) await new Promise((done) => setTimeout(done, delay));
    response.writeHead(wanted ? 206 : 200, {
      ...headers,
      'Content-Length': entry.bytes,
      ...(wanted ? { 'Content-Range': `bytes ${first}-${last}/${length}` } : {}),
    });
    if (typeof file === 'string') return createReadStream(file, { start: first, end: last }).pipe(response);
    return response.end(file.subarray(first, last + 1));
  });
  return { url: `${origin}/`, origin, seen, close };
}

/** An address where nothing is listening. */
export async function deadAddress() {
  const { origin, close } = await listen(() => {});
  await close();
  return `${origin}/`;
}
