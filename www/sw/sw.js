// The service worker: keeps the page's own files in this browser, so that the page opens without the network, and always
// as a whole of one version.
//
// `cargo xtask build` puts it at the site's root, with a first line that says which files the site has and their hashes.
// It is thus another script for every other site. Weights are not its business: the engine keeps those itself.

/**
 * @typedef {{ version: string, files: Record<string, string> }} Site `files`: the SHA-256 of each path, in hexadecimal
 * @typedef {Event & { waitUntil: (work: Promise<unknown>) => void }} ExtendableEvent
 * @typedef {ExtendableEvent & { request: Request, respondWith: (response: Promise<Response>) => void }} FetchEvent
 * @typedef {EventTarget & { site: Site, registration: { scope: string }, skipWaiting: () => Promise<void> }} PageWorker
 */

{
  const worker = /** @type {PageWorker} */ (/** @type {unknown} */ (self));
  const { version, files } = worker.site;
  const { scope } = worker.registration;
  /** No other cache is ever touched. */
  const PREFIX = 'patchlab-page-';
  /** Sites that share a host share its caches: each has its own, by its path. */
  const OWN = `${PREFIX}${new URL(scope).pathname} `;
  const CACHE = `${OWN}${version}`;
  const AT_ONCE = 6;

  /** @param {string} path @returns {string} the address under which a file is asked for and kept */
  const address = (path) => new URL(path === 'index.html' ? './' : path, scope).href;

  /** Fetches a file and makes sure that it belongs to this version. @param {string} path */
  async function fetchFile(path) {
    const response = await fetch(address(path), { cache: 'no-cache', credentials: 'same-origin' });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    const content = await response.arrayBuffer();
    const digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', content))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    if (digest !== files[path]) throw new Error(`${path} is of another version`);
    // Made anew, because a response that came by a redirect must not answer a navigation.
    const headers = new Headers(response.headers);
    for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name);
    return new Response(content, { headers });
  }

  async function install() {
    const cache = await caches.open(CACHE);
    const left = Object.keys(files);
    const lane = async () => {
      for (let path = left.pop(); path !== undefined; path = left.pop()) await cache.put(address(path), await fetchFile(path));
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
    } catch (error) {
      // A deployment in between, or no connection: what is there stays, and the browser tries again another time.
      left.length = 0;
      await caches.delete(CACHE);
      throw error;
    }
  }

  async function removeOld() {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith(OWN) && name !== CACHE).map((name) => caches.delete(name)));
  }

  /** The address of the file that a request is answered with; null: the request is not this worker's business. @param {Request} request */
  function ownFile(request) {
    const url = new URL(request.url);
    if (request.method !== 'GET' || !url.href.startsWith(scope) || request.headers.has('range')) return null;
    const path = decodeURIComponent(url.pathname.slice(new URL(scope).pathname.length)) || 'index.html';
    // The page's own address has a query that says which model it shows.
    if (!Object.hasOwn(files, path) || (url.search && path !== 'index.html')) return null;
    return address(path);
  }

  /** @param {string} file @param {Request} request */
  async function answer(file, request) {
    const cache = await caches.open(CACHE);
    return (await cache.match(file)) ?? fetch(request);
  }

  worker.addEventListener('install', (event) => /** @type {ExtendableEvent} */ (event).waitUntil(install()));
  worker.addEventListener('activate', (event) => /** @type {ExtendableEvent} */ (event).waitUntil(removeOld()));
  worker.addEventListener('message', (event) => {
    // The user wants the new version now.
    if (/** @type {MessageEvent} */ (event).data === 'take over') worker.skipWaiting();
  });
  worker.addEventListener('fetch', (event) => {
    const { request, respondWith } = /** @type {FetchEvent} */ (event);
    const file = ownFile(request);
    if (file) respondWith.call(event, answer(file, request));
  });
}
