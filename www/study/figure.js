// One figure of the study: heading, how to read it, settings, progress, and what its run shows. Old results stay, dimmed, until
// new ones replace them, so that nothing jumps.

import { effect, untracked } from '../vendor/dist/libraries.js';
import { emphasised, h } from '../dom.js';
import { focusOn, placeOf } from '../focus.js';
import { formatDuration, formatSeconds, plural } from '../numbers.js';
import { keepFolds, keepStops, updatePart } from '../reports/index.js';
import { drawProblems } from './problems.js';
import { layOut } from './report-view.js';

/** @import { EngineError } from '../engine/client.js' */
/** @import { Stage } from '../reports/stage.js' */
/** @import { Part, Place, Problem, Progress, Report } from '../types/engine.js' */
/** @import { WayOut } from './problems.js' */
/** @import { Layout } from './report-view.js' */
/** @import { Run, RunState, Shown } from './run.js' */

/** How long a new width has to stay before pictures are fitted to it. */
const RESIZED_MS = 150;
/** Runs faster than this show no progress: it would only flash. */
const QUIET_MS = 300;

/** `data-state` of the element. @type {Record<RunState, string>} */
const STATES = { idle: 'waiting', outdated: 'outdated', stale: 'stale', queued: 'queued', running: 'running', fresh: 'fresh', failed: 'failed' };

/**
 * @typedef {object} FigureOptions
 * @property {Run} run
 * @property {string} title
 * @property {string[]} read paragraphs; words between asterisks are emphasised
 * @property {HTMLElement | null} controls between the prose and the results
 * @property {Stage} stage where its pictures are drawn
 * @property {Pick<Layout, 'tables' | 'measure'>} layout
 * @property {(place: Place) => string} describe names a place in the experiment
 * @property {(place: Place) => void} goTo focuses a place in the experiment
 * @property {(problem: Problem) => WayOut[]} waysOut what can be done about a problem of the report
 * @property {(error: EngineError | null) => boolean} [placeError] shows an error at the field it concerns; false if it concerns none
 * @property {() => number} height that the pictures will take, in pixels
 * @property {() => string} estimate how long a run takes, in words
 */

export class Figure {
  /** @type {HTMLElement} */
  element;
  #run;
  #options;
  #status = h('div', { class: 'figure-status' });
  #message = h('div', { class: 'figure-message' });
  #body = h('div', { class: 'figure-body' });
  #left = h('div', { class: 'figure-left-out' });
  #runs = 0;
  /** What the body shows. @type {Shown | ReadonlyMap<number, Part> | string | null} */
  #drawn = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resizing;
  /** The width for which the report was drawn. */
  #width = 0;

