// A server of weights that misbehaves on request and counts the bytes it has sent.

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import http from 'node:http';

/**
 * A request. Without a range, `start` is 0 and `end` is the file's size.
 * @typedef {object} Asked
 * @property {string} path below the server's root
 * @property {string} host the Host header: name and port
 * @property {boolean} ranged
 * @property {number} start
 * @property {number} end one past the last byte
 * @property {number} size
 * @property {number} nth number of earlier requests for this path
 * @property {number} large number of earlier requests for at least `LARGE` bytes of this path
 * @property {number} tries number of earlier requests with the same end: a retried range keeps its end
 */

/**
 * A fault in one response. Offsets are from the start of its body.
 * @typedef {object} Fault
 * @property {number} [delay] milliseconds before the response starts
 * @property {number} [status] a response with this status and without the file
 * @property {string} [retryAfter] Retry-After header, with `status`
 * @property {string} [text] body, with `status`
 * @property {string} [redirect] origin to redirect to, with the same path
 * @property {boolean} [reset] the connection is closed without a response
 * @property {number} [cutAfter] bytes after which the connection is closed
 * @property {{ after: number, ms: number }} [stall] after so many bytes, nothing is sent for so long
 * @property {number} [perSecond] bytes per second
 * @property {number} [corruptAt] offset of a byte that is altered
 * @property {number} [shiftBy] the range that is claimed and sent starts so many bytes after the requested one
 * @property {number} [longerBy] extra bytes in the body; missing ones if negative
 * @property {boolean} [ignoreRange] the whole file is sent instead of the range
 */

/**
 * Properties of the server, for all requests.
 * @typedef {object} Host
 * @property {string | null} etag
 * @property {string | null} lastModified
 * @property {boolean} ranges
 * @property {boolean} lengths whether bodies have a Content-Length
 * @property {boolean} cors whether other origins may read
 * @property {string} exposes headers that other origins may see
 */

/**
 * @typedef {object} Answer
 * @property {string} path
 * @property {boolean} ranged
 * @property {number} start
 * @property {number} end one past the last byte of the requested range
 * @property {number} status
 * @property {number} sent number of bytes of the file that were sent
 * @property {'begun' | 'complete' | 'cut' | 'left'} outcome `cut` by the server, `left` by the browser
 * @property {number} at milliseconds since the server was started
 * @property {number} ended
 */

/** @typedef {Record<string, string | Buffer>} Files by URL path: a local path, or the content */
/** @typedef {(asked: Asked, hub: FaultServer) => Fault | null | undefined | void} Misbehave */

/** Smaller requests are for headers and for revalidation. */
export const LARGE = 1 << 20;
const CHUNK = 64 << 10;
const PACE_MS = 50;

/** Waits, or returns early if the connection is closed. @param {number} ms @param {http.ServerResponse} response */
function wait(ms, response) {
  return new Promise((done) => {
    const over = () => {
      clearTimeout(timer);
      response.off('close', over);
      done(undefined);
    };
    const timer = setTimeout(over, ms);
    response.on('close', over);
  });
}

export class FaultServer {
  /** @type {Answer[]} */
  answers = [];
  origin = '';
  /** @type {Host} */
  host;
  /** The fault of all further responses. @type {Misbehave | null} */
  fault;
  /** @type {Files} */
  files;

