// The client that the page calls the worker through, and the worker itself with a fake module.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Engine, EngineError } from '../../../www/engine/client.js';

/** A worker that only keeps what it was sent. */
class FakeWorker extends EventTarget {
  /** @type {any[]} */
  sent = [];
  /** @param {any} message */
  postMessage(message) { this.sent.push(message); }
  terminate() {}
  /** @param {any} data */
  say(data) { this.dispatchEvent(Object.assign(new Event('message'), { data })); }
}

function engine() {
  /** @type {FakeWorker[]} */
  const workers = [];
  const made = new Engine(() => {
    const worker = new FakeWorker();
    workers.push(worker);
    return /** @type {any} */ (worker);
  });
  return { engine: made, workers };
}

/** @param {Promise<unknown>} promise */
const failure = async (promise) => {
  const error = await promise.then(() => null, (caught) => caught);
  assert.ok(error instanceof EngineError);
  return error.code;
};

test('B10: an engine that replaces another is not sent what was cancelled', async () => {
  const { engine: page, workers } = engine();
  const controller = new AbortController();
  const cancelled = page.call('open', /** @type {any} */ ({ model: 'large' }), { signal: controller.signal });
  void page.call('open', /** @type {any} */ ({ model: 'wanted' }));
  controller.abort();
  page.restart();
  assert.equal(await failure(cancelled), 'cancelled');
  assert.deepEqual(workers[1].sent.map(({ args }) => args.model), ['wanted']);
});

test('a run that was under way fails with its device when the engine is replaced', async () => {
  const { engine: page, workers } = engine();
  const run = page.call('run', { analysis: 'x', experiment: { groups: [] }, settings: {} });
  page.restart();
  assert.equal(await failure(run), 'compute');
  assert.deepEqual(workers[1].sent, []);
});

test('B25: calls to an engine that could not be loaded are refused, until it is replaced', async () => {
  const { engine: page, workers } = engine();
  const early = page.call('presets', {});
  workers[0].dispatchEvent(new Event('error'));
  assert.equal(await failure(early), 'engine');
  assert.equal(await failure(page.call('presets', {})), 'engine');
  page.restart();
  const late = page.call('presets', {});
  workers[1].say({ id: workers[1].sent[0].id, result: ['one'] });
  assert.deepEqual(await late, ['one']);
});

test('B14: an engine that fails in a page of an older version is not replaced by one of the new version', async () => {
  const { engine: page, workers } = engine();
  const open = page.call('open', /** @type {any} */ ({}));
  page.retire('Patchlab was brought up to date.');
  page.restart();
  assert.equal(workers.length, 1);
  await assert.rejects(open, /brought up to date\. Reload the page to go on/);
  await assert.rejects(page.call('presets', {}), /Reload the page/);
});

test('a run names the model that it is for', async () => {
  const { engine: page, workers } = engine();
  const [worker] = workers;
  const open = page.call('open', /** @type {any} */ ({}));
  worker.say({ id: worker.sent[0].id, result: {} });
  await open;
  void page.call('run', { analysis: 'x', experiment: { groups: [] }, settings: {} });
  assert.equal(worker.sent[1].args.model, worker.sent[0].id);
});

// The worker, in a folder like the site's.

const MODULE = `
export default async function init() {}
export function presets() { return []; }
const calls = globalThis.moduleCalls = [];
export class Engine {
  open(id, model) { return new Promise((done) => calls.push({ open: id, model, done: () => done({ model }) })); }
  run(id, request) { return new Promise((done, fail) => calls.push({ run: id, request, done: () => done({ analysis: request.analysis }), fail })); }
  cancel(id) { calls.push({ cancel: id }); calls.find(({ run }) => run === id)?.fail({ code: 'cancelled', message: 'Cancelled.' }); }
  pause(id, paused) { calls.push({ pause: id, paused }); }
}`;

const folder = mkdtempSync(join(tmpdir(), 'patchlab-worker-'));
after(() => rmSync(folder, { recursive: true }));
/** @type {EventTarget} */
let scope;
/** @type {any[]} */
const said = [];

