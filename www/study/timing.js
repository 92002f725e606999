// Estimates run times from earlier runs. Work is counted in forward passes of one prompt, which depend on the analysis.

import { signal } from '../vendor/dist/libraries.js';

/** @import { ModelInfo } from '../types/engine.js' */
/** @import { Ask } from './request.js' */
/** @import { FigureEntry } from './sections.js' */

/** Used until the first figure has been computed: 30 GFLOP/s, typical of a CPU in a browser. */
const FLOPS = 30e9;

export class Timing {
  /** Rises with every run, so that estimates on the page follow. */
  #version = signal(0);
  #perPass = 0;
  /** Seconds per pass, by analysis. @type {Map<string, number>} */
  #seen = new Map();

  /** Called when the model or the device has changed. */
  clear() {
    this.#perPass = 0;
    this.#seen.clear();
    this.#version.value += 1;
  }

  /** @param {Ask} ask @param {ModelInfo} model @param {FigureEntry} entry @param {number} milliseconds */
  learn(ask, model, entry, milliseconds) {
    const now = milliseconds / 1000 / passesOf(ask, model, entry);
    this.#seen.set(ask.analysis, now);
    this.#perPass = this.#perPass === 0 ? now : 0.5 * (this.#perPass + now);
    this.#version.value += 1;
  }

  /** Estimated seconds for a request. @param {Ask} ask @param {ModelInfo} model @param {FigureEntry} entry */
  guess(ask, model, entry) {
    void this.#version.value;
    const perPass = this.#seen.get(ask.analysis) ?? (this.#perPass || (2 * model.parameters * 8) / FLOPS);
    return passesOf(ask, model, entry) * perPass;
  }
}

/** @param {Ask} ask @param {ModelInfo} model @param {FigureEntry} entry */
function passesOf({ experiment, settings }, model, { passes }) {
  const prompts = Math.max(1, experiment.groups.reduce((sum, group) => sum + group.pairs.length * (group.symmetric === false ? 1 : 2), 0));
  const words = experiment.groups[0]?.pairs[0]?.clean.split(' ').length ?? 8;
  return prompts * (2 + (passes?.({ model, positions: words + 2, layers: layersOf(settings.layers, model.n_layers) }) ?? 0));
}

/** How many layers a setting such as `0-3 8` names; all if it is empty or `all`. @param {unknown} setting @param {number} all */
function layersOf(setting, all) {
  if (typeof setting !== 'string' || ['', 'all'].includes(setting.trim())) return all;
  const layers = new Set(setting.trim().split(/[\s,]+/).flatMap((part) => {
    const [from, to = from] = part.split('-').map((end) => Number.parseInt(end, 10));
    return Number.isFinite(from) && Number.isFinite(to) ? Array.from({ length: Math.max(0, Math.min(to, all - 1) - from + 1) }, (_, index) => from + index) : [];
  }));
  return Math.max(1, Math.min(all, layers.size));
}
