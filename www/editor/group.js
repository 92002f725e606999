// One group in the editor: a fold with its name, its symmetric-pairs checkbox and its pairs. The pairs are built when the
// fold is first opened, so that fifty groups cost nothing.

import { h, icon, iconButton } from '../dom.js';
import { emptyPair, fullPair, isEmptyPair } from '../store/experiment.js';
import { mended, mendsOf } from '../store/mends.js';
import { linesOf } from '../store/pasted.js';
import { plural } from '../numbers.js';
import { PairRow } from './pair-row.js';
import { PairView } from './pair.js';

/** @import { FullGroup } from '../store/experiment.js' */
/** @import { Store } from '../store/store.js' */
/** @import { Checked, Experiment, Field, PairTokens, Problem } from '../types/engine.js' */

/**
 * @typedef {object} GroupActions
 * @property {(focus: { group: number, pair: number | null, field: Field | null }) => void} focusNext sets what gets the focus after the next redraw
 * @property {() => void} onEnter
 * @property {(pasted?: string) => void} onPaste opens the paste dialog for this group
 * @property {(experiment: Experiment) => Promise<Checked | null>} check
 */

/** With more pairs than this, each is one line until it is opened. */
const FEW_PAIRS = 4;

export class GroupView {
  /** @type {HTMLDetailsElement} */
  element;
  #store;
  #index;
  #actions;
  /** @type {(PairView | PairRow)[] | null} */
  #pairs = null;
  #title = h('span', { class: 'group-title' });
  #count = h('span', { class: 'group-count' });
  #result = h('span', { class: 'group-result' });
  #problem = h('p', { class: 'field-error', hidden: true });
  #odd = h('span', {});
  #mendAll = h('p', { class: 'hint', hidden: true }, this.#odd, ' ', h('button', { type: 'button', class: 'link', on: { click: () => this.#mend() } }, 'Mend them all'));
  #roles = h('span', {});
  #body = h('div', { class: 'group-body' });
  /** @type {{ tokens: PairTokens[], problems: Problem[] }} */
  #checked = { tokens: [], problems: [] };

