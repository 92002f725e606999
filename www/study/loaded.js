// A study opened from a file: its reports replace runs as long as a figure's request is the one in the file.

import { h } from '../dom.js';
import { onlyGroups } from './groups.js';
import { keyOf } from './request.js';

/** @import { LoadedStudy } from '../exports/study-read.js' */
/** @import { ModelInfo } from '../types/engine.js' */
/** @import { Result } from './results.js' */

export class Loaded {
  /** File name. */
  name;
  #study;
  /** @type {Map<string, Result>} */
  #results = new Map();

  /** @param {string} name @param {LoadedStudy} study */
  constructor(name, study) {
    this.name = name;
    this.#study = study;
    for (const { analysis, settings, groups, report } of study.results) {
      const key = keyOf({ analysis, settings, shown: groups, experiment: onlyGroups(study.experiment, groups) });
      this.#results.set(key, { report, milliseconds: null, from: name });
    }
  }

  /** @returns {ModelInfo} */
  get model() {
    return this.#study.model;
  }

  /** The file's answer to a question. @param {string} key as `keyOf` writes it @returns {Result | null} */
  find(key) {
    return this.#results.get(key) ?? null;
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
