// The service worker: caches the page's own files, so that the page opens offline. Each cache holds exactly one version. The
// version before stays, for tabs that have not been reloaded: the scripts that they load later are in no other.
//
// `cargo xtask build` puts this script at the site's root and prepends a line with the site's files and their hashes, so
// that it changes with every version. Weights are not cached here: the engine stores them itself.

/**
 * @typedef {{ version: string, files: Record<string, string> }} Site `files`: SHA-256 by path, in hexadecimal
 * @typedef {Event & { waitUntil: (work: Promise<unknown>) => void }} ExtendableEvent
 * @typedef {ExtendableEvent & { request: Request, respondWith: (response: Promise<Response>) => void }} FetchEvent
 * @typedef {EventTarget & { site: Site, registration: { scope: string }, skipWaiting: () => Promise<void> }} PageWorker
 */

{
  const worker = /** @type {PageWorker} */ (/** @type {unknown} */ (self));
  const { version, files } = worker.site;
  const { scope } = worker.registration;
  /** Other caches are never touched. */
  const PREFIX = 'patchlab-page-';
  /** Sites on one host share its caches, so the cache name includes the site's path. */
  const OWN = `${PREFIX}${new URL(scope).pathname} `;
  const CACHE = `${OWN}${version}`;
  const AT_ONCE = 6;
  /** Scripts that are loaded when they are needed. Their names hold a hash of what is in them. */
  const CHUNKS = 'www/chunks/';
  /** Files that few visitors want: kept from the first time on. */
  const LATER = ['www/recorded/', 'www/models/planted-'];

  /** @param {string} path */
  const isLater = (path) => LATER.some((start) => path.startsWith(start));

  /** @param {string} path @returns {string} the URL under which a file is fetched and cached */
  const address = (path) => new URL(path === 'index.html' ? './' : path, scope).href;

  /** Fetches a file and checks that it belongs to this version. @param {string} path */
  async function fetchFile(path) {
    const response = await fetch(address(path), { cache: 'no-cache', credentials: 'same-origin' });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    const content = await response.arrayBuffer();
    const digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', content))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    if (digest !== files[path]) throw new Error(`${path} is of another version`);
    // A new response, because a redirected one must not answer a navigation.
    const headers = new Headers(response.headers);
    for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name);
    return new Response(content, { headers });
  }

  async function install() {
    const cache = await caches.open(CACHE);
    const left = Object.keys(files).filter((path) => !isLater(path));
    const lane = async () => {
      for (let path = left.pop(); path !== undefined; path = left.pop()) await cache.put(address(path), await fetchFile(path));
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
    } catch (error) {
      // A deployment is under way, or there is no connection: the old version stays, and the browser tries again later.
      left.length = 0;
      await caches.delete(CACHE);
      throw error;
    }
  }

  /** The caches of earlier versions, the oldest first. */
  async function earlier() {
    return (await caches.keys()).filter((name) => name.startsWith(OWN) && name !== CACHE);
  }

  async function removeOld() {
    await Promise.all((await earlier()).slice(0, -1).map((name) => caches.delete(name)));
  }

  /** The URL of the cached file that answers a request; null if the request is not for one of the site's files. @param {Request} request */
  function ownFile(request) {
    const url = new URL(request.url);
    if (request.method !== 'GET' || !url.href.startsWith(scope) || request.headers.has('range')) return null;
    const path = decodeURIComponent(url.pathname.slice(new URL(scope).pathname.length)) || 'index.html';
    // Only the page itself has a query: it selects the model.
    if (url.search && path !== 'index.html') return null;
    return Object.hasOwn(files, path) || path.startsWith(CHUNKS) ? address(path) : null;
  }

  /** @param {string} file @param {Request} request */
  async function answer(file, request) {
    const path = file.slice(scope.length);
    const cache = await caches.open(CACHE);
    if (isLater(path) && !(await cache.match(file))) await cache.put(file, await fetchFile(path)).catch(() => {});
    for (const name of [CACHE, ...await earlier()]) {
      const found = await (await caches.open(name)).match(file);
      if (found) return found;
    }
    return fetch(request);
  }

  worker.addEventListener('install', (event) => /** @type {ExtendableEvent} */ (event).waitUntil(install()));
  worker.addEventListener('activate', (event) => /** @type {ExtendableEvent} */ (event).waitUntil(removeOld()));
  worker.addEventListener('message', (event) => {
    // The user has pressed Reload.
    if (/** @type {MessageEvent} */ (event).data === 'take over') void worker.skipWaiting();
  });
  worker.addEventListener('fetch', (event) => {
    const { request, respondWith } = /** @type {FetchEvent} */ (event);
    const file = ownFile(request);
    if (file) respondWith.call(event, answer(file, request));
  });
}