before(async () => {
  mkdirSync(join(folder, 'www'));
  cpSync(new URL('../../../www/engine', import.meta.url), join(folder, 'www/engine'), { recursive: true });
  writeFileSync(join(folder, 'patchlab-web.js'), MODULE);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  scope = Object.assign(new EventTarget(), { postMessage: (/** @type {any} */ message) => said.push(message) });
  Object.assign(globalThis, { self: scope });
  await import(pathToFileURL(join(folder, 'www/engine/worker.js')).href);
});

/** @returns {any[]} */
const moduleCalls = () => /** @type {any} */ (globalThis).moduleCalls ?? [];
const settle = async () => { for (let i = 0; i < 5; i += 1) await new Promise((done) => setTimeout(done)); };
/** @param {number} id @param {string} call @param {any} args */
const send = async (id, call, args) => {
  scope.dispatchEvent(Object.assign(new Event('message'), { data: { id, call, args } }));
  await settle();
};
/** @param {number} id */
const answerTo = (id) => said.find((message) => message.id === id && ('result' in message || 'error' in message));

test('the first run waits for the first model; B6: later ones do not wait for another that is being opened', async () => {
  await send(1, 'open', { model: 'demo' });
  await send(2, 'run', { analysis: 'early', settings: {}, model: 0 });
  assert.equal(moduleCalls().filter(({ run }) => run).length, 0);
  moduleCalls()[0].done();
  await settle();
  moduleCalls().find(({ run }) => run === 2).done();
  await settle();
  assert.ok(answerTo(2).result);

  await send(3, 'open', { model: 'large' });
  await send(4, 'run', { analysis: 'meanwhile', settings: {}, model: 1 });
  moduleCalls().find(({ run }) => run === 4).done();
  await settle();
  assert.ok(answerTo(4).result, 'while 3 is being downloaded');
  moduleCalls().find(({ open }) => open === 3).done();
  await settle();
  await send(5, 'run', { analysis: 'late', settings: {}, model: 1 });
  assert.equal(answerTo(5).error.code, 'cancelled', 'it was for the model before');
  await send(6, 'run', { analysis: 'right', settings: {}, model: 3 });
  moduleCalls().find(({ run }) => run === 6).done();
  await settle();
  assert.ok(answerTo(6).result);
});

test('an urgent run pauses the one under way, which goes on afterwards; others wait for both', async () => {
  await send(10, 'run', { analysis: 'sweep', settings: {}, model: 3 });
  await send(11, 'run', { analysis: 'next', settings: {}, model: 3 });
  await send(12, 'run', { analysis: 'urgent', settings: {}, model: 3, first: true });
  const begun = () => moduleCalls().flatMap(({ run }) => (run >= 10 ? [run] : []));
  assert.deepEqual(begun(), [10, 12]);
  assert.deepEqual(moduleCalls().at(-2), { pause: 10, paused: true });
  assert.deepEqual(moduleCalls().at(-1).request, { analysis: 'urgent', settings: {} }, 'the engine sees the request alone');
  moduleCalls().find(({ run }) => run === 12).done();
  await settle();
  assert.deepEqual(moduleCalls().at(-1), { pause: 10, paused: false });
  assert.deepEqual(begun(), [10, 12]);
  moduleCalls().find(({ run }) => run === 10).done();
  await settle();
  assert.deepEqual(begun(), [10, 12, 11]);
  moduleCalls().find(({ run }) => run === 11).done();
  await settle();
});

test('B26: cancelling reaches the call that is meant, whether it has begun or not', async () => {
  await send(20, 'run', { analysis: 'running', settings: {}, model: 3 });
  await send(21, 'run', { analysis: 'waiting', settings: {}, model: 3 });
  await send(22, 'cancel', { id: 21 });
  await send(23, 'cancel', { id: 20 });
  assert.equal(answerTo(20).error.code, 'cancelled');
  assert.equal(answerTo(21).error.code, 'cancelled');
  assert.equal(moduleCalls().filter(({ run }) => run === 21).length, 0);
});
