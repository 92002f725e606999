// What the exports of a whole study are made of, and what they are called.

import { fileName } from './download.js';

/** @import { FullExperiment } from '../experiment.js' */
/** @import { TestPrompt } from '../state.js' */
/** @import { SectionEntry } from '../study/sections.js' */
/** @import { Saved, Settings } from '../study/setup.js' */
/** @import { AnalysisInfo, ModelInfo, Place, Report } from '../types/engine.js' */

/**
 * @typedef {object} StudyFigure a figure whose results are what its inputs give
 * @property {Pick<SectionEntry, 'id' | 'number' | 'title'>} section
 * @property {string} analysis
 * @property {string} title
 * @property {string[]} read how to read it; words between asterisks are emphasised
 * @property {'folded' | 'beside' | undefined} tables
 * @property {AnalysisInfo | null} info null: made on the page, of other figures
 * @property {Settings} settings what the engine was asked; those left out had their defaults
 * @property {number[]} groups the experiment's groups that it shows
 * @property {string} place what its pictures' views are kept for, see reports/view.js
 * @property {Report} report
 *
 * @typedef {object} StudySource what the exports ask of the page
 * @property {() => FullExperiment} experiment
 * @property {() => TestPrompt} test
 * @property {() => Saved} view how the study is looked at
 * @property {() => ModelInfo | null} model
 * @property {() => { model: string, tokenizer: string }} python what Python calls the checkpoint and its tokenizer
 * @property {() => StudyFigure[]} figures those that are computed, in reading order
 * @property {() => string[]} missing the titles of the others
 * @property {() => Promise<{ address: string, isWhole: boolean }>} link what reopens the study; not whole if the model cannot be part of it
 * @property {(place: Place) => string} describe a place of the experiment in words
 *
 * @typedef {object} Study all of it at one moment
 * @property {Date} made
 * @property {FullExperiment} experiment
 * @property {TestPrompt} test
 * @property {Saved} view
 * @property {ModelInfo} model
 * @property {StudyFigure[]} figures
 * @property {string[]} missing
 * @property {{ address: string, isWhole: boolean }} link
 * @property {(place: Place) => string} describe
 */

/** @param {StudySource} source @returns {Promise<Study>} @throws {Error} in words, if there is nothing in it yet */
export async function takeStudy(source) {
  const model = source.model();
  const figures = source.figures();
  if (!model) throw new Error('No model is open yet. Open one, then export.');
  if (figures.length === 0) throw new Error('Nothing is computed yet. Wait for a figure, or choose \u201cRun all\u201d, then export.');
  // What is shown now: the experiment may be edited while the link is being written.
  const now = { made: new Date(), experiment: source.experiment(), test: source.test(), view: source.view(), model, figures, missing: source.missing(), describe: source.describe };
  return { ...now, link: await source.link() };
}

/** The groups' names, as many as a heading holds. @param {FullExperiment} experiment */
export function titleOf({ groups }) {
  const names = groups.map((group, index) => group.name || `group ${index}`);
  if (names.length === 0) return 'no groups';
  if (names.length <= 4) return names.join(', ');
  return `${names.slice(0, 3).join(', ')} and ${names.length - 3} more groups`;
}

/** @param {string} what @param {FullExperiment} experiment @param {Date} made @param {string} extension */
export function studyFileName(what, { groups }, made, extension) {
  const first = (groups[0]?.name ?? '').slice(0, 24);
  const more = groups.length > 1 ? `and ${groups.length - 1} more` : '';
  return fileName(`${what} ${first} ${more} ${dayOf(made)}`, extension);
}

/** The day by the reader's clock: 2026-11-24. @param {Date} date */
function dayOf(date) {
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

/** All settings of a figure in words, defaults too. @param {StudyFigure} figure @returns {[string, string][]} */
export function settingsOf({ info, settings }) {
  return (info?.settings ?? []).map(({ name, description, range }) => {
    const value = settings[name] ?? range.default;
    // What an empty field stands for, the catalogue says.
    const text = value === '' ? (/empty for ([^.;]*)/.exec(description)?.[1] ?? 'none') : typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
    return [name.replaceAll('_', ' '), text];
  });
}
