// Section 6: two groups side by side, for any figure computed for both, with their difference and a scatter of every head in
// one group against the same head in the other.

import { EngineError } from '../engine/client.js';
import { h } from '../dom.js';
import { choice } from '../reports/frame.js';
import { drawPart } from '../reports/index.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Actions } from '../reports/actions.js' */
/** @import { State } from '../state.js' */
/** @import { Grid, Part, Scatter } from '../types/engine.js' */
/** @import { Results } from './results.js' */
/** @import { Setup } from './setup.js' */

/** @typedef {{ analysis: string, part: Extract<Part, { kind: 'heat' | 'line' }> }} Source a figure that has both groups */

const READ = 'Each figure that has both groups is shown for the first, for the second, and as the first minus the second, on one scale. In the scatter, heads on the dashed line do the same for both.';

export class Compare {
  /** How to read it. */
  read = [READ];
  /** @type {HTMLElement} */
  element;
  #engine;
  #state;
  #setup;
  #results;
  #actions;
  #choices = h('div', { class: 'settings' });
  #body = h('div', { class: 'compare-body', id: 'compare-body', data: { state: 'waiting' } });
  /** Title of the figure chosen for comparison; empty for the first. */
  #title = '';
  #key = '';
  #inView = false;

  /** @param {Engine} engine @param {State} state @param {Setup} setup @param {Results} results @param {Actions} actions */
  constructor(engine, state, setup, results, actions) {
    this.#engine = engine;
    this.#state = state;
    this.#setup = setup;
    this.#results = results;
    this.#actions = actions;
    this.element = h('div', { class: 'compare', id: 'compare' },
      h('p', { class: 'prose compare-prose' }, `Choose two groups. ${READ}`),
      this.#choices, this.#body);
    new IntersectionObserver(([entry]) => {
      this.#inView = entry.isIntersecting;
      this.refresh();
    }, { rootMargin: '300px 0px' }).observe(this.element);
    results.onChange(() => this.refresh());
  }

  get isDrawn() {
    return this.#body.dataset.state === 'fresh';
  }

  /** What the section shows, for exports. @type {{ analysis: string, groups: number[], parts: Part[] } | null} */
  shown = null;

  /** Updates the section to the chosen groups and the results. */
  refresh() {
    const { groups } = this.#state.experiment;
    const [one, two] = this.#setup.compared;
    const sources = this.#sources(one, two);
    const titles = sources.map(({ part }) => part.title);
    const chosen = sources.find(({ part }) => part.title === this.#title) ?? sources.find(({ part }) => part.kind === 'heat') ?? sources[0];
    const key = JSON.stringify([groups.map((group) => group.name), one, two, titles, chosen?.part.title, this.#setup.shown]);
    if (!this.#inView || (key === this.#key && chosen?.part === this.#drawn)) return;
    this.#key = key;
    this.#drawn = chosen?.part ?? null;
    const names = groups.map((group, index) => group.name || `group ${index}`);
    this.#choices.replaceChildren(...(groups.length < 2 ? [] : [
      choice('first', names, one, (index) => this.#setup.set({ compared: [index, two] })),
      choice('second', names, two, (index) => this.#setup.set({ compared: [one, index] })),
      chosen ? choice('picture', titles, titles.indexOf(chosen.part.title), (index) => {
        this.#title = titles[index];
        this.refresh();
      }) : null,
    ].filter((node) => node !== null)));
    if (groups.length < 2) this.#say('The experiment has one group. Add another to compare it with.');
    else if (!chosen) this.#offer(one, two, names);
    else this.#draw(chosen, one, two);
  }

  /** @type {Part | null} */
  #drawn = null;

  /** @param {number} one @param {number} two @returns {Source[]} */
  #sources(one, two) {
    return this.#results.parts().flatMap(({ analysis, part }) =>
      ((part.kind === 'heat' || part.kind === 'line') && [one, two].every((group) => part.panels.some((panel) => panel.group === group && panel.minus === null)) ? [{ analysis, part }] : []));
  }

  /** @param {string} text @param {HTMLElement | null} [button] */
  #say(text, button = null) {
    this.#body.dataset.state = 'waiting';
    this.#body.replaceChildren(h('div', { class: 'placeholder' }, h('p', {}, text), button));
  }

  /** @param {number} one @param {number} two @param {string[]} names */
  #offer(one, two, names) {
    this.#say(`No figure shows both ${names[one]} and ${names[two]} yet.`,
      h('button', { type: 'button', class: 'quiet', id: 'show-both', on: { click: () => this.#setup.set({ shown: [...this.#setup.shown, one, two] }) } }, 'Show both in the figures'));
  }

  /** @param {Source} source @param {number} one @param {number} two */
  async #draw({ analysis, part }, one, two) {
    const key = this.#key;
    const panels = [one, two].flatMap((group) => part.panels.filter((panel) => panel.group === group && panel.minus === null));
    const both = { ...part, panels };
    try {
      const difference = await this.#engine.call('difference', { grid: gridOf(both), group: one, minus: two });
      if (key !== this.#key) return;
      const shown = { ...both, panels: difference ? [...panels, difference] : panels };
      const scatter = scatterOf(both, one, two);
      this.#body.dataset.state = 'fresh';
      this.shown = { analysis, groups: [one, two], parts: scatter ? [shown, scatter] : [shown] };
      this.#body.replaceChildren(
        drawPart(shown, this.#actions, `compare ${analysis}`),
        ...(difference ? [] : [h('p', { class: 'hint' }, 'The two cannot be subtracted: their prompts have different lengths.')]),
        ...(scatter ? [drawPart(scatter, this.#actions, `compare ${analysis}`)] : []));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#say(error.message);
    }
  }
}

/** Without `kind`, which the engine's `Grid` does not have. @param {Source['part']} part @returns {Grid} */
function gridOf({ kind: _, ...grid }) {
  return grid;
}

/** Each head's mean in one group against its mean in the other. @param {Source['part']} grid @param {number} one @param {number} two @returns {Extract<Part, { kind: 'scatter' }> | null} */
function scatterOf(grid, one, two) {
  if (grid.rows.counts !== 'layer' || grid.columns.counts !== 'head') return null;
  const [first, second] = grid.panels;
  /** @type {Scatter['panels'][0]['values']} */
  const values = first.values.flatMap(({ measure, mean: x }) => {
    const y = second.values.find((other) => other.measure === measure)?.mean;
    return y ? [{ measure, x: x.map((value) => value ?? NaN), y: y.map((value) => value ?? NaN) }] : [];
  });
  return {
    kind: 'scatter',
    title: `${grid.title}: ${first.name} against ${second.name}`,
    note: 'Each point is a head. On the dashed line it does the same for both groups.',
    x: { label: first.name },
    y: { label: second.name },
    measures: grid.measures,
    names: grid.rows.ticks.flatMap((layer) => grid.columns.ticks.map((head) => `L${layer}H${head}`)),
    layers: grid.rows.ticks.flatMap((layer) => grid.columns.ticks.map(() => Number(layer))),
    panels: [{ name: `${first.name} and ${second.name}`, group: two === second.group ? two : one, values }],
  };
}
