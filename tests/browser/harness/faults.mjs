// A server of weights that misbehaves as it is told to, and keeps count of the bytes it has sent.

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import http from 'node:http';

/**
 * What a request asks for. The first byte is 0 and the end unknown where no range is asked for.
 * @typedef {object} Asked
 * @property {string} path below the server's root
 * @property {string} host the name and port by which the server was asked
 * @property {boolean} ranged
 * @property {number} start
 * @property {number} end one past the last byte
 * @property {number} size
 * @property {number} nth how many requests for this path came before
 * @property {number} large how many requests for at least `LARGE` bytes of this path came before
 * @property {number} tries how many requests with this very end came before: a range that is tried again keeps its end
 */

/**
 * What goes wrong with one answer. Places are counted from the start of its body.
 * @typedef {object} Fault
 * @property {number} [delay] milliseconds before anything is answered
 * @property {number} [status] an answer without the file
 * @property {string} [retryAfter] with the status
 * @property {string} [text] the body that goes with the status
 * @property {string} [redirect] the origin at which the same path is to be asked for
 * @property {boolean} [reset] the connection ends without an answer
 * @property {number} [cutAfter] bytes after which the connection ends
 * @property {{ after: number, ms: number }} [stall] nothing comes for so long
 * @property {number} [perSecond] bytes
 * @property {number} [corruptAt] the byte that is another one
 * @property {number} [shiftBy] the range that is claimed begins so much later than the one that was asked for, and is sent
 * @property {number} [longerBy] bytes that the body has too many, or too few if negative
 * @property {boolean} [ignoreRange] the whole file is sent
 */

/**
 * How the server is, whatever is asked for.
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
 * @property {number} end one past the last byte of the file that was asked for
 * @property {number} status
 * @property {number} sent bytes of the file that were sent
 * @property {'begun' | 'complete' | 'cut' | 'left'} outcome `cut` by the server, `left` by the browser
 * @property {number} at milliseconds since the server began
 * @property {number} ended
 */

/** @typedef {Record<string, string | Buffer>} Files a path on this machine, or the content, for each path in the address */
/** @typedef {(asked: Asked, hub: FaultServer) => Fault | null | undefined | void} Misbehave */

/** Requests for less are for headers and for what the file is. */
export const LARGE = 1 << 20;
const CHUNK = 64 << 10;
const PACE_MS = 50;

/** Waits, unless the connection ends before. @param {number} ms @param {http.ServerResponse} response */
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
  /** What is wrong with answers from now on. @type {Misbehave | null} */
  fault;
  /** @type {Files} */
  files;

  #server = http.createServer((request, response) => {
    this.#answer(request, response).catch((error) => {
      // The connection may be gone already, which is part of the game.
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

  /** Listens, at the same address as before if it was down. */
  async up() {
    await new Promise((done) => this.#server.listen(this.#port, '127.0.0.1', () => done(undefined)));
    this.#port = /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port;
    this.origin = `http://127.0.0.1:${this.#port}`;
  }

  /** Cuts all connections and refuses new ones. */
  down = async () => {
    if (!this.#server.listening) return;
    await new Promise((done) => {
      this.#server.close(() => done(undefined));
      this.#server.closeAllConnections();
    });
  };

  /** Milliseconds since the server began. */
  get now() {
    return performance.now() - this.#began;
  }

  /** What was answered to requests for a path. @param {string} [path] */
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
    // A range that ends before it begins is none, and servers then ignore it.
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
      // What the browser's own cache would answer must come from the page's storage or from here.
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
   * Sends a body. False if the connection is to end before it is complete.
   *
   * @param {http.ServerResponse} response
   * @param {Answer} entry
   * @param {{ content: ReturnType<typeof contentOf>, first: number, inside: number, count: number, fault: Fault }} what `inside`: bytes of the file
   */
  async #body(response, entry, { content, first, inside, count, fault }) {
    const { cutAfter = Infinity, stall, corruptAt = -1, perSecond } = fault;
    const step = perSecond ? Math.max(1, Math.round((perSecond * PACE_MS) / 1000)) : CHUNK;
    for (let position = 0; ;) {
      if (position >= cutAfter) return false;
      if (stall && position === stall.after) await wait(stall.ms, response);
      if (position >= count || response.destroyed) return true;
      const next = Math.min(position + step, count, cutAfter, stall && stall.after > position ? stall.after : Infinity);
      // What goes beyond the range is made up.
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

/** Starts one. @param {Files} files @param {{ host?: Partial<Host>, fault?: Misbehave | null }} [options] */
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

/** The bytes of the file that answers have carried. @param {Answer[]} answers @returns {Range[]} */
export function carried(answers) {
  return answers.filter((answer) => answer.sent > 0).map(({ start, sent }) => ({ start, end: start + sent }));
}

/** The sum of lengths. @param {Range[]} ranges */
export function sum(ranges) {
  return ranges.reduce((total, { start, end }) => total + end - start, 0);
}

/** Ranges without what they have in common. @param {Range[]} ranges @returns {Range[]} */
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

/** Bytes that were carried once more than needed. @param {Answer[]} answers */
export function repeated(answers) {
  const ranges = carried(answers);
  return sum(ranges) - sum(union(ranges));
}

/** Bytes of one set of ranges that the other has as well. @param {Range[]} some @param {Range[]} others */
export function common(some, others) {
  const [a, b] = [union(some), union(others)];
  return sum(a) + sum(b) - sum(union([...a, ...b]));
}
