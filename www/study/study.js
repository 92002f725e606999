// The study: the sections and their figures, kept up to date with the experiment, the model and the view.

import { h } from '../dom.js';
import { say } from '../messages.js';
import { formatSeconds } from '../numbers.js';
import { Compare } from './compare.js';
import { Figure } from './figure.js';
import { groupBar } from './group-bar.js';
import { heightOf } from './heights.js';
import { askFor, isDirected } from './request.js';
import { Results } from './results.js';
import { Run } from './run.js';
import { Scheduler } from './scheduler.js';
import { Section } from './section.js';
import { FIGURES, SECTIONS } from './sections.js';
import { settingsForm } from './settings-form.js';
import { TestPromptForm } from './test-prompt.js';
import { Timing } from './timing.js';

/** @import { Engine, EngineError } from '../engine/client.js' */
/** @import { StudyFigure } from '../exports/study-source.js' */
/** @import { State } from '../state.js' */
/** @import { AnalysisInfo, ModelInfo, Place } from '../types/engine.js' */
/** @import { Actions } from '../reports/actions.js' */
/** @import { Loaded } from './loaded.js' */
/** @import { FigureEntry, SectionEntry } from './sections.js' */
/** @import { Setup } from './setup.js' */

const NO_MODEL = 'Results appear here once a model is open.';
/** The size of the default model, to reserve space for its figures before it is open. */
const ASSUMED = { n_layers: 4, n_heads: 4 };

/**
 * @typedef {object} StudyOptions
 * @property {HTMLElement} root
 * @property {() => ModelInfo | null} model the open model
 * @property {() => number} serial changes whenever another model has been opened
 * @property {(place: Place) => string} describe
 * @property {(place: Place) => void} goTo
 * @property {Actions} actions what clicks on figures do
 * @property {(error: EngineError) => void} onCrash
 * @property {(error: EngineError) => Promise<void> | null} onLost
 */

/** A figure with its catalogue entry, run and settings form. @typedef {{ entry: FigureEntry, info: AnalysisInfo, run: Run, form: ReturnType<typeof settingsForm> | null }} Placed */

