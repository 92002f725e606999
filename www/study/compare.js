// Section 6: two groups side by side, for any figure computed for both, with their difference and a scatter of every head in
// one group against the same head in the other.

import { computed, effect, signal, untracked } from '../vendor/dist/libraries.js';
import { EngineError } from '../engine/client.js';
import { h } from '../dom.js';
import { choice } from '../reports/frame.js';
import { drawPart } from '../reports/index.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Stage } from '../reports/stage.js' */
/** @import { Store } from '../store/store.js' */
/** @import { Grid, Panel, Part, Report, Scatter } from '../types/engine.js' */

/** A figure that has both groups, and its up-to-date report. @typedef {{ analysis: string, report: Report, part: Extract<Part, { kind: 'heat' | 'line' }> }} Source */
/** What is compared, of which report. @typedef {{ source: Source, one: number, two: number }} Question */

const READ = 'Each figure that has both groups is shown for the first, for the second, and as the first minus the second, on one scale. In the scatter, heads on the dashed line do the same for both.';

export class Compare {
  /** How to read it. */
  read = [READ];
  /** @type {HTMLElement} */
  element;
  /** What the section shows, for exports: the parts, and the report that they were made of. */
  shown;
  #engine;
  #store;
  #stage;
  #choices = h('div', { class: 'settings' });
  #body = h('div', { class: 'compare-body', id: 'compare-body', data: { state: 'waiting' } });
  #inView = signal(false);
  /** The engine's answer to a question. @type {{ value: { to: Question, panel: Panel | null, error: EngineError | null } | null }} */
  #answer = signal(/** @type {any} */ (null));
  #sources;
  #question;

