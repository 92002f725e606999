// An inspector card: what is inspected, on which prompt, and the engine's results for it.

import { computed, effect, signal, untracked } from '../vendor/dist/libraries.js';
import { h, iconButton } from '../dom.js';
import { visible } from '../reports/grid-view.js';
import { Scope } from '../scope.js';
import { casesOf } from '../store/experiment.js';
import { itemName } from '../store/item.js';
import { onlyGroups } from '../study/groups.js';
import { Run } from '../study/run.js';
import { numbersTable } from './numbers.js';

/** @import { Stage } from '../reports/stage.js' */
/** @import { Item } from '../store/item.js' */
/** @import { Store } from '../store/store.js' */
/** @import { Results } from '../study/results.js' */
/** @import { Study } from '../study/study.js' */
/** @import { Report } from '../types/engine.js' */

/**
 * What can be chosen on a card. Kinds use what they have a field for.
 *
 * @typedef {object} Choices
 * @property {number} prompt index among the group's prompts
 * @property {string} text a text instead of the prompt
 * @property {string} full the activation at which a colour is full
 * @property {number} effect index of what a patched activation becomes
 * @property {string} others what else is patched in the same run
 */

/**
 * @typedef {object} CardKind how one kind of card requests and draws its results
 * @property {string} what the kind's name, as shown
 * @property {string} analysis
 * @property {(item: Item, choices: Choices, text: string) => Record<string, string | number | boolean>} settings of the request; `text` is the prompt's
 * @property {(report: Report, stage: Stage) => (Node | null)[]} draw
 * @property {(item: Item, change: (choices: Partial<Choices>) => void) => HTMLElement[]} fields controls above the results
 */

/**
 * @typedef {object} CardOptions
 * @property {Store} store
 * @property {Study} study
 * @property {Results} results of all cards
 * @property {Stage} stage
 * @property {CardKind} kind
 * @property {() => boolean} isPinned
 * @property {(item: Item) => void} onChange another group was chosen
 * @property {() => void} onPin
 * @property {() => void} onClose
 */

let made = 0;

export class Card {
  /** @type {HTMLElement} */
  element;
  #item;
  #choices = signal(/** @type {Choices} */ ({ prompt: 0, text: '', full: '', effect: 0, others: '' }));
  #options;
  #run;
  #scope = new Scope();
  #title;
  #body = h('div', { class: 'card-body' });

