// One figure of the study: heading, how to read it, settings, progress, and the latest report. Old results stay, dimmed,
// until new ones replace them, so that nothing jumps.

import { h } from '../dom.js';
import { formatDuration, formatSeconds, plural } from '../numbers.js';
import { keepFolds, updatePart } from '../reports/index.js';
import { drawProblems } from './problems.js';
import { layOut } from './report-view.js';

/** @import { EngineError } from '../engine/client.js' */
/** @import { Actions } from '../reports/actions.js' */
/** @import { Part, Place, Progress, Report } from '../types/engine.js' */
/** @import { Layout } from './report-view.js' */

/** Runs faster than this show no progress: it would only flash. */
const QUIET_MS = 300;
/** Previews replace old results only after the run has taken this long. */
const PATIENCE_MS = 1500;

/** @typedef {'waiting' | 'queued' | 'running' | 'fresh' | 'stale' | 'failed'} FigureState */

/**
 * @typedef {object} FigureOptions
 * @property {string} id
 * @property {string} title
 * @property {string[]} read paragraphs; words between asterisks are emphasised
 * @property {HTMLElement | null} controls between the prose and the results
 * @property {Actions} actions
 * @property {() => Pick<Layout, 'tables' | 'measure' | 'groupNamed'>} layout
 * @property {(place: Place) => string} describe names a place in the experiment
 * @property {(place: Place) => void} goTo focuses a place in the experiment
 * @property {(error: EngineError | null) => boolean} [placeError] shows an error at the field it concerns; false if it concerns none
 * @property {() => void} onCancel
 * @property {() => void} onRun
 */

export class Figure {
  /** @type {HTMLElement} */
  element;
  #options;
  #status = h('div', { class: 'figure-status' });
  #message = h('div', { class: 'figure-message' });
  #body = h('div', { class: 'figure-body' });
  #left = h('div', { class: 'figure-left-out' });
  #started = 0;
  #runs = 0;
  /** @type {Report | null} */
  #report = null;
  /** The file that the report came from. @type {string | null} */
  #from = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;
  /** @type {{ text: HTMLElement, bar: HTMLProgressElement } | null} */
  #progress = null;
  /** Previews, by their index in the report to come. @type {Map<number, Part>} */
  #previews = new Map();

