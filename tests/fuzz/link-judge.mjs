// The property of every URL fragment, whoever wrote it: it is read as something that the page can hold, or rejected with a
// message, in bounded time and memory.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { casesOf, readExperiment } from '../../www/store/experiment.js';
import { LONGEST_LINK, readLink, writeLink } from '../../www/store/link.js';
import { Store } from '../../www/store/store.js';
import { PINS } from '../../www/store/view.js';

/** The messages for rejected links, including those of experiment.js. */
const REFUSALS = /^(it is incomplete or was changed on its way|it is longer than any|it holds more than any|it has no list|it has more than|it has \d+ prompt pairs|"prepend_bos" is|"symmetric" of|the document |group \d+ |pair \d+ )/;

/** @param {string} fragment @returns {Promise<'none' | 'refused' | 'read'>} */
export async function judgeLink(fragment) {
  let read;
  try {
    read = await readLink(fragment);
  } catch (error) {
    assert.ok(error instanceof Error && error.constructor === Error, `${error}`);
    assert.match(error.message, REFUSALS);
    return 'refused';
  }
  assert.equal(/** @type {any} */ ({}).polluted, undefined, 'every object has a new field');
  if (!read) {
    assert.ok(!fragment.startsWith('#e='));
    return 'none';
  }
  const { experiment } = read;
  assert.deepEqual(readExperiment(experiment), experiment);
  const prompts = casesOf(experiment);
  assert.ok(prompts.every(({ prompt, answer }) => typeof prompt === 'string' && typeof answer === 'string'));

  // As in app.js.
  const store = new Store();
  store.apply(read);
  const { view, test } = store;
  const last = Math.max(0, experiment.groups.length - 1);
  assert.ok(view.shown.length > 0 && view.pins.length <= PINS);
  if (experiment.groups.length > 0) {
    const items = [...view.pins, ...(view.open ? [view.open] : [])];
    const groups = [...view.shown, ...view.compared, ...items.map(({ group }) => group)];
    assert.ok(groups.every((group) => Number.isInteger(group) && group >= 0 && group <= last), `${groups} of ${last}`);
  }
  assert.ok(['denoise', 'noise'].includes(view.direction));
  assert.ok([view.measure, view.section, view.comparedIn, store.testText().prompt].every((text) => typeof text === 'string'));
  assert.ok(Object.values(view.settings).every((own) => Object.values(own).every((value) => ['string', 'number', 'boolean'].includes(typeof value))));

  // Writing and reading again gives the same.
  const link = await writeLink(experiment, test, view);
  assert.ok(link.length <= LONGEST_LINK);
  if (link !== '') {
    const again = await readLink(link);
    assert.ok(again && isDeepStrictEqual(again.experiment, experiment), 'the experiment changed on its way');
    assert.deepEqual(again.test, test);
    // JSON has no -0.
    assert.deepEqual(again.view, JSON.parse(JSON.stringify(view)));
  }
  return 'read';
}