  /** @param {Item} item @param {CardOptions} options */
  constructor(item, options) {
    const { store, study, kind, stage, results, isPinned, onPin, onClose } = options;
    this.#options = options;
    this.#item = signal(item);
    const name = itemName(item);
    const pin = h('button', { type: 'button', class: 'quiet card-pin', on: { click: onPin } });
    const where = h('div', { class: 'card-where' });
    const numbers = h('div', { class: 'card-numbers' });
    this.#title = h('h3', { class: 'card-title', tabindex: -1 }, name);
    this.element = h(
      'section',
      { class: 'card', 'aria-label': `${kind.what} ${name}`, data: { item: name, kind: item.kind, state: 'waiting' } },
      h('header', { class: 'card-head' }, h('div', { class: 'card-name' }, h('p', { class: 'card-kind' }, kind.what), this.#title), pin, iconButton('cross', `Close ${name}`, onClose)),
      where,
      h('div', { class: 'card-fields' }, ...kind.fields(item, (choices) => { this.#choices.value = { ...this.#choices.value, ...choices }; })),
      this.#body,
      numbers,
    );
    const cases = computed(() => casesOf(store.experiment).filter((one) => one.group === this.#item.value.group));
    const prompt = computed(() => Math.max(0, Math.min(this.#choices.value.prompt, cases.value.length - 1)));
    this.#run = new Run({
      entry: { analysis: kind.analysis, section: '', read: [], eager: true, inspects: true },
      // The card made last first.
      order: -(made += 1),
      store, results, scheduler: study.scheduler, timing: study.timing, onDone() {},
      ask: () => {
        const { group } = this.#item.value;
        if (!store.experiment.groups[group]) return 'The group is not there any more.';
        const settings = kind.settings(this.#item.value, { ...this.#choices.value, prompt: prompt.value }, cases.value[prompt.value]?.prompt ?? '');
        return { analysis: kind.analysis, settings, experiment: onlyGroups(store.experiment, [group]), shown: [group] };
      },
    });
    this.#scope.add(() => this.#run.end());
    this.#scope.add(() => stage.scope.end());
    this.#follow(() => this.#drawWhere(where, cases.value.map((one) => one.prompt), prompt.value));
    this.#follow(() => {
      const pinned = isPinned();
      pin.setAttribute('aria-pressed', String(pinned));
      pin.dataset.tip = pinned ? 'Unpin' : 'Keep this card beside the next one';
      pin.textContent = pinned ? 'Pinned' : 'Pin';
    });
    this.#follow(() => numbers.replaceChildren(...numbersTable(this.#item.value, study.computed, (analysis) => study.goToFigure(analysis))));
    this.#follow(() => this.#drawState());
    /** @type {Report | null} */
    let drawn = null;
    this.#follow(() => {
      const report = this.#run.error ? null : this.#run.shown.value?.report ?? null;
      if (!report || report === drawn) return;
      drawn = report;
      untracked(() => this.#draw(report));
    });
  }

  /** @param {() => void} draw called again when what it reads changes, as long as the card is there */
  #follow(draw) {
    this.#scope.add(effect(draw));
  }

  get item() {
    return this.#item.value;
  }

  focus() {
    this.#title.focus();
  }

  /** Shows the same item on another group. @param {Item} item */
  move(item) {
    this.#item.value = item;
  }

  /** The card has been removed from the page. */
  leave() {
    this.#scope.end();
  }

  #written = '';
  /** The choice of group and prompt. Only what has changed is written, so that a list that is being used stays. @param {HTMLElement} where @param {string[]} prompts @param {number} prompt */
  #drawWhere(where, prompts, prompt) {
    const { store, onChange } = this.#options;
    const names = store.experiment.groups.map((one, index) => one.name || `group ${index}`);
    const texts = prompts.map((text, index) => `${index + 1}: ${visible(text)}`);
    const written = JSON.stringify([names, texts]);
    if (written !== this.#written) {
      this.#written = written;
      const group = h('select', { 'aria-label': 'Group', on: { change: () => onChange({ ...this.item, group: group.selectedIndex }) } }, ...names.map((name) => h('option', {}, name)));
      const list = h('select', { 'aria-label': 'Prompt', on: { change: () => { this.#choices.value = { ...this.#choices.value, prompt: list.selectedIndex }; } } }, ...texts.map((text) => h('option', {}, text)));
      const focused = [...where.children].indexOf(/** @type {any} */ (document.activeElement));
      where.replaceChildren(group, list);
      if (focused >= 0) /** @type {HTMLElement} */ (where.children[focused]).focus();
    }
    const [group, list] = where.querySelectorAll('select');
    group.selectedIndex = this.#item.value.group;
    list.selectedIndex = prompt;
  }

  #drawState() {
    const state = this.#run.state.value;
    const { error } = this.#run;
    const ask = this.#run.ask.value;
    const isBusy = ['stale', 'queued', 'running'].includes(state);
    this.element.dataset.state = isBusy ? 'running' : state === 'fresh' || state === 'failed' ? state : 'waiting';
    this.#body.toggleAttribute('aria-busy', false);
    if (isBusy) this.#body.setAttribute('aria-busy', 'true');
    untracked(() => {
      const hasReport = this.#run.shown.value !== null;
      if (error) this.#body.replaceChildren(h('p', { class: 'notice notice-error', role: 'alert' }, error.message));
      else if (!hasReport) this.#body.replaceChildren(h('p', { class: 'hint' }, typeof ask === 'string' ? ask : isBusy ? 'running\u2026' : ''));
    });
  }

  /** @param {Report} report */
  #draw(report) {
    const { kind, stage } = this.#options;
    stage.scope.end();
    const problems = report.parts.length === 0 ? report.problems.map((problem) => h('p', { class: 'field-error' }, problem.message)) : [];
    this.#body.replaceChildren(...problems, ...kind.draw(report, stage).filter((node) => node !== null));
  }
}
