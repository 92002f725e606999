// Reads a study document (docs/study.md). It is untrusted, so its shape is checked before anything is shown.

import { readTest } from '../store/draft.js';
import { readExperiment } from '../store/experiment.js';
import { readView } from '../store/view.js';
import { VERSION } from './study-json.js';

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { TestPrompt } from '../store/store.js' */
/** @import { Settings, View } from '../store/view.js' */
/** @import { ModelInfo, Part, Report } from '../types/engine.js' */

/**
 * @typedef {object} LoadedResult
 * @property {string} analysis
 * @property {Settings} settings
 * @property {number[]} groups
 * @property {Report} report
 *
 * @typedef {object} LoadedStudy
 * @property {string} made
 * @property {ModelInfo} model
 * @property {FullExperiment} experiment
 * @property {TestPrompt | null} test
 * @property {View} view
 * @property {LoadedResult[]} results
 */

/** The lists that a part cannot be drawn without. @type {Record<Part['kind'], string[]>} */
const LISTS = {
  table: ['columns', 'rows'],
  dots: ['series'],
  tokens: ['rows'],
  heat: ['measures', 'panels'],
  line: ['measures', 'panels'],
  edges: ['measures', 'panels'],
  scatter: ['measures', 'names', 'layers', 'panels'],
  attention: ['prompts'],
  'text-lens': ['columns', 'rows', 'cells'],
  'token-values': ['range', 'rows'],
};

/** Whether a document claims to be a study. @param {unknown} value */
export function isStudy(value) {
  return isRecord(value) && value.patchlab === 'study';
}

/** @param {unknown} value @returns {LoadedStudy} @throws {Error} with a message for the user, if it is not a study */
export function readStudy(value) {
  if (!isRecord(value) || !isStudy(value)) throw new Error('it is no study');
  if (value.version !== VERSION) throw new Error(`it has version ${JSON.stringify(value.version)}, and this page reads version ${VERSION}`);
  if (!Array.isArray(value.results)) throw new Error('it has no list "results"');
  return {
    made: String(value.made ?? ''),
    model: readModel(value.model),
    experiment: readExperiment(value.experiment),
    test: readTest(value.test),
    view: readView(value.view),
    results: value.results.map(readResult),
  };
}

/** @param {unknown} value @returns {ModelInfo} */
function readModel(value) {
  const counts = ['n_layers', 'n_heads', 'd_model', 'd_head', 'd_mlp', 'd_vocab', 'n_ctx', 'parameters'];
  const isModel = isRecord(value) && typeof value.name === 'string' && counts.every((name) => Number.isFinite(value[name])) && isRecord(value.device) && typeof value.device.name === 'string';
  if (!isModel) throw new Error('it does not say which model its results are from');
  return /** @type {any} */ (value);
}

/** @param {unknown} value @param {number} index @returns {LoadedResult} */
function readResult(value, index) {
  const what = `result ${index}`;
  if (!isRecord(value) || typeof value.analysis !== 'string') throw new Error(`${what} names no analysis`);
  const { analysis, settings, groups, report } = value;
  const hasSettings = isRecord(settings) && Object.values(settings).every((setting) => ['string', 'number', 'boolean'].includes(typeof setting));
  if (!hasSettings) throw new Error(`${what}, ${analysis}, has no settings`);
  if (!Array.isArray(groups) || !groups.every(Number.isInteger)) throw new Error(`${what}, ${analysis}, does not say which groups it is of`);
  const isReport = isRecord(report) && report.analysis === analysis && typeof report.model === 'string' && typeof report.device === 'string' && Array.isArray(report.parts) && Array.isArray(report.problems);
  if (!isReport || !report.parts.every(isPart)) throw new Error(`the report of ${analysis} is damaged`);
  return /** @type {any} */ ({ analysis, settings, groups, report });
}

/** @param {unknown} value */
function isPart(value) {
  if (!isRecord(value) || typeof value.title !== 'string') return false;
  const lists = LISTS[/** @type {Part['kind']} */ (value.kind)];
  return lists !== undefined && lists.every((name) => Array.isArray(value[name])) && (!['heat', 'line', 'edges'].includes(value.kind) || isGrid(value));
}

/** Whether every list of numbers has one per cell. @param {Record<string, any>} grid */
function isGrid({ rows, columns, measures, panels }) {
  if (!Array.isArray(rows?.ticks) || !Array.isArray(columns?.ticks) || measures.length === 0) return false;
  return panels.every((/** @type {any} */ panel) => Array.isArray(panel?.values) && Array.isArray(panel.prompts) && panel.values.every((/** @type {any} */ values) =>
    measures[values?.measure] !== undefined && Array.isArray(values.mean) && values.mean.length % Math.max(1, rows.ticks.length) === 0
    && [values.low, values.high].every((ends) => Array.isArray(ends) && (ends.length === 0 || ends.length === values.mean.length))
    && Array.isArray(values.prompts) && values.prompts.every((/** @type {any} */ numbers) => Array.isArray(numbers) && numbers.length === values.mean.length)));
}

/** @param {unknown} value @returns {value is Record<string, any>} */
function isRecord(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