export class Study {
  results = new Results();
  timing = new Timing();
  /** @type {Scheduler} */
  scheduler;
  /** @type {Section[]} */
  sections = [];
  /** @type {Placed[]} */
  #placed = [];
  #state;
  #setup;
  #options;
  #engine;
  /** @type {Compare | null} */
  #compare = null;
  /** @type {TestPromptForm | null} */
  #testPrompt = null;
  /** @type {(() => void)[]} */
  #listeners = [];
  #told = false;
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) this.#placed.find(({ run }) => run.figure.element === target)?.run.look(isIntersecting);
  }, { rootMargin: '400px 0px' });

  /** @param {Engine} engine @param {State} state @param {Setup} setup @param {StudyOptions} options */
  constructor(engine, state, setup, options) {
    this.#engine = engine;
    this.#state = state;
    this.#setup = setup;
    this.#options = options;
    this.scheduler = new Scheduler(engine, { onCrash: options.onCrash, onLost: options.onLost, onChange: () => this.#tell() });
    this.results.onChange((analysis) => {
      if (this.#placed.some(({ entry }) => entry.follows?.from === analysis)) this.refresh();
    });
  }

  /** @param {() => void} listener called when a figure's state or progress has changed, at most once per frame */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  #tell() {
    if (this.#told) return;
    this.#told = true;
    requestAnimationFrame(() => {
      this.#told = false;
      this.#estimate();
      for (const listener of this.#listeners) listener();
    });
  }

  /** Shows an estimate of the run time at figures that are computed only on request. */
  #estimate() {
    const model = this.#options.model();
    for (const { entry, run } of this.#placed) {
      if (!entry.onDemand || run.state !== 'idle' || !run.ask || !model) continue;
      run.figure.estimate(`Computed on request: takes about ${formatSeconds(this.timing.guess(run.ask, model))}.`);
    }
  }

  get isBuilt() {
    return this.sections.length > 0;
  }

  get hasModel() {
    return this.#options.model() !== null;
  }

  /** Changes whenever another model has been opened. */
  get serial() {
    return this.#options.serial();
  }

  get runs() {
    return this.#placed.map(({ run }) => run);
  }

  /** Builds the page from the catalogue. @param {AnalysisInfo[]} catalogue */
  build(catalogue) {
    if (this.isBuilt) return;
    this.sections = SECTIONS.map((entry) => new Section(entry));
    const others = catalogue.filter((info) => !FIGURES.some((entry) => entry.analysis === info.name));
    const more = others.map((info) => ({ analysis: info.name, section: 'more', read: [info.description], onDemand: true }));
    for (const entry of [...FIGURES, ...more]) {
      const info = catalogue.find((candidate) => candidate.name === entry.analysis);
      if (info) this.#add(entry, info);
    }
    this.sections = this.sections.filter((section) => section.entry.id === 'compare' || section.runs.length > 0);
    const bar = groupBar(this.#state, this.#setup);
    const barred = h('div', { class: 'barred' }, bar);
    const place = (/** @type {string} */ id) => (['where', 'heads', 'patching', 'neurons'].includes(id) ? barred : this.#options.root);
    this.#options.root.append(this.#notice);
    for (const section of this.sections) {
      if (section.entry.id === 'where') this.#options.root.append(barred);
      place(section.entry.id).append(section.element);
    }
    this.#compare = new Compare(this.#engine, this.#state, this.#setup, this.results, this.#options.actions);
    const compared = this.sections.find((section) => section.entry.id === 'compare');
    compared?.append(this.#compare.element);
    if (compared) compared.own = () => (this.#compare?.isDrawn ? 'fresh' : 'idle');
    this.refresh();
    for (const { run } of this.#placed) this.#observer.observe(run.figure.element);
    this.#tell();
  }

  /** @param {FigureEntry} entry @param {AnalysisInfo} info */
  #add(entry, info) {
    const section = this.sections.find((candidate) => candidate.entry.id === entry.section);
    if (!section) return;
    const { describe, goTo, actions } = this.#options;
    const isTest = entry.analysis === 'test-prompt';
    const test = isTest ? new TestPromptForm(this.#state, { onRun: () => run.request() }) : null;
    const form = isTest ? null : settingsForm(info, entry.controls, (name, value) => this.#setup.setSetting(info.name, name, value));
    if (test) this.#testPrompt = test;
    const figure = new Figure({
      id: info.name,
      title: entry.title ?? info.title,
      read: entry.read,
      controls: test?.element ?? form?.element ?? null,
      // Analyses without patching have no patched run to open: their cells are heads and neurons.
      actions: isDirected(info) ? actions : { ...actions, onPatch: undefined },
      layout: () => ({
        tables: entry.tables,
        measure: isDirected(info) ? { measure: this.#setup.measure, choose: (measure) => this.#setup.set({ measure }) } : null,
        groupNamed: (title) => this.#groupNamed(title),
      }),
      describe,
      goTo,
      placeError: test ? (error) => test.placeError(error) : undefined,
      onCancel: () => run.cancel(),
      onRun: () => run.request(),
    });
    const run = new Run({
      analysis: info.name, order: this.#placed.length, figure, onDemand: entry.onDemand ?? false, eager: entry.eager ?? false,
      scheduler: this.scheduler, results: this.results,
      onState: () => this.#tell(),
      onTime: (milliseconds) => {
        const model = this.#options.model();
        if (model && run.ask) this.timing.learn(run.ask, model, milliseconds);
        say(`${entry.title ?? info.title}: results are up to date.`);
      },
    });
    section.runs.push(run);
    section.append(figure.element);
    this.#placed.push({ entry, info, run, form });
  }

  /** Updates all figures to the experiment, the view and the model. @param {boolean} [now] without debouncing */
  refresh(now = false) {
    if (!this.isBuilt) return;
    this.#testPrompt?.refresh();
    this.#remeasure();
    const model = this.#options.model();
    const width = this.#options.root.clientWidth;
    for (const { entry, info, run, form } of this.#placed) {
      const groups = entry.everyGroup ? this.#state.experiment.groups.length : this.#setup.shown.length;
      run.figure.reserve(heightOf(info.name, model ?? ASSUMED, { groups, width }));
      const ask = (model || this.#loaded) && this.#state.isStarted ? askFor(entry, info, this.#state, this.#setup, (analysis) => this.results.of(analysis)) : NO_MODEL;
      form?.show(this.#setup.settings[info.name] ?? {}, typeof ask === 'string' ? {} : ask.settings);
      const loaded = typeof ask === 'string' ? null : this.#loaded?.find(ask) ?? null;
      run.want(model || loaded ? ask : NO_MODEL, { model: this.#options.serial(), now, loaded });
    }
    this.#compare?.refresh();
    this.#notice.replaceChildren(...(this.#loaded ? [this.#loaded.notice(model, () => this.load(null))] : []));
  }

  /** The group whose name a table's title ends with. @param {string} title */
  #groupNamed(title) {
    const { groups } = this.#state.experiment;
    return this.#setup.shown.find((group) => title.endsWith(groups[group]?.name ?? '\n')) ?? this.#setup.shown[0];
  }

  #measure = '';
  /** Applies the common measure to every patching figure, without a run. */
  #remeasure() {
    if (this.#setup.measure === this.#measure) return;
    this.#measure = this.#setup.measure;
    for (const { info, run } of this.#placed) if (isDirected(info)) run.figure.redraw();
  }

  /** Called when another model has been opened, or the open one was lost. */
  modelChanged() {
    this.timing.clear();
    this.results.clear();
    this.refresh(true);
  }

  /** The study opened from a file, whose reports replace runs. @type {Loaded | null} */
  #loaded = null;
  #notice = h('div', {});

  /** Shows a file's reports in all figures with the same request. @param {Loaded | null} loaded */
  load(loaded) {
    this.#loaded = loaded;
    this.refresh();
  }

  /** The model of the study file, if all numbers on the page come from it. */
  get loadedModel() {
    const model = this.#loaded?.model ?? null;
    const figures = this.computed;
    return model && figures.length > 0 && figures.every(({ report }) => report.model === model.name && report.device === model.device.name) ? model : null;
  }

  /** Every figure with up-to-date results, in reading order. @returns {StudyFigure[]} */
  get computed() {
    return this.sections.flatMap(({ entry: section }) => [
      ...this.#placed.flatMap(({ entry, info, run }) => {
        const report = this.results.of(info.name);
        if (entry.section !== section.id || run.state !== 'fresh' || !run.ask || !report) return [];
        return [{ section, analysis: info.name, title: entry.title ?? info.title, read: entry.read, tables: entry.tables, info, settings: run.ask.settings, groups: run.ask.shown, place: info.name, report }];
      }),
      ...(section.id === 'compare' ? this.#compared(section) : []),
    ]);
  }

  /** @param {SectionEntry} section @returns {StudyFigure[]} */
  #compared(section) {
    if (!this.#compare?.isDrawn || !this.#compare.shown) return [];
    const { analysis, groups, parts } = this.#compare.shown;
    const of = this.results.of(analysis);
    if (!of) return [];
    const names = groups.map((group) => this.#state.experiment.groups[group]?.name || `group ${group}`);
    const report = { analysis: 'compare', title: section.title, model: of.model, device: of.device, parts, problems: [] };
    return [{ section, analysis: 'compare', title: names.join(' and '), read: this.#compare.read, tables: undefined, info: null, settings: {}, groups, place: `compare ${analysis}`, report }];
  }

  /** The titles of figures without up-to-date results. */
  get missing() {
    return this.#placed.filter(({ run }) => run.state !== 'fresh').map(({ entry, info }) => entry.title ?? info.title);
  }

  runAll() {
    for (const run of this.runs) run.request(false);
  }

  cancelAll() {
    for (const run of this.runs) run.cancel();
  }

  /** @param {string} analysis */
  figureOf(analysis) {
    return this.#placed.find(({ info }) => info.name === analysis)?.run.figure ?? null;
  }

  /** Scrolls to a figure and focuses its heading. @param {string} analysis */
  goToFigure(analysis) {
    const figure = this.figureOf(analysis);
    if (!figure) return;
    figure.element.scrollIntoView({ block: 'start' });
    /** @type {HTMLElement | null} */ (figure.element.querySelector('h3'))?.focus({ preventScroll: true });
  }

  /** Progress of all requests together, and the estimated time left. */
  overall() {
    const model = this.#options.model();
    let left = 0;
    let busy = 0;
    for (const run of this.runs) {
      if (!['queued', 'running', 'stale'].includes(run.state) || !run.ask || !model) continue;
      busy += 1;
      const { progress } = run;
      if (run.state === 'running' && progress && progress.done > 0 && progress.total > 0) {
        const elapsed = (performance.now() - run.started) / 1000;
        left += (elapsed * (progress.total - progress.done)) / progress.done;
      } else {
        left += this.timing.guess(run.ask, model);
      }
    }
    const done = this.runs.filter((run) => run.state === 'fresh').length;
    return { busy, left, done, total: this.runs.length };
  }
}
