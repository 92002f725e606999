// The heading of a grid panel: the group's name, which values are shown, and the unpatched means.

import { h } from '../dom.js';
import { plural } from '../numbers.js';
import { baselines, cautionOf, measureOf, valuesOf, visible } from './grid-view.js';

/** @import { Grid, Panel } from '../types/engine.js' */
/** @import { PictureView } from '../store/view.js' */

/** Below this width, in pixels, the means take two lines. */
const NARROW = 310;

export class PanelHead {
  #whose = h('p', { class: 'panel-line' });
  #means = h('p', { class: 'panel-line panel-means' });
  #caution = h('p', { class: 'panel-caution', hidden: true });
  /** @type {HTMLElement} */
  element;

  /** @param {string} name @param {number} width of the chart below */
  constructor(name, width) {
    if (width < NARROW) this.#means.classList.add('is-narrow');
    this.element = h('div', { class: 'panel-head' }, h('p', { class: 'panel-name' }, name), this.#whose, this.#means, this.#caution);
  }

  /** @param {Grid} grid @param {Panel} panel @param {PictureView} view */
  show(grid, panel, view) {
    const measure = measureOf(grid, view);
    const values = valuesOf(panel, measure);
    const prompt = values?.prompts[view.prompt] !== undefined ? panel.prompts[view.prompt] ?? `prompt ${view.prompt + 1}` : null;
    // A space instead of nothing, so that the lines keep their height.
    this.#whose.textContent = whose(panel, values?.prompts.length ?? 0, prompt, values !== null) || '\u00a0';
    this.#whose.title = prompt ?? '';
    const caution = cautionOf(grid, panel, view);
    this.#caution.hidden = caution === null;
    this.#caution.textContent = caution;
    this.#means.textContent = baselines(grid, panel, measure) || '\u00a0';
  }
}

/** @param {Panel} panel @param {number} count @param {string | null} prompt @param {boolean} hasMeaning */
function whose(panel, count, prompt, hasMeaning) {
  if (!hasMeaning) return 'this measure is not defined here';
  if (prompt !== null) return visible(prompt);
  if (panel.minus !== null) return 'difference of means';
  return count > 0 ? `mean over ${plural(count, 'prompt')}` : '';
}