  /** @param {Pick<Engine, 'call'>} engine @param {Store} store @param {() => { analysis: string, report: Report }[]} reports those that are up to date @param {Stage} stage */
  constructor(engine, store, reports, stage) {
    this.#engine = engine;
    this.#store = store;
    this.#stage = stage;
    this.element = h('div', { class: 'compare', id: 'compare' },
      h('p', { class: 'prose compare-prose' }, `Choose two groups. ${READ}`),
      this.#choices, this.#body);
    new IntersectionObserver(([entry]) => { this.#inView.value = entry.isIntersecting; }, { rootMargin: '300px 0px' }).observe(this.element);

    this.#sources = computed(/** @returns {Source[]} */ () => {
      const both = store.view.compared;
      return reports().flatMap(({ analysis, report }) => report.parts.flatMap((part) =>
        ((part.kind === 'heat' || part.kind === 'line') && both.every((group) => part.panels.some((panel) => panel.group === group && panel.minus === null)) ? [{ analysis, report, part }] : [])));
    });
    this.#question = computed(/** @returns {Question | null} */ () => {
      const sources = this.#sources.value;
      const { compared: [one, two], comparedIn } = store.view;
      const source = sources.find(({ part }) => part.title === comparedIn) ?? sources.find(({ part }) => part.kind === 'heat') ?? sources[0];
      return source && store.experiment.groups.length > 1 ? { source, one, two } : null;
    });
    this.shown = computed(() => {
      const answer = this.#answer.value;
      const question = this.#question.value;
      if (!question || !answer || answer.error || !isSame(answer.to, question)) return null;
      return { ...question.source, groups: [question.one, question.two], parts: partsOf(question, answer.panel), isPartial: answer.panel === null };
    });
    effect(() => {
      const question = this.#question.value;
      if (question && this.#inView.value) void untracked(() => this.#ask(question));
    });
    effect(() => this.#drawChoices());
    effect(() => this.#draw());
  }

  /** @param {Question} question */
  async #ask(question) {
    if (this.#answer.value && isSame(this.#answer.value.to, question)) return;
    const { source: { part }, one, two } = question;
    try {
      const panel = await this.#engine.call('difference', { grid: gridOf({ ...part, panels: panelsOf(question) }), group: one, minus: two });
      this.#answer.value = { to: question, panel, error: null };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#answer.value = { to: question, panel: null, error };
    }
  }

  #names = computed(() => this.#store.experiment.groups.map((group, index) => group.name || `group ${index}`));
  #drawn = '';

  /** The choices of groups and picture. They are made anew only for other names, so that the one that is used keeps the focus. */
  #drawChoices() {
    const names = this.#names.value;
    const titles = this.#sources.value.map(({ part }) => part.title);
    const title = this.#question.value?.source.part.title ?? '';
    const { compared } = this.#store.view;
    const key = JSON.stringify([names, titles]);
    if (key !== this.#drawn) {
      this.#drawn = key;
      const focused = [...this.#choices.querySelectorAll('select')].indexOf(/** @type {any} */ (document.activeElement));
      const set = (/** @type {number} */ place) => (/** @type {number} */ index) => {
        const { compared: [one, two] } = this.#store.view;
        this.#store.setView({ compared: place === 0 ? [index, two] : [one, index] });
      };
      this.#choices.replaceChildren(...(names.length < 2 ? [] : [
        choice('first', names, compared[0], set(0)),
        choice('second', names, compared[1], set(1)),
        ...(titles.length > 0 ? [choice('picture', titles, titles.indexOf(title), (index) => this.#store.setView({ comparedIn: titles[index] }))] : []),
      ]));
      this.#choices.querySelectorAll('select')[focused]?.focus();
    }
    [...compared, titles.indexOf(title)].forEach((index, place) => {
      const select = this.#choices.querySelectorAll('select')[place];
      if (select) select.selectedIndex = index;
    });
  }

  #draw() {
    const names = this.#names.value;
    const { compared: [one, two] } = this.#store.view;
    const question = this.#question.value;
    const shown = this.shown.value;
    const error = this.#answer.value?.error;
    if (names.length < 2) return this.#say('The experiment has one group. Add another to compare it with.');
    if (!question) {
      return this.#say(`No figure shows both ${names[one]} and ${names[two]} yet.`,
        h('button', { type: 'button', class: 'quiet', id: 'show-both', on: { click: () => this.#store.setView({ shown: [...this.#store.view.shown, one, two] }) } }, 'Show both in the figures'));
    }
    if (error && isSame(this.#answer.value?.to ?? question, question)) return this.#say(error.message);
    if (!shown) return;
    untracked(() => {
      const stage = this.#stage;
      stage.scope.end();
      const [picture, scatter] = shown.parts.map((part) => drawPart(part, stage, `compare ${shown.analysis}`));
      this.#body.dataset.state = 'fresh';
      this.#body.replaceChildren(picture, ...(shown.isPartial ? [h('p', { class: 'hint' }, 'The two cannot be subtracted: their prompts have different lengths.')] : []), ...(scatter ? [scatter] : []));
    });
  }

  /** @param {string} text @param {HTMLElement | null} [button] */
  #say(text, button = null) {
    this.#stage.scope.end();
    this.#body.dataset.state = 'waiting';
    this.#body.replaceChildren(h('div', { class: 'placeholder' }, h('p', {}, text), button));
  }
}

/** @param {Question} a @param {Question} b */
function isSame(a, b) {
  return a.source.part === b.source.part && a.one === b.one && a.two === b.two;
}

/** @param {Question} question */
function panelsOf({ source: { part }, one, two }) {
  return [one, two].flatMap((group) => part.panels.filter((panel) => panel.group === group && panel.minus === null));
}

/** @param {Question} question @param {Panel | null} difference @returns {Part[]} */
function partsOf(question, difference) {
  const { source: { part }, one, two } = question;
  const panels = panelsOf(question);
  const both = { ...part, panels };
  const scatter = scatterOf(both, one, two);
  return [{ ...both, panels: difference ? [...panels, difference] : panels }, ...(scatter ? [scatter] : [])];
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
    alike: true,
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
