// What a study asks, shows and exports, with an engine that answers when the test says so.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { comeIntoView, makeDocument, settle } from './dom.mjs';

makeDocument();
const { experiment, group, heads, model, report, study } = await import('./engine.mjs');

beforeEach(() => document.body.replaceChildren());

/** Opens a model on an experiment of these groups, and answers for the figures that are computed unseen. @param {...string} names */
async function opened(...names) {
  const made = study();
  made.store.apply({ experiment: experiment(...names) });
  made.store.model.value = model(1);
  await settle();
  made.engine.runs('logit-diff')[0].answer(report('logit-diff'));
  await settle();
  return made;
}

/** What an export would have of the comparison. @param {import('../../../www/study/study.js').Study} page */
function comparisonOf(page) {
  return page.computed.find(({ analysis }) => analysis === 'compare') ?? null;
}

test('an edit asks again; the answer to the question before is never shown as fresh', async () => {
  const { engine, store, run } = await opened('a');
  const first = run('logit-diff').shown.value;
  assert.ok(first?.isFresh);
  store.edit((own) => { own.groups[0].pairs[0].clean = 'edited'; }, { key: 'x' });
  assert.equal(run('logit-diff').state.value, 'stale');
  assert.equal(run('logit-diff').shown.value?.isFresh, false);
  assert.equal(run('logit-diff').result.value, null);
  await new Promise((done) => setTimeout(done, 350));
  const [asked] = engine.runs('logit-diff');
  assert.equal(asked.args.experiment.groups[0].pairs[0].clean, 'edited');
  // Undone while it runs: the kept answer is the answer.
  store.undo();
  assert.equal(run('logit-diff').state.value, 'fresh');
  assert.ok(asked.signal?.aborted);
});

test('B1: what is compared is of the model and the experiment that are open', async () => {
  const { engine, store, page, run } = await opened('a', 'b');
  store.setView({ shown: [0, 1] });
  run('head-attribution').request();
  await settle();
  engine.runs('head-attribution')[0].answer(report('head-attribution', [heads([0, 1], 1)]));
  await settle();
  comeIntoView(document.getElementById('compare'));
  await settle();
  engine.asked.find(({ call }) => call === 'difference')?.answer(null);
  await settle();
  assert.equal(comparisonOf(page)?.report.model, 'model 1');

  store.model.value = model(2);
  await settle();
  assert.equal(comparisonOf(page), null, 'the model before is gone');
  engine.runs('logit-diff')[0].answer(report('logit-diff'));
  run('head-attribution').request();
  await settle();
  engine.runs('head-attribution')[0].answer(report('head-attribution', [heads([0, 1], 2)], 'model 2'));
  await settle();
  assert.equal(comparisonOf(page), null, 'until the difference is there');
  engine.asked.find(({ call }) => call === 'difference')?.answer(null);
  await settle();
  const now = comparisonOf(page);
  assert.equal(now?.report.model, 'model 2');
  const [part] = now?.report.parts ?? [];
  assert.ok(part?.kind === 'heat');
  assert.deepEqual(part.panels.map((panel) => panel.values[0].mean[0]), [2, 2]);
});

test('B3: cancelled after previews, the figure shows the earlier run again', async () => {
  const { engine, store, run } = await opened('a');
  const figure = () => document.getElementById('head-attribution');
  run('head-attribution').request();
  await settle();
  engine.runs('head-attribution')[0].answer(report('head-attribution', [heads([0], 1, 'Complete')]));
  await settle();
  store.edit((own) => { own.groups[0].pairs[0].clean = 'edited'; }, { key: 'x' });
  run('head-attribution').request();
  await settle();
  mock.method(performance, 'now', () => 1e9);
  engine.runs('head-attribution')[0].preview({ index: 0, part: heads([0], 2, 'Unfinished') });
  mock.restoreAll();
  assert.equal(figure()?.querySelector('.part')?.getAttribute('data-title'), 'Unfinished');
  run('head-attribution').cancel();
  assert.equal(figure()?.querySelector('.part')?.getAttribute('data-title'), 'Complete');
  assert.match(figure()?.querySelector('.figure-message')?.textContent ?? '', /Cancelled\. The results below are of an earlier run/);
});

