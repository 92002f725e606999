// An inspector card: what is inspected, on which prompt, and the engine's results for it.

import { casesOf } from '../experiment.js';
import { h, iconButton } from '../dom.js';
import { visible } from '../reports/grid-view.js';
import { onlyGroups } from '../study/groups.js';
import { itemName } from './item.js';
import { numbersTable } from './numbers.js';

/** @import { EngineError } from '../engine/client.js' */
/** @import { State } from '../state.js' */
/** @import { Study } from '../study/study.js' */
/** @import { Setup } from '../study/setup.js' */
/** @import { Report } from '../types/engine.js' */
/** @import { Item } from './item.js' */

/**
 * @typedef {object} CardKind how one kind of card requests and draws its results
 * @property {(item: Item, prompt: number, fields: HTMLElement, text: string) => { analysis: string, settings: Record<string, string | number | boolean> }} ask the request
 * @property {(report: Report, item: Item) => (Node | null)[]} draw
 * @property {(item: Item, card: Card) => HTMLElement[]} fields controls above the results
 * @property {string} what the kind's name, as shown
 */

/**
 * @typedef {object} CardOptions
 * @property {State} state
 * @property {Setup} setup
 * @property {Study} study
 * @property {CardKind} kind
 * @property {boolean} pinned
 * @property {(item: Item) => void} onChange another group was chosen
 * @property {() => void} onPin
 * @property {() => void} onClose
 */

let asked = 0;

export class Card {
  /** @type {HTMLElement} */
  element;
  item;
  #options;
  #prompt = 0;
  #key = '';
  #title;
  #where = h('div', { class: 'card-where' });
  #fields = h('div', { class: 'card-fields' });
  #body = h('div', { class: 'card-body' });
  #numbers = h('div', { class: 'card-numbers' });

  // For the scheduler: the inspector comes before everything else, the last clicked card first.
  order = 0;
  urgency() { return 3; }

  /** @param {Item} item @param {CardOptions} options */
  constructor(item, options) {
    this.item = item;
    this.#options = options;
    const name = itemName(item);
    const { kind, pinned, onPin, onClose } = options;
    this.#title = h('h3', { class: 'card-title', tabindex: -1 }, name);
    this.element = h(
      'section',
      { class: 'card', 'aria-label': `${kind.what} ${name}`, data: { item: name, kind: item.kind, state: 'waiting' } },
      h('header', { class: 'card-head' },
        h('div', { class: 'card-name' }, h('p', { class: 'card-kind' }, kind.what), this.#title),
        h('button', { type: 'button', class: 'quiet card-pin', 'aria-pressed': String(pinned), tip: pinned ? 'Unpin' : 'Keep this card beside the next one', on: { click: onPin } }, pinned ? 'Pinned' : 'Pin'),
        iconButton('cross', `Close ${name}`, onClose)),
      this.#where,
      this.#fields,
      this.#body,
      this.#numbers,
    );
    this.#fields.replaceChildren(...kind.fields(item, this));
    this.refresh();
  }

  focus() {
    this.#title.focus();
  }

  /** Runs the request again if anything that the card depends on has changed. */
  refresh() {
    const { state, study, kind } = this.#options;
    const { experiment } = state;
    this.#drawWhere();
    this.drawNumbers();
    if (!experiment.groups[this.item.group] || !study.isBuilt || !study.hasModel) return;
    const cases = casesOf(experiment).filter((item) => item.group === this.item.group);
    const { analysis, settings } = kind.ask(this.item, this.#prompt, this.#fields, cases[this.#prompt]?.prompt ?? '');
    const ask = { analysis, settings, experiment: onlyGroups(experiment, [this.item.group]), shown: [this.item.group] };
    const key = JSON.stringify([study.serial, ask]);
    if (key === this.#key) return;
    this.#key = key;
    this.order = -(asked += 1);
    this.element.dataset.state = 'running';
    this.#body.setAttribute('aria-busy', 'true');
    study.scheduler.ask(this, ask);
  }

  drawNumbers() {
    const { study } = this.#options;
    this.#numbers.replaceChildren(...numbersTable(this.item, study.results, (analysis) => study.goToFigure(analysis)));
  }

  /** Draws the choice of group and prompt. */
  #drawWhere() {
    const { experiment } = this.#options.state;
    const cases = casesOf(experiment).filter((item) => item.group === this.item.group);
    this.#prompt = Math.max(0, Math.min(this.#prompt, cases.length - 1));
    const group = h('select', { 'aria-label': 'Group', on: { change: () => this.#options.onChange({ ...this.item, group: group.selectedIndex }) } },
      ...experiment.groups.map((one, index) => h('option', { selected: index === this.item.group }, one.name || `group ${index}`)));
    const prompt = h('select', { 'aria-label': 'Prompt', on: { change: () => {
      this.#prompt = prompt.selectedIndex;
      this.refresh();
    } } }, ...cases.map((one, index) => h('option', { selected: index === this.#prompt }, `${index + 1}: ${visible(one.prompt)}`)));
    this.#where.replaceChildren(group, prompt);
  }

  /** Shows the same item on another group. @param {Item} item */
  move(item) {
    if (item.group === this.item.group) return;
    this.item = item;
    this.refresh();
  }

  /** The card has been removed from the page. */
  leave() {
    this.#options.study.scheduler.drop(this);
  }

  onStart() {}

  onProgress() {}

  onPreview() {}

  /** @param {Report} report */
  onReport(report) {
    this.element.dataset.state = 'fresh';
    this.#body.removeAttribute('aria-busy');
    const problems = report.parts.length === 0 ? report.problems.map((problem) => h('p', { class: 'field-error' }, problem.message)) : [];
    this.#body.replaceChildren(...problems, ...this.#options.kind.draw(report, this.item).filter((node) => node !== null));
  }

  /** @param {EngineError} error */
  onError(error) {
    this.element.dataset.state = 'failed';
    this.#key = '';
    this.#body.removeAttribute('aria-busy');
    this.#body.replaceChildren(h('p', { class: 'notice notice-error', role: 'alert' }, error.message));
  }
}
