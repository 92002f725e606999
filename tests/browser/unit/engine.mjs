// An engine whose answers the test gives, and a study of a few figures that asks it.

import { EngineError } from '../../../www/engine/client.js';
import { Stage } from '../../../www/reports/stage.js';
import { Store } from '../../../www/store/store.js';
import { Study } from '../../../www/study/study.js';
import { fullPair } from '../../../www/store/experiment.js';

/** @import { AnalysisInfo, Part, Report } from '../../../www/types/engine.js' */
/** @import { FullExperiment } from '../../../www/store/experiment.js' */

/**
 * A call that has not been answered.
 * @typedef {object} Asked
 * @property {string} call
 * @property {any} args
 * @property {AbortSignal | undefined} signal
 * @property {boolean} isLate whether its answer was on the way when it was cancelled
 * @property {(result: any) => void} answer
 * @property {(failure: { code: string, message: string }) => void} fail
 * @property {(progress: any) => void} progress
 * @property {(preview: any) => void} preview
 */

export class FakeEngine {
  /** @type {Asked[]} */
  asked = [];
  restarts = 0;

  /** @param {string} call @param {any} args @param {any} [options] @returns {any} */
  call(call, args, { signal, onProgress, onPreview } = {}) {
    const promise = new Promise((resolve, reject) => {
      const end = (/** @type {() => void} */ how) => {
        this.asked = this.asked.filter((one) => one !== asked);
        how();
      };
      /** @type {Asked} */
      const asked = {
        call, args, signal, isLate: false, progress: onProgress, preview: onPreview,
        answer: (result) => end(() => resolve(result)),
        fail: (failure) => end(() => reject(new EngineError(failure))),
      };
      this.asked.push(asked);
      signal?.addEventListener('abort', () => asked.isLate || asked.fail({ code: 'cancelled', message: 'Cancelled.' }));
    });
    return Object.assign(promise, { pause() {} });
  }

  restart() {
    this.restarts += 1;
  }

  /** The unanswered runs of an analysis. @param {string} analysis */
  runs(analysis) {
    return this.asked.filter(({ call, args }) => call === 'run' && args.analysis === analysis);
  }
}

const sizes = { n_layers: 2, n_heads: 2, d_model: 4, d_head: 2, d_mlp: 8, d_vocab: 9, n_ctx: 9 };

/** @param {number} serial @param {string} [name] @param {number} [parameters] */
export function model(serial, name = `model ${serial}`, parameters = 1000) {
  return { serial, info: { ...sizes, name, parameters, note: null, device: { kind: /** @type {const} */ ('cpu'), name: 'CPU', reason: '' } } };
}

/** @param {string} name @param {string} [clean] @returns {import('../../../www/store/experiment.js').FullGroup} */
export function group(name, clean = `${name} clean`) {
  return { name, symmetric: true, roles: [], pairs: [fullPair({ clean, corrupted: 'other', answer: ' a', distractor: ' b' })] };
}

/** @param {...string} names @returns {FullExperiment} */
export function experiment(...names) {
  return { prepend_bos: true, groups: names.map((name) => group(name)) };
}

/** @param {string} name @param {boolean} [directed] @returns {AnalysisInfo} */
function info(name, directed = false) {
  /** @type {AnalysisInfo['settings']} */
  const settings = directed ? [{ name: 'direction', description: '', range: { kind: 'choice', options: ['denoise', 'noise'], default: 'denoise' } }] : [];
  return { name, title: name, description: '', settings };
}

export const CATALOGUE = [info('logit-diff'), info('head-attribution'), info('residual-patching', true), info('head-patching', true), info('neuron-patching', true), info('neuron-on-text')];

/** A heat map of heads with one number everywhere. @param {number[]} groups @param {number} value @param {string} [title] @returns {Extract<Part, { kind: 'heat' }>} */
export function heads(groups, value, title = 'Head attribution') {
  return {
    kind: 'heat', title, note: null, site: null,
    rows: { label: 'layer', counts: 'layer', ticks: ['0', '1'] }, columns: { label: 'head', counts: 'head', ticks: ['0', '1'] },
    measures: [{ name: 'logit-diff', label: 'logit difference', quantity: 'logit-difference', middle: 0, range: null }],
    panels: groups.map((index) => ({
      name: `group ${index}`, group: index, minus: null, ticks: null, changed: [], counts: null, caution: null, prompts: [], pairs: [],
      values: [{ measure: 0, mean: [value, value, value, value], low: [], high: [], p: [], adjusted: [], clean: null, corrupted: null, prompts: [] }],
    })),
  };
}

/** @param {string} analysis @param {Part[]} [parts] @param {string} [name] of the model @returns {Report} */
export function report(analysis, parts = [], name = 'model 1') {
  return { analysis, title: analysis, model: name, device: 'CPU', parts, problems: [] };
}

/** A study on a page of nothing else. */
export function study() {
  const engine = new FakeEngine();
  const store = new Store();
  /** @type {string[]} */
  const crashes = [];
  const page = new Study(/** @type {any} */ (engine), store, {
    root: document.body, stage: new Stage(), describe: () => '', goTo() {}, say() {}, onCrash: (error) => crashes.push(error.message), onLost: () => null,
  });
  page.build(CATALOGUE);
  const run = (/** @type {string} */ analysis) => {
    const found = page.runOf(analysis);
    if (!found) throw new Error(`no ${analysis}`);
    return found;
  };
  return { engine, store, page, run, crashes };
}