test('B7: a figure that cannot be drawn says so, and the next one is computed', async () => {
  const told = mock.method(globalThis, 'reportError', () => {});
  const { engine, run, page } = await opened('a');
  page.runAll();
  await settle();
  engine.runs('head-attribution')[0].answer(report('head-attribution', [/** @type {any} */ ({ ...heads([0], 1), rows: null })]));
  await settle();
  assert.match(document.getElementById('head-attribution')?.textContent ?? '', /This figure cannot be drawn/);
  assert.equal(told.mock.callCount(), 1);
  assert.equal(run('head-attribution').state.value, 'fresh');
  assert.equal(engine.runs('residual-patching').length, 1);
  mock.restoreAll();
});

test('B8: Enter computes at once what waits, and leaves alone what runs', async () => {
  const { engine, store, page, run } = await opened('a');
  run('neuron-patching').request();
  await settle();
  const [sweep] = engine.runs('neuron-patching');
  page.hasten();
  await settle();
  assert.equal(engine.runs('neuron-patching')[0], sweep);
  assert.equal(sweep.signal?.aborted, false);
  store.edit((own) => { own.groups[0].pairs[0].clean = 'edited'; }, { key: 'x' });
  assert.equal(run('logit-diff').state.value, 'stale');
  page.hasten();
  assert.equal(run('logit-diff').state.value, 'queued');
});

test('a sweep that was asked for goes on when the experiment changes, and is never started again by itself', async () => {
  const { engine, store, page, run } = await opened('a', 'b');
  run('neuron-patching').request();
  await settle();
  const [sweep] = engine.runs('neuron-patching');
  store.edit((own) => { own.groups[0].pairs[0].clean = 'edited'; }, { key: 'x' });
  assert.equal(sweep.signal?.aborted, false);
  assert.ok(run('neuron-patching').isEarlier.value);
  assert.match(document.querySelector('#neuron-patching .figure-message')?.textContent ?? '', /as it was before your change/);
  sweep.answer(report('neuron-patching', [heads([0], 3, 'Sweep')]));
  await settle();
  assert.equal(run('neuron-patching').state.value, 'outdated');
  assert.equal(run('neuron-patching').shown.value?.report.parts[0].title, 'Sweep');
  assert.equal(page.computed.some(({ analysis }) => analysis === 'neuron-patching'), false, 'it is not exported');
  store.setView({ shown: [0, 1] });
  await new Promise((done) => setTimeout(done, 350));
  assert.equal(engine.runs('neuron-patching').length, 0);
  // Back to the question that was answered.
  store.setView({ shown: [0] });
  store.undo();
  assert.equal(run('neuron-patching').state.value, 'fresh');
});

test('what is small or urgent interrupts a sweep; the rest waits', async () => {
  const { engine, store, run } = await opened('a');
  store.model.value = model(2, 'large', 1e9);
  await settle();
  engine.runs('logit-diff')[0]?.answer(report('logit-diff'));
  await settle();
  run('neuron-patching').request();
  await settle();
  assert.equal(engine.runs('neuron-patching')[0].args.first, false);
  run('head-patching').request(false);
  await settle();
  assert.equal(engine.runs('head-patching').length, 0, 'in the background, and as long');
  run('residual-patching').inView.value = true;
  await settle();
  assert.equal(engine.runs('residual-patching')[0].args.first, true, 'in view');
  assert.equal(engine.runs('neuron-patching')[0].signal?.aborted, false);
});