  /** @param {Store} store @param {number} index @param {boolean} open @param {GroupActions} actions */
  constructor(store, index, open, actions) {
    this.#store = store;
    this.#index = index;
    this.#actions = actions;
    this.element = h('details', { class: 'group', open, data: { group: index } },
      h('summary', {}, icon('chevron'), this.#title, this.#count, this.#result),
      this.#body);
    this.refreshHead();
    if (open) this.#fill();
    this.element.addEventListener('toggle', () => this.element.open && this.#fill());
  }

  /** @returns {FullGroup} */
  get #group() {
    return this.#store.experiment.groups[this.#index];
  }

  refreshHead() {
    this.#title.textContent = this.#group.name || 'unnamed group';
    this.#count.textContent = plural(this.#group.pairs.length, 'pair');
    const names = this.#group.roles.map(({ name }) => name);
    this.#roles.textContent = names.length > 0 ? `Roles: ${names.join(', ')}` : 'Add roles';
  }

  async #editRoles() {
    const { openRolesDialog } = await import('./roles-dialog.js');
    openRolesDialog({
      group: this.#group,
      bos: this.#store.experiment.prepend_bos,
      check: this.#actions.check,
      onSave: ({ roles, pairs }) => {
        this.#edit('', (own) => {
          own.roles = roles;
          own.pairs = pairs;
        });
        this.refreshHead();
      },
    });
  }

  #fill() {
    if (this.#pairs) return;
    const group = this.#group;
    const name = h('input', { type: 'text', id: `group-name-${this.#index}`, autocomplete: 'off', data: { hook: 'group-name' }, on: { input: () => this.#edit('name', (own) => { own.name = name.value; }) } });
    name.value = group.name;
    const symmetric = h('input', { type: 'checkbox', on: { change: () => this.#edit('', (own) => { own.symmetric = symmetric.checked; }) } });
    symmetric.checked = group.symmetric;
    this.#pairs = group.pairs.map((_, p) => this.#makePair(p));
    this.#body.append(
      h('div', { class: 'group-head' },
        h('div', { class: 'field field-name' }, h('label', { for: name.id }, 'name'), name),
        iconButton('copy', `Duplicate group ${group.name}`, () => this.#duplicate()),
        iconButton('cross', `Remove group ${group.name}`, () => this.#remove())),
      h('label', { class: 'check', tip: 'Each pair is used in both directions: its two prompts corrupt each other.' }, symmetric, 'symmetric pairs'),
      this.#problem,
      this.#mendAll,
      ...this.#pairs.map((pair) => pair.element),
      h('div', { class: 'adds' },
        h('button', { type: 'button', class: 'add', on: { click: () => this.#addPairs(group.pairs.length, [emptyPair()]) } }, icon('plus'), 'Add a pair'),
        h('button', { type: 'button', class: 'add', on: { click: () => this.#actions.onPaste() } }, icon('copy'), 'Paste pairs'),
        h('button', { type: 'button', class: 'add', data: { hook: 'roles' }, tip: 'Names for some tokens of the prompts, so that maps can be by role.', on: { click: () => void this.#editRoles() } }, icon('plus'), this.#roles)),
    );
    this.#drawCheck();
  }

  /** @param {number} p */
  #makePair(p) {
    const group = this.#group;
    const place = { group: this.#index, index: p, symmetric: group.symmetric };
    /** @type {import('./pair.js').PairActions} */
    const actions = {
      onInput: (field, text) => this.#edit(`${p} ${field}`, (own) => { own.pairs[p][field] = text; }),
      onMore: (field, tokens) => this.#edit(`${p} ${field}`, (own) => { own.pairs[p][field] = tokens; }),
      onPaste: (text, like) => {
        // A line without tabs is a prompt like any other, even with a | in it.
        if (!text.includes('\t')) return false;
        const lines = linesOf(text, like);
        const pairs = lines.flatMap(({ pair }) => (pair ? fullPair(pair) : []));
        const replace = isEmptyPair(this.#group.pairs[p]);
        if (pairs.length < lines.length) this.#actions.onPaste(text);
        else if (pairs.length > 0) this.#addPairs(replace ? p : p + 1, pairs, replace ? 1 : 0);
        return true;
      },
      onDuplicate: () => this.#addPairs(p + 1, [{ ...this.#group.pairs[p] }]),
      onRemove: () => {
        this.#actions.focusNext({ group: this.#index, pair: Math.min(p, group.pairs.length - 2), field: 'clean' });
        this.#edit('', (own) => { own.pairs.splice(p, 1); });
      },
      onEnter: this.#actions.onEnter,
      onMend: () => this.#mend(p),
    };
    return group.pairs.length > FEW_PAIRS ? new PairRow(() => this.#group.pairs[p], place, actions) : new PairView(group.pairs[p], place, actions);
  }

  /** @param {number} [only] the pair; all of them if it is left out */
  #mend(only) {
    this.#actions.focusNext({ group: this.#index, pair: only ?? 0, field: 'clean' });
    this.#edit('', (own) => { own.pairs = own.pairs.map((pair, p) => (only === undefined || only === p ? mended(pair) : pair)); });
  }

  /** @param {number} at @param {import('../store/experiment.js').FullPair[]} pairs @param {number} [replace] */
  #addPairs(at, pairs, replace = 0) {
    this.#actions.focusNext({ group: this.#index, pair: at, field: 'clean' });
    this.#edit('', (own) => { own.pairs.splice(at, replace, ...pairs); });
  }

  #duplicate() {
    this.#actions.focusNext({ group: this.#index + 1, pair: null, field: null });
    this.#store.edit((experiment) => {
      const copy = structuredClone(experiment.groups[this.#index]);
      copy.name = `${copy.name} (copy)`;
      experiment.groups.splice(this.#index + 1, 0, copy);
    });
  }

  #remove() {
    this.#actions.focusNext({ group: Math.max(0, this.#index - 1), pair: null, field: null });
    this.#store.edit((experiment) => { experiment.groups.splice(this.#index, 1); });
  }

  /** @param {string} field the text field that is being typed in, or '' @param {(group: FullGroup) => void} edit */
  #edit(field, edit) {
    this.#store.edit((experiment) => edit(experiment.groups[this.#index]), field ? { key: `${this.#index} ${field}` } : {});
    if (field) this.refreshHead();
  }

  /** @param {PairTokens[]} tokens @param {Problem[]} problems those of this group */
  showCheck(tokens, problems) {
    this.#checked = { tokens, problems };
    this.#drawCheck();
  }

  #drawCheck() {
    const { tokens } = this.#checked;
    // A pair in which nothing has been typed yet is no mistake.
    const problems = this.#checked.problems.filter(({ place }) => {
      const pair = this.#group.pairs[place?.pair ?? -1];
      return !pair || !isEmptyPair(pair);
    });
    const own = problems.filter((problem) => (problem.place?.pair ?? null) === null);
    this.#problem.hidden = own.length === 0;
    this.#problem.textContent = own.map((problem) => problem.message).join(' ');
    this.element.classList.toggle('has-problems', problems.length > 0);
    this.#count.textContent = problems.length > 0
      ? plural(problems.length, 'problem')
      : plural(this.#group.pairs.length, 'pair');
    const odd = this.#group.pairs.filter((pair) => mendsOf(pair).length > 0).length;
    this.#mendAll.hidden = odd < 2;
    this.#odd.textContent = `${odd} pairs look as if a phone, a word processor or a spreadsheet had changed them.`;
    this.#pairs?.forEach((pair, p) => pair.showCheck(tokens[p], problems.filter((problem) => problem.place?.pair === p)));
  }

  /** Shows the group's mean beside its name. @param {{ text: string, sign: number, value: number } | null} result */
  showResult(result) {
    this.#result.textContent = result?.text ?? '';
    this.#result.dataset.sign = String(result?.sign ?? 0);
  }

  /** @param {number | null} pair @param {Field | null} field */
  focus(pair, field) {
    if (pair === null && field === null) {
      this.element.querySelector('summary')?.focus();
      return;
    }
    this.element.open = true;
    this.#fill();
    const view = this.#pairs?.[pair ?? 0];
    if (view) view.focus(field);
    else this.element.querySelector('summary')?.focus();
  }
}
