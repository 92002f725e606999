// Roles and prompts of unequal lengths: the document, marks by clicking tokens, and the ways out of what a figure leaves out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markedAs, wholeNumber } from '../../../www/editor/roles-dialog.js';
import { columnLabel, describeCell, whyMissing } from '../../../www/reports/grid-view.js';
import { DEFAULT_PICTURE } from '../../../www/store/view.js';
import { byLength, readExperiment, withDefaults, withoutDefaults } from '../../../www/store/experiment.js';
import { Store } from '../../../www/store/store.js';
import { waysOut } from '../../../www/study/ways-out.js';
import { axis, grid, ticks } from '../harness/samples.mjs';

/** @import { AnalysisInfo, Checked, PairTokens, Role } from '../../../www/types/engine.js' */

/** @param {string[]} words @returns {PairTokens} */
function tokensOf(...words) {
  return { clean: words.map((text, id) => ({ id, text })), corrupted: [], answer: [], distractor: [], differing: [], roles: [] };
}

const PROMPT = tokensOf('<|endoftext|>', 'When', ' Mary', ' and', ' Si', 'ob', 'han', ' met', ' Maryland', ',', ' Mary');

/** @type {[string, number, number, Role][]} */
const MARKS = [
  ['a word', 2, 2, { name: 'r', at: { text: 'Mary' } }],
  ['its second occurrence, which is not the one inside another word', 10, 10, { name: 'r', at: { text: 'Mary' }, nth: 2 }],
  ['several tokens', 4, 6, { name: 'r', at: { text: 'Siobhan' } }],
  ['a part of a word, by its distance from the first', 5, 5, { name: 'r', at: 'first', offset: 4 }],
  ['the first token', 1, 1, { name: 'r', at: { text: 'When' } }],
  ['<|endoftext|>', 0, 0, { name: 'r', at: 'first', offset: -1 }],
];
for (const [what, from, to, role] of MARKS) test(`a click marks ${what}`, () => assert.deepEqual(markedAs('r', PROMPT, from, to, 1), role));

test('whatever is typed as an occurrence or offset can be read by the engine', () => {
  assert.deepEqual(['2', '-1', '', 'x', '1.9', '1e99', '-99999999999'].map(wholeNumber), [2, -1, 0, 0, 1, 100_000, -100_000]);
});

test('old documents are read as they were, and written without what is empty', () => {
  const old = { groups: [{ name: 'g', symmetric: true, pairs: [{ clean: 'a', corrupted: 'b', answer: ' c', distractor: ' d' }] }], prepend_bos: true };
  const read = readExperiment(structuredClone(old));
  assert.deepEqual(read.groups[0].roles, []);
  assert.deepEqual(withoutDefaults(read), old);
});

test('roles and missing counterparts are kept; damaged roles are named', () => {
  /** @type {Role[]} */
  const roles = [{ name: 'S', at: 'distractor', nth: 2 }, { name: 'verb', at: { text: 'gave' }, offset: -1 }];
  const given = { groups: [{ name: 'g', symmetric: false, roles, pairs: [{ clean: 'a', answer: ' c', distractor: ' d', roles: [{ name: 'S', at: 'last' }] }] }], prepend_bos: true };
  const read = readExperiment(structuredClone(given));
  assert.equal(read.groups[0].pairs[0].corrupted, '');
  assert.deepEqual(readExperiment(withoutDefaults(read)), read);
  for (const [roles, said] of /** @type {[unknown, RegExp][]} */ ([
    [{}, /no list/], [[{ at: 'last' }], /no "name"/], [[{ name: 'x', at: 'nowhere' }], /no "at"/], [[{ name: 'x', at: { text: 1 } }], /no "at"/],
    [[{ name: 'x', at: 'last', nth: 0.5 }], /whole number/], [[{ name: 'x', at: 'last', when: 1 }], /unknown field "when"/],
  ])) assert.throws(() => readExperiment({ ...given, groups: [{ ...given.groups[0], roles }] }), said);
});

test('a group that is left out for its lengths is aligned or split by one click', () => {
  const store = new Store();
  const pair = (/** @type {string} */ clean) => ({ clean, corrupted: clean, answer: ' x', distractor: ' y' });
  store.apply({ experiment: withDefaults({ groups: [{ name: 'g', roles: [{ name: 'end', at: 'last' }], pairs: [pair('a b c'), pair('a b'), pair('d e f')] }] }) });
  store.checked.value = /** @type {Checked} */ ({ groups: [[tokensOf('a', 'b', 'c'), tokensOf('a', 'b'), tokensOf('d', 'e', 'f')]], problems: [] });
  const info = /** @type {AnalysisInfo} */ (/** @type {unknown} */ ({ name: 'residual-patching', settings: [{ name: 'align' }] }));
  const problem = { code: 'different-lengths', message: '', place: { group: 0, pair: null, field: null } };
  const [roles, end, split] = waysOut(problem, info, store);
  roles.act();
  assert.equal(store.view.settings['residual-patching'].align, 'role');
  end.act();
  assert.equal(store.view.settings['residual-patching'].align, 'end');
  split.act();
  assert.deepEqual(store.experiment.groups.map(({ name, pairs }) => [name, pairs.length]), [['g, 2 tokens', 1], ['g, 3 tokens', 2]]);
  assert.deepEqual(store.view.shown, [0, 1]);
  store.undo();
  assert.equal(store.experiment.groups.length, 1, 'one step');
  assert.deepEqual(waysOut({ ...problem, place: null }, info, store), []);
});

test('pairs of one length stay in their order', () => {
  const [two, three] = byLength(withDefaults({ groups: [{ name: 'g', pairs: ['a', 'b', 'c'].map((clean) => ({ clean, corrupted: '', answer: '', distractor: '' })) }] }).groups[0], [tokensOf('a', 'b', 'c'), tokensOf('a', 'b'), tokensOf('a', 'b', 'c')]);
  assert.deepEqual([two, three].map(({ pairs }) => pairs.map(({ clean }) => clean)), [['b'], ['a', 'c']]);
});

test('a map by role says over how many prompts a mean is, and why a number is missing', () => {
  const part = grid({ title: 'Residual', site: 'hook_resid_pre', rows: axis('Layer', 'layer', ticks(2)), columns: axis('Role', 'role', ['S1', 'S2', 'none']), groups: ['one'], prompts: 3 });
  const [panel] = part.panels;
  panel.ticks = ['S1', 'S2', 'none'];
  panel.counts = [3, 2, 0];
  for (const values of panel.values) {
    for (const numbers of [values.mean, ...values.prompts]) numbers[2] = numbers[5] = null;
    values.prompts[1][1] = null;
  }
  assert.deepEqual([0, 1, 2].map((column) => columnLabel(part, panel, column)), ['S1', 'S2 (2)', 'none (0)']);
  const view = { ...DEFAULT_PICTURE };
  assert.match(describeCell(part, panel, view, 0, 1), /mean over the 2 of 3 prompts that have it/);
  assert.doesNotMatch(describeCell(part, panel, view, 0, 0), /mean over/);
  assert.equal(whyMissing(part, panel, view, 2), 'no prompt has this role');
  assert.equal(whyMissing(part, panel, { ...view, prompt: 1 }, 1), 'this prompt has no such role');
});
