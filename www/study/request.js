// Builds the engine's request from the experiment and the view.

import { fullPair } from '../store/experiment.js';
import { onlyGroups } from './groups.js';

/** @import { AnalysisInfo, Experiment, Group, Report } from '../types/engine.js' */
/** @import { Store } from '../store/store.js' */
/** @import { Settings } from '../store/view.js' */
/** @import { FigureEntry } from './sections.js' */

/**
 * @typedef {object} Ask a request to the engine
 * @property {string} analysis
 * @property {Experiment} experiment
 * @property {Settings} settings
 * @property {number[]} shown indices, in the page's experiment, of the request's groups
 */

/** Rows of the test-prompt table; the answer has a row even if it is not among them. */
const TOP_K = 10;

/**
 * @param {FigureEntry} entry
 * @param {AnalysisInfo} info
 * @param {Store} store
 * @param {(analysis: string) => Report | null} reportOf the report that another figure shows
 * @returns {Ask | string} a request, or the reason why there is none
 */
export function askFor(entry, info, store, reportOf) {
  const { experiment, view } = store;
  if (entry.analysis === 'test-prompt') {
    if (!store.hasTest) return 'Type a prompt above.';
    // The test prompt depends only on `prepend_bos`: leaving out the groups avoids a run at every edit of another pair.
    return { analysis: entry.analysis, experiment: { groups: [], prepend_bos: experiment.prepend_bos }, settings: { ...store.testText(), top_k: TOP_K }, shown: [] };
  }
  if (entry.alone) return { analysis: entry.analysis, experiment: { groups: [], prepend_bos: true }, settings: { ...view.settings[entry.analysis] }, shown: [] };
  if (experiment.groups.length === 0) return 'The experiment has no groups. Add one, or choose a preset.';
  const shown = entry.everyGroup ? experiment.groups.map((_, group) => group) : view.shown;
  /** @type {Settings} */
  const settings = { ...view.settings[entry.analysis] };
  // What it has in common with the figure that it goes with is set there.
  for (const [name, value] of Object.entries(entry.goesWith ? view.settings[entry.goesWith] ?? {} : {})) {
    if (info.settings.some((setting) => setting.name === name)) settings[name] = value;
  }
  if (isDirected(info, entry)) settings.direction = view.direction;
  const { follows } = entry;
  const first = follows && !settings[follows.setting] ? firstRowOf(reportOf(follows.from)) : null;
  if (follows && first) settings[follows.setting] = first;
  return { analysis: entry.analysis, experiment: onlyGroups(experiment, shown), settings, shown };
}

/** Whether an analysis patches in the direction that the bar above the figures has; some have one of their own. @param {AnalysisInfo} info @param {FigureEntry} entry */
export function isDirected(info, entry) {
  return info.settings.some((setting) => setting.name === 'direction') && !entry.controls?.includes('direction');
}

/** The first cell of a report's first table. @param {Report | null} report */
function firstRowOf(report) {
  const cell = report?.parts.find((part) => part.kind === 'table')?.rows[0]?.cells[0];
  return typeof cell === 'string' ? cell : null;
}

/** Groups are never changed in place, so each is written once, for all figures. @type {WeakMap<Group, string>} */
const written = new WeakMap();

/** @param {Group} group */
function textOf(group) {
  let text = written.get(group);
  if (text === undefined) {
    const { name, symmetric = true, roles = [], pairs } = group;
    text = JSON.stringify([name, symmetric, roles, pairs.map(fullPair).map(({ clean, corrupted, answer, distractor, more_answers, more_distractors, roles: own }) => [clean, corrupted, answer, distractor, more_answers, more_distractors, own])]);
    written.set(group, text);
  }
  return text;
}

/** A text that is equal for equal requests, whatever the order of their settings. @param {Ask} ask */
export function keyOf({ analysis, settings, shown, experiment }) {
  const sorted = Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify([analysis, sorted, shown, experiment.prepend_bos ?? true])} ${experiment.groups.map(textOf).join(' ')}`;
}
