// The study: the sections and their figures, computed from the store and the engine's answers.

import { effect, signal } from '../vendor/dist/libraries.js';
import { h, whenResized } from '../dom.js';
import { formatSeconds } from '../numbers.js';
import { Compare } from './compare.js';
import { Figure } from './figure.js';
import { groupBar } from './group-bar.js';
import { UNKNOWN } from './heights.js';
import { askFor, isDirected } from './request.js';
import { Results } from './results.js';
import { Run } from './run.js';
import { Scheduler, URGENCY } from './scheduler.js';
import { Section } from './section.js';
import { FIGURES, SECTIONS } from './sections.js';
import { settingsForm } from './settings-form.js';
import { waysOut } from './ways-out.js';
import { TestPromptForm } from './test-prompt.js';
import { Timing } from './timing.js';

/** @import { Engine, EngineError } from '../engine/client.js' */
/** @import { StudyFigure } from '../exports/study-source.js' */
/** @import { Actions } from '../reports/actions.js' */
/** @import { Picture, Stage } from '../reports/stage.js' */
/** @import { Store } from '../store/store.js' */
/** @import { AnalysisInfo, Place, Report } from '../types/engine.js' */
/** @import { Client } from './scheduler.js' */
/** @import { FigureEntry, SectionEntry } from './sections.js' */

/** The size of the default model, to reserve space for its figures before it is open. */
const ASSUMED = { n_layers: 4, n_heads: 4 };

/**
 * @typedef {object} StudyOptions
 * @property {HTMLElement} root
 * @property {Stage} stage what its pictures share
 * @property {(place: Place) => string} describe
 * @property {(place: Place) => void} goTo
 * @property {(text: string) => void} say tells a screen reader
 * @property {(error: EngineError) => void} onCrash
 * @property {(error: EngineError) => Promise<void> | null} onLost
 */

/** A figure with its catalogue entry and run. @typedef {{ entry: FigureEntry, info: AnalysisInfo, run: Run, figure: Figure }} Placed */