  /** @param {FigureOptions} options */
  constructor(options) {
    this.#options = options;
    const heading = `${options.id}-title`;
    this.element = h(
      'section',
      { class: 'figure', id: options.id, 'aria-labelledby': heading, data: { state: 'waiting', run: 0 } },
      h('header', { class: 'figure-head' }, h('h3', { id: heading, tabindex: -1 }, options.title), this.#status),
      ...options.read.map((text) => h('p', { class: 'prose' }, ...emphasised(text))),
      options.controls,
      this.#message,
      this.#body,
      this.#left,
    );
  }

  /** Reserves space for results. @param {number} height in pixels */
  reserve(height) {
    this.element.style.setProperty('--reserve', `${height}px`);
  }

  /** @param {FigureState} state */
  #enter(state) {
    clearTimeout(this.#quiet);
    this.#progress = null;
    this.#status.replaceChildren();
    this.element.dataset.state = state;
    this.#body.toggleAttribute('aria-busy', false);
    if (state === 'stale' || state === 'queued' || state === 'running') this.#body.setAttribute('aria-busy', 'true');
  }

  /** Dims the results: their inputs have changed. */
  stale() {
    this.#enter('stale');
  }

  /** Marks the results as another model's, if nothing has been run with this one yet. @returns {boolean} false if there are no results */
  outdated() {
    if (!this.#report) return false;
    this.#enter('stale');
    this.#body.removeAttribute('aria-busy');
    this.#message.replaceChildren(h('div', { class: 'notice' }, h('span', {}, 'These are another model\u2019s results.'),
      h('button', { type: 'button', class: 'link', on: { click: this.#options.onRun } }, 'Compute')));
    return true;
  }

  /** The run is queued. */
  queue() {
    if (this.element.dataset.state === 'queued') return;
    this.#enter('queued');
    this.#message.replaceChildren();
    this.#quiet = setTimeout(() => this.#status.replaceChildren(h('span', {}, 'waits for its turn'), this.#cancelButton()), QUIET_MS);
    if (!this.#report) this.#place('waits for its turn\u2026');
  }

  /** The run has started. */
  start() {
    this.#enter('running');
    this.#started = performance.now();
    this.#previews.clear();
    // Previews must not be shorter than the results they replace.
    if (this.#report) this.#body.style.setProperty('min-height', `${this.#body.offsetHeight}px`);
    else this.#place('');
    this.#quiet = setTimeout(() => {
      const bar = h('progress', { 'aria-label': `Progress of ${this.#options.title}` });
      const text = h('span', { class: 'figure-progress' }, 'running\u2026');
      this.#progress = { text, bar };
      this.#status.replaceChildren(text, bar, this.#cancelButton());
    }, QUIET_MS);
  }

  #cancelButton() {
    return h('button', { type: 'button', class: 'link', 'aria-label': `Cancel ${this.#options.title}`, on: { click: this.#options.onCancel } }, 'Cancel');
  }

  /** @param {Progress} progress */
  progress({ stage, done, total, unit }) {
    if (!this.#progress || !(total > 0)) return;
    const elapsed = (performance.now() - this.#started) / 1000;
    const left = done > 0 && done < total ? `, ${formatSeconds((elapsed * (total - done)) / done)} left` : '';
    this.#progress.bar.max = total;
    this.#progress.bar.value = done;
    this.#progress.text.textContent = unit === 'prompts' || unit === 'patches' ? `${done} of ${plural(total, unit.slice(0, -1), unit)}${left}` : `${stage}${left}`;
  }

  /** Shows a preview of a part. @param {number} index @param {Part} part */
  preview(index, part) {
    if (this.#report && performance.now() - this.#started < PATIENCE_MS) return;
    const shown = this.#previews.has(index) && [...this.#body.querySelectorAll('.part')].find((one) => /** @type {HTMLElement} */ (one).dataset.title === part.title);
    this.#previews.set(index, part);
    if (shown && updatePart(shown, part)) return;
    const parts = [...this.#previews].sort(([a], [b]) => a - b).map(([, one]) => one);
    const drawn = this.#layOut({ analysis: this.#options.id, title: this.#options.title, model: '', device: '', problems: [], parts });
    drawn.classList.add('report-preview');
    this.#body.replaceChildren(drawn);
    this.#body.removeAttribute('aria-busy');
  }

  /**
   * @param {Report} report
   * @param {number | null} milliseconds how long the run took; null if there was no run
   * @param {string | null} [from] the file it came from
   */
  show(report, milliseconds, from = null) {
    this.#enter('fresh');
    this.#report = report;
    this.#from = from;
    this.element.toggleAttribute('data-from-file', from !== null);
    this.element.dataset.run = String((this.#runs += 1));
    if (milliseconds !== null) this.#status.append(h('span', {}, `computed in ${formatDuration(milliseconds)}`));
    if (report.problems.length > 0) {
      this.#status.append(h('button', { type: 'button', class: 'link link-error', on: { click: () => this.#showProblems() } }, plural(report.problems.length, 'problem')));
    }
    this.#options.placeError?.(null);
    this.#message.replaceChildren();
    this.#left.replaceChildren(...drawProblems(report.problems, this.#options));
    this.#previews.clear();
    this.#body.style.removeProperty('min-height');
    this.redraw();
  }

  /** @param {Report} report */
  #layOut(report) {
    const { title, actions, layout } = this.#options;
    return layOut(report, { title, actions, ...layout(), redraw: () => this.redraw() });
  }

  /** Redraws the report after a change of the view. */
  redraw() {
    if (!this.#report || this.#previews.size > 0) return;
    const focused = document.activeElement;
    const place = this.#body.contains(focused) ? [...this.#body.querySelectorAll('button, select')].indexOf(/** @type {Element} */ (focused)) : -1;
    const drawn = this.#layOut(this.#report);
    keepFolds(this.#body, drawn);
    drawn.append(h('p', { class: 'provenance' }, [this.#report.model, this.#report.device, this.#from && `from ${this.#from}, not computed here`].filter(Boolean).join(' \u00b7 ')));
    this.#body.replaceChildren(drawn);
    // Keep the focus on the control that was used.
    if (place >= 0) /** @type {HTMLElement | undefined} */ ([...this.#body.querySelectorAll('button, select')][place])?.focus({ preventScroll: true });
  }

  /** Marks the results as up to date again. */
  fresh() {
    this.#enter('fresh');
    this.element.dataset.run = String((this.#runs += 1));
    this.#options.placeError?.(null);
    this.#message.replaceChildren();
  }

  /** @param {EngineError} error */
  fail(error) {
    this.#enter('failed');
    this.#previews.clear();
    if (this.#options.placeError?.(error)) {
      this.#message.replaceChildren();
      return;
    }
    const cancelled = error.code === 'cancelled';
    const { place } = error;
    if (!this.#report) this.#body.replaceChildren();
    this.#message.replaceChildren(
      h('div', { class: cancelled ? 'notice' : 'notice notice-error', role: 'alert', data: { code: error.code } },
        h('span', {}, cancelled ? (this.#report ? 'Cancelled. The results below are of an earlier run.' : 'Cancelled.') : error.message),
        place && h('button', { type: 'button', class: 'link', on: { click: () => this.#options.goTo(place) } }, 'Go to the field'),
        h('button', { type: 'button', class: 'link', on: { click: this.#options.onRun } }, 'Run again')),
    );
  }

  /** Shows a placeholder. @param {string} text @param {boolean} [askable] whether to offer a button that runs it */
  wait(text, askable = false) {
    this.#enter('waiting');
    this.#report = null;
    this.#options.placeError?.(null);
    this.#message.replaceChildren();
    this.#left.replaceChildren();
    this.#body.style.removeProperty('min-height');
    this.#place(text, askable ? h('button', { type: 'button', class: 'quiet', on: { click: this.#options.onRun } }, 'Compute') : null);
  }

  /** Shows an estimate of the run time in the placeholder. @param {string} text */
  estimate(text) {
    const shown = this.#body.querySelector('.placeholder > p');
    if (shown && this.element.dataset.state === 'waiting' && shown.textContent !== text) shown.textContent = text;
  }

  /** @param {string} text @param {HTMLElement | null} [button] */
  #place(text, button = null) {
    this.#body.replaceChildren(h('div', { class: 'placeholder' }, h('p', {}, text), button));
  }

  #showProblems() {
    const list = this.#left.querySelector('details');
    if (!list) return;
    list.open = true;
    list.scrollIntoView({ block: 'nearest' });
    list.querySelector('summary')?.focus();
  }
}

/** @param {string} text words between asterisks are emphasised */
export function emphasised(text) {
  return text.split('*').map((words, index) => (index % 2 === 1 ? h('em', {}, words) : words));
}
