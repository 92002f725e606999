// Opening models: late ends, failures of devices, and what is told.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { makeDocument, settle } from './dom.mjs';

makeDocument();
const { FakeEngine } = await import('./engine.mjs');
const { hasPublished } = await import('../../../www/opening/panel.js');
const { Opener } = await import('../../../www/opening/opener.js');
const { choiceFromQuery } = await import('../../../www/opening/choices.js');
const { Recovery } = await import('../../../www/opening/recovery.js');
const { EngineError } = await import('../../../www/engine/client.js');
const { Store } = await import('../../../www/store/store.js');

function opener() {
  const engine = new FakeEngine();
  const store = new Store();
  /** @type {string[]} */
  const shown = [];
  const made = new Opener(engine, store, {
    panel: { ask: (host) => shown.push(`asking for ${host}`), opening: (name) => shown.push(`opening ${name}`), progress() {}, opened: ({ model }, { isLast }) => shown.push(`${model.name}${isLast ? '' : ', and on'}`), failed: (_, { kept }) => shown.push(`failed, still ${kept}`), dismiss() {} },
    messages: { say() {}, toast() {} }, onReopened() {},
  });
  const opened = (/** @type {string} */ name) => ({ model: { name, device: { kind: 'cpu', name: 'CPU' } }, bytes: {} });
  return { engine, store, opener: made, shown, opened };
}

/** @param {string} base @returns {import('../../../www/opening/choices.js').Choice} */
const address = (base) => ({ kind: 'address', base: `https://${base}/` });

test('B4: a model that was opened after another was chosen is the one that the page names, if that other fails', async () => {
  const { engine, store, opener: page, shown, opened } = opener();
  void page.start({ kind: 'demo' }, 'auto');
  await settle();
  engine.asked[0].answer(opened('demo'));
  await settle();
  void page.choose(address('a.test'));
  await settle();
  const [first] = engine.asked;
  first.isLate = true;
  void page.choose(address('b.test'));
  assert.ok(first.signal?.aborted);
  first.answer(opened('A'));
  await settle();
  assert.equal(store.model.value?.info.name, 'A', 'the engine computes with it');
  assert.equal(page.query, '?model=https%3A%2F%2Fa.test%2F');
  engine.asked.at(-1)?.fail({ code: 'address', message: 'No such host.' });
  await settle();
  assert.equal(store.model.value?.info.name, 'A');
  assert.equal(shown.at(-1), 'failed, still A');
});

test('two runs that fail with one device open the model once', async () => {
  const { engine, store, opener: page, opened } = opener();
  void page.start({ kind: 'demo' }, 'auto');
  await settle();
  engine.asked[0].answer(opened('demo'));
  await settle();
  const lost = new EngineError({ code: 'compute', message: 'The device was lost.' });
  const back = [page.lost(lost), page.lost(lost)];
  assert.equal(engine.restarts, 1);
  await settle();
  assert.equal(engine.asked.filter(({ call }) => call === 'open').length, 1);
  engine.asked[0].answer(opened('demo'));
  for (const end of back) await end;
  assert.equal(store.model.value?.serial, 1, 'the same model as before');
});

test('B15: a failure of long ago does not count', () => {
  const lost = new EngineError({ code: 'compute', message: 'The device was lost.' });
  let now = 0;
  mock.method(performance, 'now', () => now);
  const recovery = new Recovery();
  assert.equal(recovery.next(lost, 'auto', 'wgpu')?.device, 'auto');
  now = 3 * 3600_000;
  assert.equal(recovery.next(lost, 'auto', 'wgpu')?.device, 'auto', 'hours later');
  now += 10_000;
  assert.equal(recovery.next(lost, 'auto', 'wgpu')?.device, 'cpu', 'at once again');
  mock.restoreAll();
});

test('B16: weights of a host that only a link names are not fetched unasked, and are not called GPT-2', async () => {
  const { engine, opener: page, shown } = opener();
  history.replaceState(null, '', '?model=gpt2&weights=https://stranger.test/weights/');
  void page.start({ kind: 'gpt2' }, 'auto');
  await settle();
  assert.deepEqual(engine.asked, []);
  assert.deepEqual(shown, ['asking for stranger.test']);
  assert.equal(page.query, location.search, 'a reload asks again');
  // The button says GPT-2 small, and not whose weights.
  void page.choose({ kind: 'gpt2' });
  await settle();
  assert.deepEqual(engine.asked, []);
  assert.equal(page.inPython.model, 'path/to/checkpoint');
  // What a visitor types is asked for by the visitor.
  void page.choose({ kind: 'address', base: 'https://stranger.test/weights/' });
  await settle();
  assert.equal(engine.asked.length, 1);
  void page.choose({ kind: 'gpt2' });
  await settle();
  assert.equal(shown.at(-1), 'opening stranger.test/weights');
  history.replaceState(null, '', '/');
  localStorage.clear();
});

test('a planted model is opened from the site with what is true of it, and is named in the address', async () => {
  const { engine, opener: page, opened } = opener();
  void page.start({ kind: 'planted', name: 'ioi' }, 'auto');
  await settle();
  const [{ args: { model }, answer }] = engine.asked;
  assert.ok(model.base.endsWith('/www/models/planted-ioi/') && model.truth === true && !('tokenizer' in model), JSON.stringify(model));
  assert.match(model.name, /not trained/);
  answer(opened('planted'));
  await settle();
  assert.equal(page.query, '?model=planted-ioi');
  assert.deepEqual(choiceFromQuery(new URLSearchParams(page.query)), { kind: 'planted', name: 'ioi' });
  assert.deepEqual(choiceFromQuery(new URLSearchParams('?model=planted-other')), { kind: 'address', base: 'planted-other' });
  assert.equal(page.inPython.tokenizer, 'path/to/checkpoint', 'it has a tokenizer of its own');
});

test('published values are offered for a model of GPT-2 small\u2019s sizes', () => {
  const small = { n_layers: 12, n_heads: 12, d_model: 768, d_mlp: 3072, d_vocab: 50257 };
  const model = (/** @type {Partial<typeof small>} */ other) => /** @type {import('../../../www/types/engine.js').ModelInfo} */ ({ ...small, ...other });
  assert.ok(hasPublished(model({})));
  for (const other of [{ n_layers: 6 }, { d_vocab: 50258 }, { n_heads: 16, d_model: 1024, d_mlp: 4096 }]) assert.ok(!hasPublished(model(other)));
});
