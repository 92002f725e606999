// Estimates run times from earlier runs. Work is counted in forward passes of one prompt, which depend on the analysis.

/** @import { ModelInfo } from '../types/engine.js' */
/** @import { Ask } from './request.js' */

/** Used until the first figure has been computed: 30 GFLOP/s, typical of a CPU in a browser. */
const FLOPS = 30e9;

/** Forward passes per clean prompt and its corrupted counterpart. @type {Record<string, (model: ModelInfo, positions: number) => number>} */
const PASSES = {
  'residual-patching': (model, positions) => 0.2 * model.n_layers * positions,
  'component-patching': (model, positions) => 0.4 * model.n_layers * positions,
  'head-patching': (model) => 2.5 * model.n_layers * model.n_heads,
  'neuron-patching': (model) => 0.05 * model.n_layers * model.d_mlp,
  checks: (model) => 3 * model.n_layers,
  'notebook-figures': () => 40,
};

export class Timing {
  #perPass = 0;
  /** Seconds per prompt, by analysis. @type {Map<string, number>} */
  #seen = new Map();

  /** Called when the model or the device has changed. */
  clear() {
    this.#perPass = 0;
    this.#seen.clear();
  }

  /** @param {Ask} ask @param {ModelInfo} model @param {number} milliseconds */
  learn(ask, model, milliseconds) {
    const prompts = promptsOf(ask);
    const seconds = milliseconds / 1000;
    this.#seen.set(ask.analysis, seconds / prompts);
    const now = seconds / (prompts * passes(ask, model));
    this.#perPass = this.#perPass === 0 ? now : 0.5 * (this.#perPass + now);
  }

  /** Estimated seconds for a request. @param {Ask} ask @param {ModelInfo} model */
  guess(ask, model) {
    const prompts = promptsOf(ask);
    const seen = this.#seen.get(ask.analysis);
    if (seen !== undefined) return seen * prompts;
    const perPass = this.#perPass || (2 * model.parameters * 8) / FLOPS;
    return prompts * passes(ask, model) * perPass;
  }
}

/** @param {Ask} ask @param {ModelInfo} model */
function passes({ analysis, experiment }, model) {
  const words = experiment.groups[0]?.pairs[0]?.clean.split(' ').length ?? 8;
  return 2 + (PASSES[analysis]?.(model, words + 2) ?? 0);
}

/** @param {Ask} ask */
function promptsOf({ experiment }) {
  return Math.max(1, experiment.groups.reduce((sum, group) => sum + group.pairs.length * (group.symmetric === false ? 1 : 2), 0));
}