  /** @param {FigureOptions} options */
  constructor(options) {
    this.#options = options;
    const { run, title, read, controls } = options;
    this.#run = run;
    const id = run.entry.analysis;
    const heading = `${id}-title`;
    this.element = h(
      'section',
      { class: 'figure', id, 'aria-labelledby': heading, data: { state: 'waiting', run: 0 } },
      h('header', { class: 'figure-head' }, h('h3', { id: heading, tabindex: -1 }, title), this.#status),
      ...read.map((text) => h('p', { class: 'prose' }, ...emphasised(text))),
      controls,
      this.#message,
      this.#body,
      this.#left,
    );
    effect(() => this.element.style.setProperty('--reserve', `${options.height()}px`));
    effect(() => this.#showState(run.state.value, run.isEarlier.value));
    // Counts the answers, also those that were computed before.
    effect(() => {
      if (run.result.value && run.state.value === 'fresh') this.element.dataset.run = String((this.#runs += 1));
    });
    effect(() => {
      void options.stage.width;
      // Dragging a window's edge changes the width at every step.
      clearTimeout(this.#resizing);
      this.#resizing = setTimeout(() => this.#fit(), RESIZED_MS);
    });
    effect(() => {
      const progress = run.progress.value;
      if (progress) untracked(() => this.#showProgress(progress));
    });
    effect(() => {
      const content = run.previews.value ?? run.shown.value ?? this.#placeholder();
      untracked(() => this.#show(content));
    });
  }

  /** @param {RunState} state @param {boolean} isEarlier */
  #showState(state, isEarlier) {
    clearTimeout(this.#quiet);
    const isWaiting = state === 'queued' || state === 'running';
    this.element.dataset.state = STATES[state];
    if (isWaiting || state === 'stale') this.#body.setAttribute('aria-busy', 'true');
    else this.#body.removeAttribute('aria-busy');
    // Previews must not be shorter than the results that they replace.
    if (state === 'running' && this.#drawn && typeof this.#drawn !== 'string') this.#body.style.setProperty('min-height', `${this.#body.offsetHeight}px`);
    else if (!isWaiting) this.#body.style.removeProperty('min-height');
    this.#status.replaceChildren(...this.#outcome(state));
    untracked(() => this.#message.replaceChildren(...this.#notice(state, isEarlier)));
    if (isWaiting) this.#quiet = setTimeout(() => this.#showWork(state), QUIET_MS);
  }

  /** What stands beside the heading of a figure that is not at work. @param {RunState} state */
  #outcome(state) {
    const shown = state === 'fresh' ? this.#run.shown.value : null;
    if (!shown) return [];
    const { milliseconds, report } = shown;
    return [
      ...(milliseconds === null ? [] : [h('span', {}, `computed in ${formatDuration(milliseconds)}`)]),
      ...(report.problems.length === 0 ? [] : [h('button', { type: 'button', class: 'link link-error', on: { click: () => this.#showProblems() } }, plural(report.problems.length, 'problem'))]),
    ];
  }

  /** What is said above the results. @param {RunState} state @param {boolean} isEarlier @returns {HTMLElement[]} */
  #notice(state, isEarlier) {
    const run = this.#run;
    const { placeError, goTo, estimate } = this.#options;
    const { error } = run;
    const isPlaced = placeError?.(error) ?? false;
    const again = (/** @type {string} */ text) => h('button', { type: 'button', class: 'link', on: { click: () => run.request() } }, text);
    if (state === 'running' && isEarlier) {
      return [h('div', { class: 'notice' }, h('span', {}, 'Still running for the experiment as it was before your change.'), again('Start again with the change'))];
    }
    if (state === 'outdated') {
      if (typeof run.ask.value === 'string') return [h('div', { class: 'notice' }, h('span', {}, 'No model is open. These results were computed before.'))];
      const isOther = run.shown.value?.serial !== undefined && !run.key.value.startsWith(`${run.shown.value.serial} `);
      const what = isOther ? 'These are another model\u2019s results.' : 'These results are of the experiment before your change.';
      return [h('div', { class: 'notice' }, h('span', {}, what), again(run.entry.onDemand ? `Compute again (${estimate()})` : 'Compute'))];
    }
    if (!error || isPlaced) return [];
    const isCancelled = error.code === 'cancelled';
    const { place } = error;
    return [h('div', { class: isCancelled ? 'notice' : 'notice notice-error', role: 'alert', data: { code: error.code } },
      h('span', {}, isCancelled ? (run.shown.value ? 'Cancelled. The results below are of an earlier run.' : 'Cancelled.') : error.message),
      place && h('button', { type: 'button', class: 'link', on: { click: () => goTo(place) } }, 'Go to the field'),
      again('Run again'))];
  }

  /** @param {'queued' | 'running' | string} state */
  #showWork(state) {
    if (state === 'queued') {
      this.#status.replaceChildren(h('span', {}, 'waits for its turn'), this.#cancelButton());
      return;
    }
    this.#status.replaceChildren(h('span', { class: 'figure-progress' }, 'running\u2026'), h('progress', { 'aria-label': `Progress of ${this.#options.title}` }), this.#cancelButton());
    const progress = this.#run.progress.value;
    if (progress) this.#showProgress(progress);
  }

  #cancelButton() {
    return h('button', { type: 'button', class: 'link', 'aria-label': `Cancel ${this.#options.title}`, on: { click: () => this.#run.cancel() } }, 'Cancel');
  }

  /** @param {Progress} progress */
  #showProgress({ stage, done, total, unit }) {
    const text = this.#status.querySelector('.figure-progress');
    const bar = this.#status.querySelector('progress');
    if (!text || !bar || !(total > 0)) return;
    const elapsed = (performance.now() - this.#run.started) / 1000;
    const left = done > 0 && done < total ? `, ${formatSeconds((elapsed * (total - done)) / done)} left` : '';
    bar.max = total;
    bar.value = done;
    text.textContent = ['prompts', 'patches', 'circuits', 'tokens'].includes(unit) ? `${done} of ${plural(total, unit.slice(0, -1), unit)}${left}` : `${stage}${left}`;
  }

  /** What stands in place of results that there are none of. */
  #placeholder() {
    const run = this.#run;
    const ask = run.ask.value;
    if (typeof ask === 'string') return ask;
    switch (run.state.value) {
      case 'queued':
        return 'waits for its turn\u2026';
      case 'idle':
        return run.entry.onDemand ? `Computed on request: takes ${this.#options.estimate()}.` : 'Computed when it comes into view.';
      default:
        return '';
    }
  }

  /** @param {Shown | ReadonlyMap<number, Part> | string} content */
  #show(content) {
    if (content instanceof Map) {
      this.#preview(content);
    } else if (typeof content === 'string') {
      this.#options.stage.scope.end();
      this.#left.replaceChildren();
      const isAskable = this.#run.state.value === 'idle' && typeof this.#run.ask.value !== 'string';
      const text = this.#body.querySelector('.placeholder > p');
      // Only the text changes while an estimate does, so that the button stays where it is.
      if (typeof this.#drawn === 'string' && text && isAskable === (this.#body.querySelector('.placeholder button') !== null)) text.textContent = content;
      else this.#body.replaceChildren(h('div', { class: 'placeholder' }, h('p', {}, content), isAskable && h('button', { type: 'button', class: 'quiet', on: { click: () => this.#run.request() } }, 'Compute')));
    } else {
      this.#report(/** @type {Shown} */ (content));
    }
    this.#drawn = content;
  }

  /** @param {ReadonlyMap<number, Part>} previews */
  #preview(previews) {
    const parts = [...previews].sort(([a], [b]) => a - b).map(([, part]) => part);
    if (this.#drawn instanceof Map && parts.length === this.#drawn.size) {
      const drawn = [...this.#body.querySelectorAll('.part')];
      if (parts.every((part) => drawn.some((one) => /** @type {HTMLElement} */ (one).dataset.title === part.title && updatePart(one, part)))) return;
    }
    const { title, run } = this.#options;
    const element = this.#layOut({ analysis: run.entry.analysis, title, model: '', device: '', problems: [], parts });
    element.classList.add('report-preview');
    keepFolds(this.#body, element);
    this.#body.replaceChildren(element);
  }

  /** Draws the report again for the width that there is. */
  #fit() {
    const shown = this.#run.shown.value;
    if (this.#width === this.#options.stage.width || !shown || this.#run.previews.value) return;
    this.#drawn = null;
    this.#show(shown);
  }

  /** @param {Shown} shown */
  #report(shown) {
    const { report, from } = shown;
    this.element.toggleAttribute('data-from-file', from !== null);
    // It has become an earlier one; its pictures are the same.
    if (typeof this.#drawn === 'object' && this.#drawn !== null && 'report' in this.#drawn && this.#drawn.report === report) return;
    const element = this.#layOut(report);
    keepFolds(this.#body, element);
    element.append(h('p', { class: 'provenance' }, [report.model, report.device, from && `from ${from}, not computed here`].filter(Boolean).join(' \u00b7 ')));
    const { activeElement } = document;
    const focused = activeElement && this.#body.contains(activeElement) ? placeOf(activeElement) : null;
    const before = this.#body.querySelectorAll('.part');
    keepStops(before, element.querySelectorAll('.part'));
    this.#body.replaceChildren(element);
    // New results of the same shape have what was used at the same place.
    if (focused) focusOn(focused());
    this.#left.replaceChildren(...drawProblems(report.problems, this.#options));
  }

  /** @param {Report} report */
  #layOut(report) {
    const { title, stage, layout } = this.#options;
    stage.scope.end();
    this.#width = stage.width;
    try {
      return layOut(report, { title, stage, ...layout });
    } catch (error) {
      reportError(error);
      const message = error instanceof Error ? error.message : String(error);
      return h('div', { class: 'report' }, h('p', { class: 'notice notice-error', role: 'alert' }, `This figure cannot be drawn (${message}). Its numbers are in the study that \u201cExport\u201d saves.`));
    }
  }

  #showProblems() {
    const list = this.#left.querySelector('details');
    if (!list) return;
    list.open = true;
    list.scrollIntoView({ block: 'nearest' });
    list.querySelector('summary')?.focus();
  }
}
