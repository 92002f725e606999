// Controls: they stay while they are used, and nothing is left behind by what they replace.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { makeDocument, settle } from './dom.mjs';

makeDocument('<div id="inspector"></div>');
const { experiment, group, heads, model, report, study } = await import('./engine.mjs');
const { Inspector } = await import('../../../www/inspector/inspector.js');
const { Hover } = await import('../../../www/reports/hover.js');
const { drawPart } = await import('../../../www/reports/index.js');
const { Stage } = await import('../../../www/reports/stage.js');
const { Editor } = await import('../../../www/editor/editor.js');
const { emptyPair, fullPair } = await import('../../../www/store/experiment.js');
const { Store } = await import('../../../www/store/store.js');

beforeEach(() => document.body.replaceChildren());

/** A head's card, with its answer. */
async function card() {
  const page = study();
  page.store.apply({ experiment: experiment('a', 'b') });
  page.store.model.value = model(1);
  await settle();
  const root = document.createElement('div');
  document.body.append(root);
  const inspector = new Inspector(root, page.store, page.page, new Stage());
  page.engine.runs('logit-diff')[0].answer(report('logit-diff'));
  inspector.open({ kind: 'head', layer: 1, head: 0, group: 0 });
  await settle();
  page.engine.runs('attention')[0].answer(report('attention', []));
  await settle();
  return { ...page, root, inspector };
}

test('B11: an open card asks once typing pauses, and shows no error of half a prompt', async () => {
  const { engine, store, root } = await card();
  for (const text of ['T', 'Th', 'The', 'They', 'They ']) {
    store.edit((own) => { own.groups[0].pairs[0].clean = text; }, { key: 'x' });
    await settle();
  }
  assert.equal(engine.runs('attention').length, 0);
  assert.equal(root.querySelectorAll('[role="alert"]').length, 0);
  await new Promise((done) => setTimeout(done, 350));
  // What the editor shows goes first.
  engine.runs('logit-diff')[0].answer(report('logit-diff'));
  await settle();
  assert.deepEqual(engine.runs('attention').map(({ args }) => args.experiment.groups[0].pairs[0].clean), ['They ']);
});

test('a card goes before a sweep that is under way', async () => {
  const { engine, run, inspector } = await card();
  for (const one of engine.runs('logit-diff')) one.answer(report('logit-diff'));
  await settle();
  run('neuron-patching').request();
  await settle();
  inspector.open({ kind: 'neuron', layer: 0, neuron: 3, group: 0 });
  await settle();
  assert.equal(engine.runs('neuron-patching')[0].signal?.aborted, false);
  assert.equal(engine.runs('neuron-on-text')[0].args.first, true);
});

test('B12: the lists of a card and of the comparison are the same elements after they were used', async () => {
  const { root, store } = await card();
  const prompts = root.querySelectorAll('select')[1];
  prompts.focus();
  prompts.selectedIndex = 1;
  prompts.dispatchEvent(new Event('change'));
  await settle();
  assert.equal(root.querySelectorAll('select')[1], prompts);
  assert.equal(document.activeElement, prompts);
  const [, second] = document.querySelectorAll('#compare select');
  assert.ok(second instanceof HTMLSelectElement);
  second.focus();
  store.edit((own) => own.groups.push(group('c')));
  store.setView({ compared: [0, 2] });
  assert.equal(document.activeElement, document.querySelectorAll('#compare select')[1]);
});

test('B12: a switch that all patching figures share stays while it is used', async () => {
  const page = study();
  page.store.apply({ experiment: experiment('a') });
  page.store.model.value = model(1);
  await settle();
  const part = { ...heads([0], 1, 'Residual'), measures: ['normalised', 'logit-diff'].map((name) => ({ name, label: name, quantity: /** @type {const} */ ('share'), middle: 0, range: null })) };
  for (const analysis of ['residual-patching', 'head-patching']) {
    page.run(analysis).request();
    await settle();
    for (const one of page.engine.runs('logit-diff')) one.answer(report('logit-diff'));
    await settle();
    page.engine.runs(analysis)[0].answer(report(analysis, [part]));
    await settle();
  }
  const second = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.shared-controls [aria-label="Measure"] button:last-child')]);
  const before = second();
  assert.equal(before.length, 2);
  before[0].focus();
  before[0].click();
  assert.deepEqual(second(), before);
  assert.equal(document.activeElement, before[0]);
  assert.deepEqual(before.map((button) => button.getAttribute('aria-pressed')), ['true', 'true'], 'pressed in both figures');
});

