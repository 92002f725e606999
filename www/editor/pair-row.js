// A pair of a long group: one line that says what it is, and the whole pair once it is opened. Nothing is built for a pair
// that nobody opens, so that a thousand of them cost little.

import { h } from '../dom.js';
import { plural } from '../numbers.js';
import { visible } from '../reports/grid-view.js';
import { PairView } from './pair.js';

/** @import { FullPair } from '../store/experiment.js' */
/** @import { PairTokens, Problem, Field } from '../types/engine.js' */
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
   * @param {() => FullPair} pair the pair as it is now
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
      onMore: (field, tokens) => {
        actions.onMore(field, tokens);
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
    const { clean, answer, distractor, more_answers, more_distractors } = this.#pair();
    const set = (/** @type {string} */ first, /** @type {string[]} */ more) => `${visible(first)}${more.length > 0 ? ` +${more.length}` : ''}`;
    this.#prompt.textContent = clean || '(empty)';
    this.#answers.textContent = `${set(answer, more_answers)} / ${set(distractor, more_distractors)}`;
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