test('the time for which a run was interrupted does not count as its own', async () => {
  const { engine, store, run } = await opened('a');
  store.model.value = model(2, 'large', 1e9);
  await settle();
  engine.runs('logit-diff')[0]?.answer(report('logit-diff'));
  await settle();
  run('neuron-patching').request();
  await settle();
  run('residual-patching').inView.value = true;
  await settle();
  await new Promise((done) => setTimeout(done, 300));
  engine.runs('residual-patching')[0].answer(report('residual-patching'));
  await settle();
  engine.runs('neuron-patching')[0].answer(report('neuron-patching'));
  await settle();
  assert.ok((run('residual-patching').result.value?.milliseconds ?? 0) >= 290);
  assert.ok((run('neuron-patching').result.value?.milliseconds ?? 1e9) < 250);
});

test('a sweep makes nothing shorter wait', async () => {
  const { engine, store, run } = await opened('a');
  store.model.value = model(2, 'large', 1e9);
  await settle();
  engine.runs('logit-diff')[0]?.answer(report('logit-diff'));
  run('head-attribution').request(false);
  await settle();
  assert.equal(engine.runs('head-attribution').length, 1);
  run('neuron-patching').request();
  await settle();
  assert.equal(engine.runs('neuron-patching').length, 0, 'it waits for its turn');
  engine.runs('head-attribution')[0].answer(report('head-attribution'));
  await settle();
  assert.equal(engine.runs('neuron-patching').length, 1);
});

test('B23: after a study was opened from a file, an edit computes what is in view and no sweep', async () => {
  const { Loaded } = await import('../../../www/study/loaded.js');
  const { engine, store, run } = await opened('a');
  const { ask } = run('neuron-patching');
  assert.ok(typeof ask.value !== 'string');
  const results = [run('neuron-patching'), run('residual-patching')].map((one) => {
    assert.ok(typeof one.ask.value !== 'string');
    return { analysis: one.entry.analysis, settings: one.ask.value.settings, groups: [0], report: report(one.entry.analysis) };
  });
  store.loaded.value = new Loaded('study.json', { made: '', model: model(1).info, experiment: experiment('a'), test: null, view: store.view, results });
  assert.equal(run('neuron-patching').state.value, 'fresh');
  store.edit((own) => { own.groups[0].pairs[0].clean = 'edited'; }, { key: 'x' });
  await new Promise((done) => setTimeout(done, 350));
  assert.equal(engine.runs('neuron-patching').length + engine.runs('residual-patching').length, 0);
  assert.equal(run('neuron-patching').state.value, 'outdated');
});

test('B13: a name in a table opens on the group that the table is about', async () => {
  const { Stage } = await import('../../../www/reports/stage.js');
  const { layOut } = await import('../../../www/study/report-view.js');
  /** @type {any[]} */
  const opened = [];
  const stage = new Stage({ actions: { onNeuron: (neuron) => opened.push(neuron) } });
  const table = (/** @type {number} */ index, /** @type {string} */ title) => /** @type {import('../../../www/types/engine.js').Part} */ ({
    kind: 'table', title, note: null, group: index, columns: [{ name: 'Neuron', quantity: 'text', bars: true }], rows: [{ cells: ['L1N2'], mark: null }],
  });
  const drawn = layOut(report('neuron-attribution', [table(0, 'largest, plural'), table(1, 'largest, non-plural'), table(2, 'largest, ')]), { title: '', stage, tables: undefined, measure: null });
  for (const button of drawn.querySelectorAll('td button')) /** @type {HTMLElement} */ (button).click();
  assert.deepEqual(opened.map((one) => one.group), [0, 1, 2]);
});

test('groups that are added to or removed keep the view on the same groups, whatever they are called', async () => {
  const { store } = await opened('same', 'same', 'third');
  store.setView({ shown: [1, 2], pins: [{ kind: 'head', layer: 0, head: 0, group: 2 }] });
  store.edit((own) => { own.groups.splice(0, 1); });
  assert.deepEqual(store.view.shown, [0, 1]);
  assert.equal(store.view.pins[0].group, 1);
  store.undo();
  assert.deepEqual(store.view.shown, [1, 2]);
  store.edit((own) => { own.groups.unshift(group('new')); });
  assert.deepEqual(store.view.shown, [2, 3]);
  store.edit((own) => { own.groups.splice(3, 1); });
  assert.deepEqual(store.view.pins, []);
});
