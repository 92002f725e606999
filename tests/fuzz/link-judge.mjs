// The property of every URL fragment, whoever wrote it: it is read as something that the page can hold, or rejected with a
// message, in bounded time and memory.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { casesOf, readExperiment } from '../../www/experiment.js';
import { LONGEST_LINK, readLink, writeLink } from '../../www/link.js';
import { State } from '../../www/state.js';
import { PINS, Setup } from '../../www/study/setup.js';

/** The messages for rejected links, including those of experiment.js. */
const REFUSALS = /^(it is incomplete or was changed on its way|it is longer than any|it holds more than any|it has no list|it has more than|"prepend_bos" is|"symmetric" of|the document |group \d+ |pair \d+ )/;

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
  const { experiment, test, study } = read;
  assert.deepEqual(readExperiment(experiment), experiment);
  const prompts = casesOf(experiment);
  assert.ok(prompts.every(({ prompt, answer }) => typeof prompt === 'string' && typeof answer === 'string'));

  // As in main.js.
  const setup = new Setup();
  const state = new State();
  setup.set(study);
  state.onChange(() => setup.follow(state.experiment));
  state.start(experiment, test);
  const last = Math.max(0, experiment.groups.length - 1);
  assert.ok(setup.shown.length > 0 && setup.pins.length <= PINS);
  if (experiment.groups.length > 0) {
    assert.ok([...setup.shown, ...setup.compared].every((group) => Number.isInteger(group) && group >= 0 && group <= last), `${setup.shown} and ${setup.compared} of ${last}`);
  }
  assert.ok(['denoise', 'noise'].includes(setup.direction));
  assert.ok([setup.measure, setup.section, state.testText().prompt].every((text) => typeof text === 'string'));
  assert.ok(Object.values(setup.settings).every((own) => Object.values(own).every((value) => ['string', 'number', 'boolean'].includes(typeof value))));

  // Writing and reading again gives the same.
  const link = await writeLink(experiment, state.test, setup.save());
  assert.ok(link.length <= LONGEST_LINK);
  if (link !== '') {
    const again = await readLink(link);
    assert.ok(again && isDeepStrictEqual(again.experiment, experiment), 'the experiment changed on its way');
    assert.deepEqual(again.test, state.test);
    // JSON has no -0, and `open: null` is not read.
    assert.deepEqual({ open: null, ...again.study }, JSON.parse(JSON.stringify(setup.save())));
  }
  return 'read';
}
