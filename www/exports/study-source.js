// The data that exports of a whole study are made from, and their titles and file names.

import { fileName } from './download.js';

/** @import { Picture } from '../reports/stage.js' */
/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { TestPrompt } from '../store/store.js' */
/** @import { Settings, View } from '../store/view.js' */
/** @import { SectionEntry } from '../study/sections.js' */
/** @import { AnalysisInfo, ModelInfo, Place, Report } from '../types/engine.js' */

/** What reopens the study; `lacks` says what it cannot hold, and is empty if it holds everything. @typedef {{ address: string, lacks: string }} StudyLink */

/**
 * @typedef {object} StudyFigure a figure whose results are up to date
 * @property {Pick<SectionEntry, 'id' | 'number' | 'title'>} section
 * @property {string} analysis
 * @property {string} title
 * @property {string[]} read how to read it; words between asterisks are emphasised
 * @property {'folded' | 'beside' | 'right' | undefined} tables
 * @property {AnalysisInfo | null} info null if the page derives it from other figures
 * @property {Settings} settings of the request; omitted ones had their defaults
 * @property {number[]} groups the experiment's groups that it shows
 * @property {string} place under which the views of its pictures are kept
 * @property {Picture | null} picture the view that all its pictures share; null if each has its own
 * @property {Report} report
 *
 * @typedef {object} StudySource what exports need from the page
 * @property {() => FullExperiment} experiment
 * @property {() => TestPrompt} test
 * @property {() => View} view
 * @property {() => ModelInfo | null} model
 * @property {() => { model: string, tokenizer: string }} python names of the checkpoint and its tokenizer in Python
 * @property {() => StudyFigure[]} figures those with up-to-date results, in reading order
 * @property {() => string[]} missing titles of the other figures
 * @property {(name: string) => Picture} pictures how the page shows its pictures
 * @property {() => Promise<StudyLink>} link
 * @property {(place: Place) => string} describe names a place in the experiment
 *
 * @typedef {object} Study a snapshot of all of it
 * @property {Date} made
 * @property {FullExperiment} experiment
 * @property {TestPrompt} test
 * @property {View} view
 * @property {ModelInfo} model
 * @property {StudyFigure[]} figures
 * @property {string[]} missing
 * @property {(name: string) => Picture} pictures
 * @property {StudyLink} link
 * @property {(place: Place) => string} describe
 */

/** @param {StudySource} source @returns {Promise<Study>} @throws {Error} with a message for the user, if there is nothing to export yet */
export async function takeStudy(source) {
  const model = source.model();
  const figures = source.figures();
  if (!model) throw new Error('No model is open yet. Open one, then export.');
  if (figures.length === 0) throw new Error('Nothing is computed yet. Wait for a figure, or choose \u201cRun all\u201d, then export.');
  // A snapshot, because the experiment may be edited while the link is being written.
  const now = { made: new Date(), experiment: source.experiment(), test: source.test(), view: source.view(), model, figures, missing: source.missing(), pictures: source.pictures, describe: source.describe };
  return { ...now, link: await source.link() };
}

/** The groups' names, as many as fit in a heading. @param {FullExperiment} experiment */
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

/** The local date, e.g. 2026-11-24. @param {Date} date */
function dayOf(date) {
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

/** All settings of a figure as text, including defaults. @param {StudyFigure} figure @returns {[string, string][]} */
export function settingsOf({ info, settings }) {
  return (info?.settings ?? []).map(({ name, description, range }) => {
    const value = settings[name] ?? range.default;
    // The catalogue's description says what an empty field means.
    const text = value === '' ? (/empty for ([^.;]*)/.exec(description)?.[1] ?? 'none') : typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
    return [name.replaceAll('_', ' '), text];
  });
}
