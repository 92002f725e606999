// Builds the engine's request from the experiment and the view, and maps the report back to the page's groups.

import { onlyGroups } from './groups.js';

/** @import { AnalysisInfo, Experiment, Report } from '../types/engine.js' */
/** @import { State } from '../state.js' */
/** @import { FigureEntry } from './sections.js' */
/** @import { Settings, Setup } from './setup.js' */

/**
 * @typedef {object} Ask a request to the engine
 * @property {string} analysis
 * @property {Experiment} experiment
 * @property {Settings} settings
 * @property {number[]} shown indices, in the page's experiment, of the request's groups
 */

/** Rows of the test-prompt table; the answer has a row even if it is not among them. */
export const TOP_K = 10;

/**
 * @param {FigureEntry} entry
 * @param {AnalysisInfo} info
 * @param {State} state
 * @param {Setup} setup
 * @param {(analysis: string) => Report | null} reportOf
 * @returns {Ask | string} a request, or the reason why there is none
 */
export function askFor(entry, info, state, setup, reportOf) {
  const { experiment } = state;
  if (entry.analysis === 'test-prompt') {
    if (!state.hasTest) return 'Type a prompt above.';
    // The test prompt depends only on `prepend_bos`: leaving out the groups avoids a run at every edit of another pair.
    return { analysis: entry.analysis, experiment: { groups: [], prepend_bos: experiment.prepend_bos }, settings: { ...state.testText(), top_k: TOP_K }, shown: [] };
  }
  if (entry.alone) return { analysis: entry.analysis, experiment: { groups: [], prepend_bos: true }, settings: {}, shown: [] };
  if (experiment.groups.length === 0) return 'The experiment has no groups. Add one, or choose a preset.';
  const shown = entry.everyGroup ? experiment.groups.map((_, group) => group) : setup.shown;
  /** @type {Settings} */
  const settings = { ...setup.settings[entry.analysis] };
  if (isDirected(info)) settings.direction = setup.direction;
  const { follows } = entry;
  const first = follows && !settings[follows.setting] ? firstRowOf(reportOf(follows.from)) : null;
  if (follows && first) settings[follows.setting] = first;
  return { analysis: entry.analysis, experiment: onlyGroups(experiment, shown), settings, shown };
}

/** Whether an analysis patches, and so has a direction. @param {AnalysisInfo} info */
export function isDirected(info) {
  return info.settings.some((setting) => setting.name === 'direction');
}

/** The first cell of a report's first table. @param {Report | null} report */
function firstRowOf(report) {
  const cell = report?.parts.find((part) => part.kind === 'table')?.rows[0]?.cells[0];
  return typeof cell === 'string' ? cell : null;
}
