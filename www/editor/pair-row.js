// A pair of a long group: one line that says what it is, and the whole pair once it is opened. Nothing is built for a pair
// that nobody opens, so that a thousand of them cost little.

import { h } from '../dom.js';
import { plural } from '../numbers.js';
import { visible } from '../reports/grid-view.js';
import { PairView } from './pair.js';

/** @import { Field, Pair, PairTokens, Problem } from '../types/engine.js' */
/** @import { PairActions } from './pair.js' */

export class PairRow {
  /** @type {HTMLElement} */
  element;
  #make;
  #pair;
  /** @type {PairView | null} */
  #view = null;
  #prompt = h('span', { class: 'pair-row-prompt' });
  #answers = h('span', { class: 'pair-row-answers' });
  #fault = h('span', { class: 'pair-row-fault' });
  #details;
  /** @type {{ tokens: PairTokens | undefined, problems: Problem[] }} */
  #checked = { tokens: undefined, problems: [] };

  /**
   * @param {() => Pair} pair the pair as it is now
   * @param {{ group: number, index: number, symmetric: boolean }} place
   * @param {PairActions} actions
   */
  constructor(pair, place, actions) {
    this.#pair = pair;
    this.#make = () => new PairView(pair(), place, {
      ...actions,
      onInput: (field, text) => {
        actions.onInput(field, text);
        this.#summarise();
      },
    });
    this.#details = h('details', { class: 'pair-row', data: { pair: place.index } },
      h('summary', {}, h('span', { class: 'pair-row-number' }, place.index), this.#prompt, this.#answers, this.#fault));
    this.#details.addEventListener('toggle', () => this.#details.open && this.#build());
    this.element = this.#details;
    this.#summarise();
  }

  #summarise() {
    const { clean, answer, distractor } = this.#pair();
    this.#prompt.textContent = clean || '(empty)';
    this.#answers.textContent = `${visible(answer)} / ${visible(distractor)}`;
  }

  #build() {
    if (this.#view) return this.#view;
    const view = this.#make();
    this.#view = view;
    this.#details.append(view.element);
    view.showCheck(this.#checked.tokens, this.#checked.problems);
    return view;
  }

  /** @param {PairTokens | undefined} tokens @param {Problem[]} problems those of this pair */
  showCheck(tokens, problems) {
    this.#checked = { tokens, problems };
    this.#fault.textContent = problems.length > 0 ? plural(problems.length, 'problem') : '';
    this.#details.classList.toggle('has-problems', problems.length > 0);
    this.#view?.showCheck(tokens, problems);
  }

  /** @param {Field | null} field */
  focus(field) {
    this.#details.open = true;
    this.#build().focus(field);
  }
}
