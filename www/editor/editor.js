// The experiment editor. Typing only updates the state; the elements are rebuilt when groups or pairs are added or removed.

import { batch, effect, untracked } from '../vendor/dist/libraries.js';
import { h, icon, iconButton } from '../dom.js';
import { formatQuantity } from '../numbers.js';
import { emptyGroup, freeName, fullPair, MOST_PAIRS, pairsOf } from '../store/experiment.js';
import { GroupView } from './group.js';

/** @import { Store, Structure } from '../store/store.js' */
/** @import { Checked, Dots, Experiment, Field, Place } from '../types/engine.js' */

export class Editor {
  #store;
  #root;
  #onEnter;
  #check;
  /** @type {GroupView[]} */
  #groups = [];
  /** @type {{ group: number, pair: number | null, field: Field | null } | null} */
  #focusNext = null;
  #undo = iconButton('undo', 'Undo', () => this.#store.undo());
  #redo = iconButton('redo', 'Redo', () => this.#store.redo());

  /**
   * @param {Store} store
   * @param {{ root: HTMLElement, tools: HTMLElement, presets: HTMLElement, onEnter: () => void, check: (experiment: Experiment) => Promise<Checked | null> }} options
   */
  constructor(store, { root, tools, presets, onEnter, check }) {
    this.#store = store;
    this.#root = root;
    this.#onEnter = onEnter;
    this.#check = check;
    tools.append(presets, this.#undo, this.#redo);
    document.addEventListener('keydown', (event) => this.#shortcut(event));
    effect(() => {
      const { structure, isStarted } = store;
      if (isStarted) untracked(() => this.#draw(structure));
    });
    effect(() => {
      this.#undo.disabled = !store.canUndo.value;
      this.#redo.disabled = !store.canRedo.value;
    });
  }

  /** Undo and redo outside text fields, which have their own. @param {KeyboardEvent} event */
  #shortcut(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (event.target instanceof Element && event.target.closest('input:not([type=checkbox]), textarea')) return;
    const key = event.key.toLowerCase();
    if (key === 'z' && !event.shiftKey) this.#store.undo();
    else if (key === 'y' || (key === 'z' && event.shiftKey)) this.#store.redo();
    else return;
    event.preventDefault();
  }

  /** @param {Structure} structure */
  #draw({ moved }) {
    const { experiment } = this.#store;
    const opened = this.#groups.map((group) => group.element.open);
    const scroll = this.#root.scrollTop;
    this.#groups = experiment.groups.map((_, g) =>
      // Another experiment begins with its first group open.
      new GroupView(this.#store, g, moved.every((from) => from === null) ? g === 0 : (opened[moved[g] ?? -1] ?? false), {
        focusNext: (place) => { this.#focusNext = place; },
        onEnter: this.#onEnter,
        onPaste: (pasted) => void this.#paste(g, pasted),
        check: this.#check,
      }));
    const bos = h('input', { type: 'checkbox', id: 'prepend-bos', on: { change: () => this.#store.edit((own) => { own.prepend_bos = bos.checked; }) } });
    bos.checked = experiment.prepend_bos;
    this.#root.replaceChildren(
      h('label', { class: 'check check-bos', tip: 'TransformerLens\u2019s prepend_bos: GPT-2 behaves oddly without it.' }, bos, h('span', {}, 'prepend ', h('code', {}, '<|endoftext|>'))),
      ...this.#groups.map((group) => group.element),
      h('div', { class: 'adds' },
        h('button', { type: 'button', class: 'add add-group', on: { click: () => this.#addGroup() } }, icon('plus'), 'Add a group'),
        h('button', { type: 'button', class: 'add', id: 'paste-group', on: { click: () => void this.#paste(null) } }, icon('copy'), 'Paste a group')),
      h('p', { class: 'hint' }, 'Rows of a spreadsheet (clean, corrupted, answer, distractor) can be pasted into any field. Enter runs at once; Shift+Enter starts a new line.'),
    );
    this.#root.scrollTop = scroll;
    const checked = this.#store.checked.peek();
    if (checked) this.showCheck(checked);
    const next = this.#focusNext;
    this.#focusNext = null;
    if (next) this.#groups[next.group]?.focus(next.pair, next.field);
  }

  #addGroup() {
    this.#focusNext = { group: this.#store.experiment.groups.length, pair: 0, field: 'clean' };
    this.#store.edit((experiment) => { experiment.groups.push(emptyGroup(experiment)); });
  }

  /** Pastes many pairs at once, into a group, or into a new one if `group` is null. @param {number | null} group @param {string} [pasted] */
  async #paste(group, pasted) {
    const { openPasteDialog } = await import('./paste-dialog.js');
    const { experiment } = this.#store;
    const like = group === null ? null : experiment.groups[group];
    openPasteDialog({
      pasted,
      where: like ? `They are added to ${like.name || 'this group'}.` : 'They become a new group.',
      like,
      check: (pasted) => this.#check({ ...pasted, prepend_bos: experiment.prepend_bos }),
      room: Math.max(0, MOST_PAIRS - pairsOf(experiment)),
      onAdd: (pairs) => {
        const added = { group: experiment.groups.length, pair: experiment.groups[group ?? -1]?.pairs.length ?? 0 };
        this.#focusNext = { group: group ?? added.group, pair: added.pair, field: 'clean' };
        batch(() => {
          this.#store.edit((own) => {
            if (group === null) own.groups.push({ ...emptyGroup(own), name: freeName(own, 'Pasted'), pairs: pairs.map(fullPair) });
            else own.groups[group].pairs.push(...pairs.map(fullPair));
          });
          // Whoever pastes a group wants to see its figures.
          if (group === null) this.#store.setView({ shown: [added.group] });
        });
      },
    });
  }

  /** @param {Checked} checked */
  showCheck(checked) {
    this.#store.checked.value = checked;
    this.#groups.forEach((group, g) => group.showCheck(checked.groups[g] ?? [], checked.problems.filter((problem) => problem.place?.group === g)));
  }

  /** Shows each group's mean beside its name. @param {Dots | null} dots */
  showResults(dots) {
    this.#groups.forEach((group, g) => {
      const series = dots?.series.find((candidate) => candidate.group === g);
      group.showResult(dots && series ? { text: formatQuantity(series.mean, dots.quantity), sign: Math.sign(series.mean), value: series.mean } : null);
    });
  }

  /** Opens the group and focuses a field. @param {Place} place */
  goTo(place) {
    this.#groups[place.group]?.focus(place.pair ?? 0, place.field ?? 'clean');
  }
}
