// The frame around a section's results: its heading, what is going on, and the last report. Old results stay, dimmed,
// until new ones take their place, so that nothing jumps.

import { h } from '../dom.js';
import { formatDuration, formatSeconds, plural } from '../numbers.js';
import { say } from '../messages.js';
import { drawReport, keepFolds } from '../reports/index.js';

/** @import { EngineError } from '../engine/client.js' */
/** @import { DotActions } from '../reports/dots.js' */
/** @import { Place, Problem, Progress, Report } from '../types/engine.js' */

/** Faster work than this shows no progress: a flash says nothing. */
const QUIET_MS = 300;

/**
 * @typedef {object} FigureOptions
 * @property {string} id
 * @property {string} [number] the section's number
 * @property {string} title
 * @property {(Node | string)[]} prose
 * @property {HTMLElement | null} [controls] what stands between the prose and the results
 * @property {string} waiting what to say while no model is open
 * @property {DotActions} [actions]
 * @property {(place: Place) => string} describe a place of the experiment in words
 * @property {(place: Place) => void} goTo shows a place of the experiment
 * @property {(error: EngineError | null) => boolean} [placeError] shows an error at the field it concerns; false if there is none
 * @property {(report: Report) => void} [onReport] a new report is shown
 * @property {() => void} onCancel
 * @property {() => void} onRetry
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
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;
  /** @type {{ text: HTMLElement, bar: HTMLProgressElement } | null} */
  #progress = null;

  /** @param {FigureOptions} options */
  constructor(options) {
    this.#options = options;
    const heading = `${options.id}-title`;
    this.element = h(
      'section',
      { class: 'figure', id: options.id, 'aria-labelledby': heading, data: { state: 'waiting', run: 0 } },
      h('header', { class: 'figure-head' },
        h('h2', { id: heading }, options.number && h('span', { class: 'figure-number' }, options.number), options.title),
        this.#status),
      h('p', { class: 'prose' }, ...options.prose),
      options.controls,
      this.#message,
      this.#body,
      this.#left,
    );
    this.wait(options.waiting);
  }

  /** Keeps room for results that are still to come. @param {number} height in pixels */
  reserve(height) {
    this.element.style.setProperty('--reserve', `${height}px`);
  }

  /** Something that the results depend on has changed. */
  stale() {
    this.#stopProgress();
    this.element.dataset.state = 'stale';
    this.#body.setAttribute('aria-busy', 'true');
  }

  /** The engine has been asked. */
  busy() {
    this.stale();
    this.#started = performance.now();
    this.#quiet = setTimeout(() => {
      const bar = h('progress', { 'aria-label': `Progress of ${this.#options.title}` });
      const text = h('span', { class: 'figure-progress' }, 'running\u2026');
      this.#progress = { text, bar };
      this.#status.replaceChildren(text, bar, h('button', { type: 'button', class: 'link', on: { click: this.#options.onCancel } }, 'Cancel'));
    }, QUIET_MS);
  }

  /** @param {Progress} progress */
  progress({ stage, done, total, unit }) {
    if (!this.#progress || !(total > 0)) return;
    const elapsed = (performance.now() - this.#started) / 1000;
    const left = done > 0 && done < total ? `, ${formatSeconds((elapsed * (total - done)) / done)} left` : '';
    this.#progress.bar.max = total;
    this.#progress.bar.value = done;
    this.#progress.text.textContent = unit === 'prompts' ? `${done} of ${plural(total, 'prompt')}${left}` : `${stage}${left}`;
  }

  /** @param {Report} report */
  show(report) {
    this.#stopProgress();
    this.element.dataset.state = 'fresh';
    this.element.dataset.run = String((this.#runs += 1));
    this.#status.replaceChildren(h('span', {}, `computed in ${formatDuration(performance.now() - this.#started)}`));
    const count = report.problems.length;
    if (count > 0) {
      this.#status.append(h('button', { type: 'button', class: 'link link-error', on: { click: () => this.#showProblems() } }, plural(count, 'problem')));
    }
    this.#options.placeError?.(null);
    this.#message.replaceChildren();
    this.#left.replaceChildren(...this.#drawProblems(report.problems));
    const drawn = drawReport(report, this.#options.actions);
    keepFolds(this.#body, drawn);
    drawn.append(h('p', { class: 'provenance' }, `${report.model} \u00b7 ${report.device}`));
    this.#body.replaceChildren(drawn);
    this.#body.removeAttribute('aria-busy');
    this.#options.onReport?.(report);
    say(`${this.#options.title} Results are up to date.`);
  }

  /** @param {EngineError} error */
  fail(error) {
    this.#stopProgress();
    this.element.dataset.state = 'failed';
    this.#body.removeAttribute('aria-busy');
    if (this.#options.placeError?.(error)) {
      this.#message.replaceChildren();
      return;
    }
    const cancelled = error.code === 'cancelled';
    const place = error.place;
    this.#message.replaceChildren(
      h('div', { class: cancelled ? 'notice' : 'notice notice-error', role: 'alert', data: { code: error.code } },
        h('span', {}, cancelled ? 'Cancelled. The results below are of an earlier run.' : error.message),
        place && this.#goTo(place),
        h('button', { type: 'button', class: 'link', on: { click: this.#options.onRetry } }, 'Run again')),
    );
  }

  /** No model is open, or there is nothing to run. @param {string} text */
  wait(text) {
    this.#stopProgress();
    this.element.dataset.state = 'waiting';
    this.#options.placeError?.(null);
    this.#message.replaceChildren();
    this.#left.replaceChildren();
    this.#body.removeAttribute('aria-busy');
    this.#body.replaceChildren(h('p', { class: 'placeholder' }, text));
  }

  #stopProgress() {
    clearTimeout(this.#quiet);
    this.#progress = null;
    this.#status.replaceChildren();
  }

  #showProblems() {
    const list = this.#left.querySelector('details');
    if (!list) return;
    list.open = true;
    list.scrollIntoView({ block: 'nearest' });
    list.querySelector('summary')?.focus();
  }

  /**
   * What was left out, below the figure, so that the figure stays where it is.
   *
   * @param {Problem[]} problems
   */
  #drawProblems(problems) {
    if (problems.length === 0) return [];
    return [
      h('details', { class: 'notice notice-warning', open: problems.length <= 3 },
        h('summary', {}, `Left out of the figure: ${plural(problems.length, 'problem')} in the experiment`),
        h('ul', {}, ...problems.map((problem) =>
          h('li', { data: { code: problem.code } },
            problem.place && h('strong', {}, `${this.#options.describe(problem.place)}: `),
            problem.message,
            problem.place && this.#goTo(problem.place))))),
    ];
  }

  /** @param {Place} place */
  #goTo(place) {
    return h('button', { type: 'button', class: 'link', on: { click: () => this.#options.goTo(place) } }, 'Go to the field');
  }
}