  #server = http.createServer((request, response) => {
    this.#answer(request, response).catch((error) => {
      // The connection may have been closed already, which is expected.
      if (!response.destroyed) throw error;
    });
  });
  #began = performance.now();
  #port = 0;

  /** @param {Files} files @param {{ host?: Partial<Host>, fault?: Misbehave | null }} options */
  constructor(files, { host = {}, fault = null }) {
    this.files = files;
    this.fault = fault;
    this.host = { etag: '"1"', lastModified: null, ranges: true, lengths: true, cors: true, exposes: 'Content-Range, ETag, Retry-After', ...host };
    this.#server.unref();
  }

  get url() {
    return `${this.origin}/`;
  }

  /** Starts listening, at the same address as before. */
  async up() {
    await new Promise((done) => this.#server.listen(this.#port, '127.0.0.1', () => done(undefined)));
    this.#port = /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port;
    this.origin = `http://127.0.0.1:${this.#port}`;
  }

  /** Closes all connections and refuses new ones. */
  down = async () => {
    if (!this.#server.listening) return;
    await new Promise((done) => {
      this.#server.close(() => done(undefined));
      this.#server.closeAllConnections();
    });
  };

  /** Milliseconds since the server was started. */
  get now() {
    return performance.now() - this.#began;
  }

  /** The responses to requests for a path. @param {string} [path] */
  of(path = 'model.safetensors') {
    return this.answers.filter((answer) => answer.path === path);
  }

  /** @param {http.IncomingMessage} request @param {http.ServerResponse} response */
  async #answer(request, response) {
    const { host } = this;
    const path = new URL(request.url ?? '/', 'http://host').pathname.slice(1);
    /** @type {Record<string, string>} */
    const headers = { ...(host.cors ? { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Range', 'Access-Control-Expose-Headers': host.exposes } : {}) };
    if (request.method === 'OPTIONS') return void response.writeHead(204, headers).end();
    const file = this.files[path];
    const length = file === undefined ? 0 : typeof file === 'string' ? statSync(file).size : file.length;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    // A range that ends before it starts is invalid, and servers ignore it.
    const wanted = range && (range[2] === '' || Number(range[2]) >= Number(range[1])) ? range : null;
    const asked = this.#asked(path, request.headers.host ?? '', wanted !== null, Number(wanted?.[1] ?? 0), wanted?.[2] ? Number(wanted[2]) + 1 : length);
    const { start, end } = { start: asked.start, end: Math.min(asked.end, length) };
    /** @type {Answer} */
    const entry = { path, ranged: asked.ranged, start: asked.start, end: asked.end, status: 0, sent: 0, outcome: 'begun', at: this.now, ended: 0 };
    const fault = this.fault?.(asked, this) ?? {};
    this.answers.push(entry);
    const over = (/** @type {Answer['outcome']} */ outcome) => {
      if (entry.outcome !== 'begun') return;
      entry.outcome = outcome;
      entry.ended = this.now;
    };
    response.on('close', () => over('left'));
    response.on('finish', () => over('complete'));

    if (fault.delay) await wait(fault.delay, response);
    if (fault.reset) {
      over('cut');
      return void request.socket.resetAndDestroy();
    }
    const say = (/** @type {number} */ status, /** @type {Record<string, string | number>} */ more = {}) => {
      entry.status = status;
      return response.writeHead(status, { ...headers, ...more });
    };
    if (fault.redirect) return void say(302, { Location: `${fault.redirect}/${path}` }).end();
    if (fault.status) return void say(fault.status, fault.retryAfter ? { 'Retry-After': fault.retryAfter } : {}).end(fault.text ?? '');
    if (file === undefined) return void say(404).end();
    if (asked.ranged && start >= length) return void say(416, { 'Content-Range': `bytes */${length}` }).end();

    const ranged = asked.ranged && host.ranges && !fault.ignoreRange;
    const [first, last] = ranged ? [start, end] : [0, length];
    Object.assign(entry, { ranged, start: first, end: last });
    const count = last - first + (fault.longerBy ?? 0);
    const shift = fault.shiftBy ?? 0;
    say(ranged ? 206 : 200, {
      'Content-Type': 'application/octet-stream',
      // Keep the browser's HTTP cache out of the tests.
      'Cache-Control': 'no-cache',
      ...(host.ranges ? { 'Accept-Ranges': 'bytes' } : {}),
      ...(host.etag === null ? {} : { ETag: host.etag }),
      ...(host.lastModified === null ? {} : { 'Last-Modified': host.lastModified }),
      ...(host.lengths ? { 'Content-Length': count } : {}),
      ...(ranged ? { 'Content-Range': `bytes ${first + shift}-${last - 1 + shift}/${length}` } : {}),
    });
    response.flushHeaders();
    if (request.method === 'HEAD') return void response.end();
    const content = contentOf(file);
    try {
      const whole = await this.#body(response, entry, { content, first, inside: last - first, count, fault });
      if (whole) return void response.end();
      over('cut');
      response.socket?.destroy();
    } finally {
      content.close();
    }
  }

  /** @param {string} path @param {string} host @param {boolean} ranged @param {number} start @param {number} end @returns {Asked} */
  #asked(path, host, ranged, start, end) {
    const before = this.of(path);
    const size = end - start;
    return {
      path, host, ranged, start, end, size,
      nth: before.length,
      large: before.filter((answer) => answer.end - answer.start >= LARGE).length,
      tries: before.filter((answer) => answer.end === end).length,
    };
  }

  /**
   * Sends a body. Returns false if the connection has to be closed before the end.
   *
   * @param {http.ServerResponse} response
   * @param {Answer} entry
   * @param {{ content: ReturnType<typeof contentOf>, first: number, inside: number, count: number, fault: Fault }} what `inside`: number of bytes that are the file's
   */
  async #body(response, entry, { content, first, inside, count, fault }) {
    const { cutAfter = Infinity, stall, corruptAt = -1, perSecond } = fault;
    const step = perSecond ? Math.max(1, Math.round((perSecond * PACE_MS) / 1000)) : CHUNK;
    for (let position = 0; ;) {
      if (position >= cutAfter) return false;
      if (stall && position === stall.after) await wait(stall.ms, response);
      if (position >= count || response.destroyed) return true;
      const next = Math.min(position + step, count, cutAfter, stall && stall.after > position ? stall.after : Infinity);
      // Bytes beyond the range are zeros.
      const bytes = Buffer.alloc(next - position);
      content.read(bytes, first + position, Math.min(next, inside) - position);
      if (corruptAt >= position && corruptAt < next) bytes[corruptAt - position] ^= 0xff;
      const written = await new Promise((done) => { response.write(bytes, (error) => done(!error)); });
      if (!written) return true;
      entry.sent += Math.max(0, Math.min(next, inside) - position);
      position = next;
      if (perSecond) await wait(PACE_MS, response);
    }
  }
}

/** Starts a server. @param {Files} files @param {{ host?: Partial<Host>, fault?: Misbehave | null }} [options] */
export async function faultServer(files, options = {}) {
  const server = new FaultServer(files, options);
  await server.up();
  return server;
}

/** @param {string | Buffer} file */
function contentOf(file) {
  if (typeof file !== 'string') {
    return {
      read: (/** @type {Buffer} */ into, /** @type {number} */ from, /** @type {number} */ count) => { if (count > 0) file.copy(into, 0, from, from + count); },
      close() {},
    };
  }
  const handle = openSync(file, 'r');
  return {
    read: (/** @type {Buffer} */ into, /** @type {number} */ from, /** @type {number} */ count) => { if (count > 0) readSync(handle, into, 0, count, from); },
    close: () => closeSync(handle),
  };
}

/** @typedef {{ start: number, end: number }} Range */

/** The ranges of the file that were sent. @param {Answer[]} answers @returns {Range[]} */
export function carried(answers) {
  return answers.filter((answer) => answer.sent > 0).map(({ start, sent }) => ({ start, end: start + sent }));
}

/** The sum of lengths. @param {Range[]} ranges */
export function sum(ranges) {
  return ranges.reduce((total, { start, end }) => total + end - start, 0);
}

/** Merges overlapping ranges. @param {Range[]} ranges @returns {Range[]} */
export function union(ranges) {
  /** @type {Range[]} */
  const merged = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** Bytes that were sent more often than needed. @param {Answer[]} answers */
export function repeated(answers) {
  const ranges = carried(answers);
  return sum(ranges) - sum(union(ranges));
}

/** Bytes that two sets of ranges have in common. @param {Range[]} some @param {Range[]} others */
export function common(some, others) {
  const [a, b] = [union(some), union(others)];
  return sum(a) + sum(b) - sum(union([...a, ...b]));
}