test('B9: pictures that are gone are called no more, without a hover in between', async () => {
  const hover = new Hover();
  const stage = new Stage({ hover });
  for (let draw = 0; draw < 50; draw += 1) {
    stage.scope.end();
    drawPart(heads([0, 1], draw), stage);
  }
  assert.equal(hover.size, 1);
  const page = study();
  page.store.apply({ experiment: experiment('a') });
  page.store.model.value = model(1);
  await settle();
  page.engine.runs('logit-diff')[0].answer(report('logit-diff', [heads([0], 0)]));
  await settle();
  const nodes = () => document.querySelectorAll('*').length;
  const count = nodes();
  for (let edit = 0; edit < 10; edit += 1) {
    page.store.edit((own) => { own.groups[0].pairs[0].clean = `edit ${edit}`; }, { key: 'x' });
    page.page.hasten();
    await settle();
    page.engine.runs('logit-diff')[0].answer(report('logit-diff', [heads([0], edit)]));
    await settle();
  }
  assert.equal(nodes(), count);
});

test('a pair in which nothing was typed has no faults; one that was begun has', async () => {
  const store = new Store();
  const root = document.createElement('div');
  document.body.append(root);
  const editor = new Editor(store, { root, tools: document.createElement('div'), presets: document.createElement('div'), onEnter() {}, check: async () => null });
  store.apply({ experiment: { prepend_bos: true, groups: [{ name: 'new', symmetric: true, roles: [], pairs: [emptyPair()] }] } });
  const checked = { groups: [[]], problems: [{ code: 'empty-prompt', message: 'The prompt is empty.', place: { group: 0, pair: 0, field: /** @type {const} */ ('corrupted') } }] };
  editor.showCheck(checked);
  assert.equal(root.querySelectorAll('.field-error:not([hidden])').length, 0);
  assert.doesNotMatch(root.textContent ?? '', /problem/);
  store.edit((own) => { own.groups[0].pairs[0].clean = 'They'; }, { key: 'x' });
  editor.showCheck(checked);
  assert.equal(root.querySelectorAll('.field-error:not([hidden])').length, 1);
});

test('a long group is a list of one line each, and a pair of it is built when it is opened', () => {
  const store = new Store();
  const root = document.createElement('div');
  document.body.append(root);
  const editor = new Editor(store, { root, tools: document.createElement('div'), presets: document.createElement('div'), onEnter() {}, check: async () => null });
  store.apply({ experiment: { prepend_bos: true, groups: [{ ...group('long'), pairs: Array.from({ length: 1000 }, (_, index) => group(`pair ${index}`).pairs[0]) }] } });
  assert.equal(root.querySelectorAll('.pair-row').length, 1000);
  assert.equal(root.querySelectorAll('textarea').length, 0);
  editor.goTo({ group: 0, pair: 700, field: 'corrupted' });
  assert.equal(root.querySelectorAll('textarea').length, 2);
  const field = /** @type {HTMLTextAreaElement | null} */ (root.querySelector('#field-0-700-clean'));
  assert.equal(field?.value, 'pair 700 clean');
  field.value = 'typed';
  field.dispatchEvent(new Event('input'));
  assert.equal(store.experiment.groups[0].pairs[700].clean, 'typed');
  assert.equal(root.querySelectorAll('.pair-row-prompt')[700].textContent, 'typed');
});

test('B21: folds stay open with their groups; B22: a paste into a field is read as the dialog reads it', () => {
  const store = new Store();
  const root = document.createElement('div');
  document.body.append(root);
  new Editor(store, { root, tools: document.createElement('div'), presets: document.createElement('div'), onEnter() {}, check: async () => null });
  store.apply({ experiment: experiment('a', 'b', 'c') });
  const folds = () => [...root.querySelectorAll('details')];
  const open = () => folds().flatMap((fold, index) => (fold.open ? [store.experiment.groups[index].name] : []));
  folds()[2].open = true;
  folds()[0].open = false;
  store.edit((own) => { own.groups.splice(0, 1); });
  assert.deepEqual(open(), ['c']);
  store.undo();
  assert.deepEqual(open(), ['c']);

  folds()[2].dispatchEvent(new Event('toggle'));
  const field = root.querySelector('#field-2-0-clean');
  assert.ok(field);
  const paste = Object.assign(new Event('paste', { bubbles: true, cancelable: true }), { clipboardData: { getData: () => 'clean\tcorrupted\tanswer\tdistractor\n"say ""hi"""\tother\t x\t y\n' } });
  field.dispatchEvent(paste);
  assert.deepEqual(store.experiment.groups[2].pairs.slice(1), [fullPair({ clean: 'say "hi"', corrupted: 'other', answer: ' x', distractor: ' y' })]);
});