export class Study {
  results = new Results();
  timing = new Timing();
  /** @type {Scheduler} */
  scheduler;
  /** Empty until the catalogue is there. @type {{ readonly value: Section[] }} */
  sections;
  #sections = signal(/** @type {Section[]} */ ([]));
  /** @type {Placed[]} */
  #placed = [];
  #store;
  #options;
  #engine;
  #width = signal(0);
  /** @type {Compare | null} */
  #compare = null;
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const run = this.#placed.find(({ figure }) => figure.element === target)?.run;
      if (run) run.inView.value = isIntersecting;
    }
  }, { rootMargin: '400px 0px' });

  /** @param {Engine} engine @param {Store} store @param {StudyOptions} options */
  constructor(engine, store, options) {
    this.#engine = engine;
    this.#store = store;
    this.#options = options;
    this.sections = this.#sections;
    this.scheduler = new Scheduler(engine, { onCrash: options.onCrash, onLost: options.onLost });
    this.#width.value = options.root.clientWidth;
    whenResized(options.root, () => { this.#width.value = options.root.clientWidth; });
    // Another model: nothing is asked of the one before any more.
    let serial = 0;
    effect(() => {
      const now = store.model.value?.serial ?? 0;
      if (now === serial) return;
      serial = now;
      this.timing.clear();
      this.results.clear();
    });
  }

  get isBuilt() {
    return this.#sections.value.length > 0;
  }

  get runs() {
    return this.#placed.map(({ run }) => run);
  }

  /** Builds the page from the catalogue. @param {AnalysisInfo[]} catalogue */
  build(catalogue) {
    if (this.isBuilt) return;
    const { root, stage } = this.#options;
    const others = catalogue.filter((info) => !FIGURES.some((entry) => entry.analysis === info.name));
    const more = others.map((info) => ({ analysis: info.name, section: 'more', onDemand: true }));
    for (const entry of [...FIGURES, ...more]) {
      const info = catalogue.find((candidate) => candidate.name === entry.analysis);
      if (info) this.#placed.push(this.#make(entry, info));
    }
    const compare = new Compare(this.#engine, this.#store, () => this.#placed.flatMap(({ info, run }) => (run.result.value ? [{ analysis: info.name, report: run.result.value.report }] : [])), stage.apart({ width: () => this.#width.value }));
    this.#compare = compare;
    const sections = SECTIONS.flatMap((entry) => {
      const placed = this.#placed.filter((one) => one.entry.section === entry.id);
      if (placed.length === 0 && !entry.compares) return [];
      const section = new Section(entry, placed.map(({ run }) => run), entry.compares ? () => (compare.shown.value ? 'fresh' : 'idle') : undefined);
      for (const { figure } of placed) section.append(figure.element);
      if (entry.compares) section.append(compare.element);
      return [section];
    });
    const barred = h('div', { class: 'barred' }, groupBar(this.#store));
    root.append(this.#notice());
    for (const section of sections) {
      if (section.entry.barred && !barred.isConnected) root.append(barred);
      (section.entry.barred ? barred : root).append(section.element);
    }
    this.#sections.value = sections;
    for (const { figure } of this.#placed) this.#observer.observe(figure.element);
  }

  /** @param {FigureEntry} entry @param {AnalysisInfo} info @returns {Placed} */
  #make(entry, info) {
    const store = this.#store;
    const { describe, goTo, stage, say } = this.#options;
    const title = entry.title ?? info.title;
    const run = new Run({
      entry, order: this.#placed.length, store, scheduler: this.scheduler, results: this.results, timing: this.timing,
      ask: () => (store.isStarted ? askFor(entry, info, store, (analysis) => this.#reportOf(analysis)) : ''),
      onDone: () => say(`${title}: results are up to date.`),
    });
    const test = entry.analysis === 'test-prompt' ? new TestPromptForm(store, { onRun: () => run.hasten() }) : null;
    const form = test ? null : settingsForm(info, entry.controls, (name, value) => store.setSetting(info.name, name, value));
    if (form) {
      effect(() => {
        const ask = run.ask.value;
        form.show(store.view.settings[info.name] ?? {}, typeof ask === 'string' ? {} : ask.settings);
      });
    }
    const onAsk = entry.asks ? this.#asker(run) : undefined;
    const own = stage.apart({ width: () => this.#width.value, actions: { ...stage.actions, onAsk, ...(isDirected(info, entry) ? {} : { onPatch: undefined }) } });
    if (entry.basket && form?.element) this.#basket(run, form.element);
    const figure = new Figure({
      run, title, read: entry.read ?? [info.description], controls: test?.element ?? form?.element ?? null, stage: own,
      layout: { tables: entry.tables, measure: isDirected(info, entry) ? this.#sharedPicture(info.name) : null },
      describe, goTo, waysOut: (problem) => waysOut(problem, info, store),
      placeError: test ? (error) => test.placeError(error) : undefined,
      height: () => {
        const { n_layers: layers, n_heads: heads } = store.model.value?.info ?? ASSUMED;
        const groups = entry.everyGroup ? store.experiment.groups.length : store.view.shown.length;
        return entry.height?.({ layers, heads, groups, width: this.#width.value }) ?? UNKNOWN;
      },
      estimate: () => {
        const ask = run.ask.value;
        return typeof ask === 'string' ? '' : `about ${formatSeconds(run.guess(ask))}`;
      },
    });
    return { entry, info, run, figure };
  }

  /** What asks the engine about a figure's prompts. @param {Run} run @returns {NonNullable<Actions['onAsk']>} */
  #asker(run) {
    /** @type {(report: Report) => void} */
    let tell = () => {};
    /** @type {Client} */
    const client = { order: 0, urgency: () => URGENCY.inspector, guess: () => 0.1, onStart() {}, onProgress() {}, onPreview() {}, onError() {}, onReport: (report) => tell(report) };
    return (analysis, settings, answer) => {
      const ask = run.ask.value;
      const asked = typeof ask === 'string' ? null : settings();
      if (typeof ask === 'string' || !asked) return this.scheduler.drop(client);
      tell = answer;
      this.scheduler.ask(client, { ...ask, analysis, settings: asked });
    };
  }

  /** Adds what fills a circuit, once its figure is seen. @param {Run} run @param {HTMLElement} form */
  #basket(run, form) {
    const end = effect(() => {
      if (!run.inView.value) return;
      queueMicrotask(() => end());
      import('./basket.js').then(({ basket }) => form.after(basket(this.#engine, this.#store)), reportError);
    });
  }

  /** The report that a figure shows, up to date or not. @param {string} analysis @returns {Report | null} */
  #reportOf(analysis) {
    return this.#placed.find(({ info }) => info.name === analysis)?.run.shown.value?.report ?? null;
  }

  /** How the charts of a patching figure are shown: with the measure that all of them have. @param {string} analysis @returns {Picture} */
  #sharedPicture(analysis) {
    const own = this.#options.stage.picture(`${analysis}/all`);
    const store = this.#store;
    return {
      get now() { return { ...own.now, measure: store.view.measure }; },
      set: ({ measure, ...others }) => {
        if (measure !== undefined) store.setView({ measure });
        if (Object.keys(others).length > 0) own.set(others);
      },
    };
  }

  /** The notice of an opened study. */
  #notice() {
    const place = h('div', {});
    effect(() => {
      const loaded = this.#store.loaded.value;
      place.replaceChildren(...(loaded ? [loaded.notice(this.#store.model.value?.info ?? null, () => this.#computeHere())] : []));
    });
    return place;
  }

  /** Replaces the numbers of the opened study by this page's own. */
  #computeHere() {
    const shown = this.runs.filter((run) => run.result.value?.from);
    this.#store.loaded.value = null;
    for (const run of shown) run.request(false);
  }

  /** Computes what waits for a pause in typing now. */
  hasten() {
    for (const run of this.runs) run.hasten();
  }

  /** The model of the study file, if all numbers on the page come from it. */
  get loadedModel() {
    const model = this.#store.loaded.value?.model ?? null;
    const figures = this.computed;
    return model && figures.length > 0 && figures.every(({ report }) => report.model === model.name && report.device === model.device.name) ? model : null;
  }

  /** Every figure with up-to-date results, in reading order. @returns {StudyFigure[]} */
  get computed() {
    return this.#sections.value.flatMap(({ entry: section }) => [
      ...this.#placed.flatMap(({ entry, info, run }) => {
        const result = run.result.value;
        const ask = run.ask.value;
        if (entry.section !== section.id || !result || typeof ask === 'string') return [];
        return [{
          section, analysis: info.name, title: entry.title ?? info.title, read: entry.read ?? [info.description], tables: entry.tables, info, settings: ask.settings, groups: ask.shown, place: info.name, report: result.report,
          picture: isDirected(info, entry) ? this.#sharedPicture(info.name) : null,
        }];
      }),
      ...(section.compares ? this.#compared(section) : []),
    ]);
  }

  /** @param {SectionEntry} section @returns {StudyFigure[]} */
  #compared(section) {
    const compare = this.#compare;
    const shown = compare?.shown.value;
    if (!compare || !shown) return [];
    const { analysis, report: { model, device }, groups, parts } = shown;
    const names = groups.map((group) => this.#store.experiment.groups[group]?.name || `group ${group}`);
    const report = { analysis: 'compare', title: section.title, model, device, parts, problems: [] };
    return [{ section, analysis: 'compare', title: names.join(' and '), read: compare.read, tables: undefined, info: null, settings: {}, groups, place: `compare ${analysis}`, report, picture: null }];
  }

  /** The titles of figures without up-to-date results. */
  get missing() {
    return this.#placed.filter(({ run }) => !run.result.value).map(({ entry, info }) => entry.title ?? info.title);
  }

  runAll() {
    for (const run of this.runs) run.request(false);
  }

  cancelAll() {
    for (const run of this.runs) run.cancel();
  }

  /** @param {string} analysis */
  runOf(analysis) {
    return this.#sections.value.flatMap((section) => section.runs).find((run) => run.entry.analysis === analysis) ?? null;
  }

  /** @param {string} analysis */
  figureOf(analysis) {
    return this.#placed.find(({ info }) => info.name === analysis)?.figure ?? null;
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
    const runs = this.#sections.value.flatMap((section) => section.runs);
    let left = 0;
    let busy = 0;
    for (const run of runs) {
      const ask = run.ask.value;
      const state = run.state.value;
      if (!['queued', 'running', 'stale'].includes(state) || typeof ask === 'string') continue;
      busy += 1;
      const progress = run.progress.value;
      if (state === 'running' && progress && progress.done > 0 && progress.total > 0) {
        const elapsed = (performance.now() - run.started) / 1000;
        left += (elapsed * (progress.total - progress.done)) / progress.done;
      } else {
        left += run.guess(ask);
      }
    }
    return { busy, left, done: runs.filter((run) => run.state.value === 'fresh').length, total: runs.length };
  }
}
