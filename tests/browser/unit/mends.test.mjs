// What phones, word processors and spreadsheets do to pairs is pointed out, and mended when one asks for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeDocument, settle } from './dom.mjs';

/** @import { Pair } from '../../../www/types/engine.js' */

makeDocument();
const { inWords, mended, mendsOf } = await import('../../../www/store/mends.js');
const { Editor } = await import('../../../www/editor/editor.js');
const { openPasteDialog } = await import('../../../www/editor/paste-dialog.js');
const { fullPair } = await import('../../../www/store/experiment.js');
const { Store } = await import('../../../www/store/store.js');

/** @type {Pair} */
const good = { clean: "We're helping our friend when they", corrupted: 'We are helping our friend when they', answer: "'re", distractor: ' are' };

test('a pair as it should be is left alone', () => {
  for (const pair of [
    good, { ...good, answer: ' re', distractor: ' m' }, { ...good, clean: '"It is here," they said, and he', answer: ' is', distractor: '.' },
    // Japanese quotation marks and a line's end belong to the text; so does a prompt that is one space.
    { ...good, clean: '\u300c\u306f\u3044\u300d', answer: '\u3002', distractor: '\u3001' }, { ...good, clean: 'a\n', corrupted: 'b\n', answer: 'c', distractor: 'd' }, { ...good, clean: ' ', corrupted: ' ' },
  ]) {
    assert.deepEqual(mendsOf(pair), [], JSON.stringify(pair));
    assert.deepEqual(mended(pair), pair);
  }
});

test('each habit is named at its field, and mended', () => {
  for (const [changes, field, what] of /** @type {[Partial<Pair>, string, RegExp][]} */ ([
    [{ clean: good.clean.replace("'", '\u2019') }, 'clean', /curly apostrophe/],
    [{ answer: '\u2019re' }, 'answer', /curly apostrophe/],
    [{ corrupted: `${good.corrupted} ` }, 'corrupted', /space at its end/],
    [{ clean: good.clean.replace(' ', '\u00a0') }, 'clean', /not an ordinary one/],
    [{ distractor: '\u00a0are' }, 'distractor', /not an ordinary one/],
    [{ answer: '\u200b\'re' }, 'answer', /cannot be seen/],
    [{ answer: 're' }, 'answer', /no apostrophe, which spreadsheets drop/],
    [{ distractor: 'are' }, 'distractor', /no space in front/],
  ])) {
    const mends = mendsOf({ ...good, ...changes });
    assert.deepEqual(mends.map((mend) => mend.field), [field], JSON.stringify(changes));
    assert.match(inWords(mends), what);
    assert.deepEqual(mended({ ...good, ...changes }), good, JSON.stringify(changes));
  }
  assert.deepEqual(mended({ clean: '\u201cWe\u2019re here\u00a0', corrupted: '\u201cWe are here ', answer: '\ufeff\u2019re', distractor: 'are' }), { clean: '"We\'re here', corrupted: '"We are here', answer: '\'re', distractor: ' are' });
});

/** @param {Pair[]} pairs */
async function editor(pairs) {
  const store = new Store();
  const root = document.createElement('div');
  document.body.replaceChildren(root);
  const made = new Editor(store, { root, tools: document.createElement('div'), presets: document.createElement('div'), onEnter() {}, check: async () => null });
  store.apply({ experiment: { groups: [{ name: 'a', symmetric: true, roles: [], pairs: pairs.map(fullPair) }], prepend_bos: true } });
  await settle();
  made.showCheck({ groups: [[]], problems: [] });
  return { store, root };
}

test('in the editor one pair is mended, or all of a group, and that can be taken back', async () => {
  const odd = { ...good, answer: '\u2019re' };
  const { store, root } = await editor([odd, good, { ...good, distractor: 'are' }]);
  const shown = [...root.querySelectorAll('.pair-mend')].filter((hint) => !(/** @type {HTMLElement} */ (hint).hidden));
  assert.deepEqual(shown.map((hint) => hint.querySelector('button')?.getAttribute('aria-label')), ['Mend pair 0', 'Mend pair 2']);
  assert.match(shown[0].textContent ?? '', /The answer has a curly apostrophe/);
  shown[0].querySelector('button')?.click();
  assert.deepEqual(store.experiment.groups[0].pairs[0], fullPair(good));
  assert.equal(store.experiment.groups[0].pairs[2].distractor, 'are', 'the others are left alone');
  store.undo();
  assert.deepEqual(store.experiment.groups[0].pairs[0], fullPair(odd));
  await settle();
  [...root.querySelectorAll('button')].find((button) => button.textContent === 'Mend them all')?.click();
  assert.deepEqual(store.experiment.groups[0].pairs, [good, good, good].map(fullPair));
});

test('in the paste dialog every line says what is odd, and all are mended at once', async () => {
  /** @type {Pair[]} */
  let added = [];
  Object.assign(HTMLElement.prototype, { showModal() {}, close() {} });
  openPasteDialog({ where: '', like: null, check: async () => null, onAdd: (pairs) => { added = pairs; }, room: 10, pasted: 'We\u2019re here, and they\tWe are here, and they\tre\t are\nno pair\n' });
  await settle();
  assert.match(document.querySelector('#paste-preview')?.textContent ?? '', /no apostrophe, which spreadsheets drop/);
  /** @type {HTMLButtonElement | null} */ (document.querySelector('#paste-mend button'))?.click();
  await settle();
  assert.equal(/** @type {HTMLTextAreaElement} */ (document.querySelector('#paste-text')).value, "We're here, and they\tWe are here, and they\t're\t are\nno pair");
  assert.ok(/** @type {HTMLElement} */ (document.querySelector('#paste-mend')).hidden);
  document.querySelector('#paste-dialog form')?.dispatchEvent(new Event('submit', { cancelable: true }));
  assert.deepEqual(added, [{ clean: "We're here, and they", corrupted: 'We are here, and they', answer: "'re", distractor: ' are' }]);
});
