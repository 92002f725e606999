// A study opened from a file: its reports replace runs as long as a figure's request is the one in the file.

import { h } from '../dom.js';
import { onlyGroups } from './groups.js';

/** @import { LoadedStudy } from '../exports/study-read.js' */
/** @import { ModelInfo, Report } from '../types/engine.js' */
/** @import { Ask } from './request.js' */

let files = 0;

/** @typedef {{ report: Report, from: string, key: string }} LoadedReport `key` identifies its file, as opposed to other files and open models */

export class Loaded {
  /** File name. */
  name;
  #study;
  #key = `file ${(files += 1)}`;
  /** @type {Map<string, Report>} */
  #reports = new Map();

  /** @param {string} name @param {LoadedStudy} study */
  constructor(name, study) {
    this.name = name;
    this.#study = study;
    for (const { analysis, settings, groups, report } of study.results) {
      this.#reports.set(keyOf({ analysis, settings, shown: groups, experiment: onlyGroups(study.experiment, groups) }), report);
    }
  }

  /** @returns {ModelInfo} */
  get model() {
    return this.#study.model;
  }

  /** @param {Ask} ask @returns {LoadedReport | null} */
  find(ask) {
    const report = this.#reports.get(keyOf(ask));
    return report ? { report, from: this.name, key: this.#key } : null;
  }

  /** A notice that says where the numbers come from. @param {ModelInfo | null} open the model that is open @param {() => void} close */
  notice(open, close) {
    const { made, model } = this.#study;
    const day = Number.isNaN(Date.parse(made)) ? '' : `, made on ${new Intl.DateTimeFormat('en-GB', { dateStyle: 'long' }).format(new Date(made))}`;
    const here = open ? (open.name === model.name ? 'here' : `here, by ${open.name}`) : 'once a model is open';
    return h('p', { class: 'notice notice-warning', id: 'loaded-study' },
      h('strong', {}, `Numbers from ${this.name}`), `${day}: ${model.name}, on ${model.device.name}. They were not computed here. What you change is computed ${here}. `,
      h('button', { type: 'button', class: 'link', on: { click: close } }, 'Compute everything here instead'));
  }
}

/** A key that is equal for equal requests, whatever the order of their settings. @param {Ask} ask */
function keyOf({ analysis, settings, shown, experiment }) {
  return JSON.stringify([analysis, Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)), shown, experiment.prepend_bos ?? true, experiment.groups.map(({ name, symmetric, pairs }) =>
    [name, symmetric ?? true, pairs.map(({ clean, corrupted, answer, distractor }) => [clean, corrupted, answer, distractor])])]);
}
