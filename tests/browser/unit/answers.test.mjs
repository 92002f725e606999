// Sets of answers and distractors: the document, the fields, and what a question is about.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeDocument } from './dom.mjs';

makeDocument('');
const { Editor } = await import('../../../www/editor/editor.js');
const { fullPair, readExperiment, withDefaults, withoutDefaults } = await import('../../../www/store/experiment.js');
const { Store } = await import('../../../www/store/store.js');
const { keyOf } = await import('../../../www/study/request.js');

const PAIR = { clean: 'a', corrupted: 'b', answer: ' 54', distractor: ' 12', more_answers: [' 55', ' 56'] };
const given = { groups: [{ name: 'g', symmetric: false, pairs: [PAIR] }], prepend_bos: true };

test('sets are read, written and checked', () => {
  const read = readExperiment(structuredClone(given));
  assert.deepEqual(read.groups[0].pairs[0], fullPair(PAIR));
  assert.deepEqual(withoutDefaults(read), given);
  for (const more_answers of [' 55', [1], {}]) {
    assert.throws(() => readExperiment({ ...given, groups: [{ ...given.groups[0], pairs: [{ ...PAIR, more_answers }] }] }), /"more_answers" of pair 0 of group 0 is no list of texts/);
  }
});

test('a figure is stale when a role or a further answer changes', () => {
  const ask = (/** @type {object} */ group, /** @type {object} */ pair) => keyOf({
    analysis: 'x', settings: {}, shown: [0], experiment: { groups: [{ ...given.groups[0], ...group, pairs: [{ ...PAIR, ...pair }] }], prepend_bos: true },
  });
  const role = { name: 'end', at: /** @type {const} */ ('last') };
  const asks = [ask({}, {}), ask({ roles: [role] }, {}), ask({}, { roles: [role] }), ask({}, { more_answers: [] }), ask({}, { more_distractors: [' 1'] })];
  assert.equal(new Set(asks).size, asks.length);
  assert.equal(ask({ roles: [] }, { roles: [] }), asks[0]);
});

test('further answers are typed between bars, with their spaces', () => {
  const store = new Store();
  const root = document.createElement('div');
  document.body.append(root);
  const editor = new Editor(store, { root, tools: document.createElement('div'), presets: document.createElement('div'), onEnter() {}, check: async () => null });
  store.apply({ experiment: withDefaults(given) });
  editor.showCheck({ groups: [[]], problems: [] });
  const fields = /** @type {HTMLInputElement[]} */ ([...root.querySelectorAll('.more-tokens input')]);
  assert.deepEqual(fields.map((field) => field.value), [' 55| 56', '']);
  assert.deepEqual(fields.map((field) => /** @type {HTMLElement} */ (field.parentElement).hidden), [false, true], 'without further tokens there is a button');
  fields[1].value = ' 1| two||';
  fields[1].dispatchEvent(new Event('input'));
  assert.deepEqual(store.experiment.groups[0].pairs[0].more_distractors, [' 1', ' two']);
});
