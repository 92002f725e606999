// Links: what they hold, what they cannot, and in what order they are written.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeDocument, settle } from './dom.mjs';

makeDocument();
const { experiment, group } = await import('./engine.mjs');
const { Address, readAddress } = await import('../../../www/address.js');
const { Draft, readDraft, readHistory } = await import('../../../www/store/draft.js');
const { readLink, writeLink } = await import('../../../www/store/link.js');
const { Store } = await import('../../../www/store/store.js');
const { DEFAULT_VIEW } = await import('../../../www/store/view.js');

/** @param {(why: string) => void} [onTooLarge] */
function page(onTooLarge = () => {}) {
  const store = new Store();
  const draft = new Draft(store);
  return { store, draft, address: new Address(store, draft, { query: () => '', onTooLarge }) };
}

/** @param {import('../../../www/store/view.js').View} view */
const linkTo = (view) => writeLink(experiment('a', 'b', 'c', 'd'), { group: 0, pair: 0, swapped: false }, view);

test('B2: a link opened into a running page shows its groups and its pins', async () => {
  const { store } = page();
  store.apply({ experiment: experiment('old') });
  const link = await readLink(await linkTo({ ...DEFAULT_VIEW, shown: [0, 2], compared: [3, 1], pins: [{ kind: 'head', layer: 1, head: 2, group: 3 }] }));
  assert.ok(link);
  store.apply(link);
  assert.deepEqual(store.view.shown, [0, 2]);
  assert.deepEqual(store.view.compared, [3, 1]);
  assert.equal(store.view.pins[0].group, 3);
  store.undo();
  assert.equal(store.experiment.groups[0].name, 'old');
});

test('B20: a link in which nothing is inspected closes what is', async () => {
  const { store } = page();
  store.apply({ experiment: experiment('old'), view: { open: { kind: 'head', layer: 0, head: 0, group: 0 } } });
  const link = await readLink(await linkTo(DEFAULT_VIEW));
  assert.ok(link);
  store.apply(link);
  assert.equal(store.view.open, null);
});

test('B5: an experiment that is too large for a link is told as that, and the draft keeps it with its view', async () => {
  /** @type {string[]} */
  const told = [];
  const { store, address } = page((why) => told.push(why));
  store.apply({ experiment: experiment('a') });
  assert.equal(await address.save(), '');
  store.edit((own) => own.groups.push({ ...group('large'), pairs: Array.from({ length: 1001 }, () => group('x').pairs[0]) }));
  store.setView({ shown: [1], direction: 'noise' });
  assert.match(await address.save(), /too large for a link/);
  assert.equal(location.hash, '');
  assert.equal(told.length, 1);
  await address.save();
  assert.equal(told.length, 1, 'once');
  const kept = readDraft();
  assert.equal(kept?.experiment.groups[1].pairs.length, 1001);
  assert.deepEqual([kept?.view.shown, kept?.view.direction], [[1], 'noise']);
});

test('B17: a link that takes long to write does not replace a newer one', async () => {
  const { store, address } = page();
  const large = { ...group('large'), pairs: Array.from({ length: 900 }, (_, index) => group(`${Math.sin(index)}`).pairs[0]) };
  store.apply({ experiment: { prepend_bos: true, groups: [large] } });
  const slow = address.save();
  store.apply({ experiment: experiment('newer') });
  await Promise.all([address.save(), slow]);
  await settle();
  assert.equal((await readLink(location.hash))?.experiment.groups[0].name, 'newer');
});

test('B24: the address of a place on the page is a place, not a link', async () => {
  assert.deepEqual(await readAddress('#head-patching'), { linked: null, place: 'head-patching' });
  assert.deepEqual(await readAddress('#%'), { linked: null, place: '%' });
  await assert.rejects(readAddress('#e=???'));
});

test('what can be undone survives a reload', () => {
  const { store, draft } = page();
  store.apply({ experiment: experiment('first') });
  store.edit((own) => { own.groups[0].pairs[0].clean = 'typed'; }, { key: 'x' });
  store.edit((own) => own.groups.push(group('second')));
  draft.save('#e=1');
  const kept = readDraft();
  assert.ok(kept);
  const next = new Store();
  next.apply(kept);
  next.resume(readHistory());
  next.undo();
  assert.equal(next.experiment.groups.length, 1);
  next.undo();
  assert.equal(next.experiment.groups[0].pairs[0].clean, 'first clean');
  assert.equal(next.canUndo.value, false);
});
