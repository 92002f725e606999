// One pair in the editor: four fields, their error messages and their tokens.

import { FIELDS, MORE } from '../store/experiment.js';
import { inWords, mendsOf } from '../store/mends.js';
import { h, iconButton } from '../dom.js';
import { actOnEnter, growWithText } from '../field.js';
import { drawAnswerTokens, drawPairTokens } from './pair-tokens.js';

/** @import { FullPair } from '../store/experiment.js' */
/** @import { Field, Pair, PairTokens, Problem } from '../types/engine.js' */

/**
 * @typedef {object} PairActions
 * @property {(field: Field, text: string) => void} onInput
 * @property {(field: typeof MORE[number], tokens: string[]) => void} onMore
 * @property {(text: string, like: Pair) => boolean} onPaste text was pasted into a field of `like`; true if it is a list of pairs, which is taken care of
 * @property {() => void} onDuplicate
 * @property {() => void} onRemove
 * @property {() => void} onEnter run now
 * @property {() => void} onMend
 */

const LABELS = { clean: 'clean', corrupted: 'corrupted', answer: 'answer', distractor: 'distractor' };

export class PairView {
  /** @type {HTMLElement} */
  element;
  /** @type {Record<Field, HTMLTextAreaElement | HTMLInputElement>} */
  #inputs;
  /** @type {Record<Field, HTMLElement>} */
  #errors;
  #tokens = h('div', { class: 'pair-tokens' });
  #chips = { answer: h('span', { class: 'answer-tokens' }), distractor: h('span', { class: 'answer-tokens' }) };
  #pairError = h('p', { class: 'field-error', hidden: true });
  #odd = h('span', {});
  #mend = h('p', { class: 'hint pair-mend', hidden: true });
  #symmetric;

  /** @param {FullPair} pair @param {{ group: number, index: number, symmetric: boolean }} place @param {PairActions} actions */
  constructor(pair, { group, index, symmetric }, actions) {
    this.#symmetric = symmetric;
    const errorId = (/** @type {Field} */ field) => `problem-${group}-${index}-${field}`;
    this.#errors = mapFields((field) => h('p', { class: 'field-error', id: errorId(field), hidden: true }));
    this.#inputs = mapFields((field) => {
      const shared = {
        id: `field-${group}-${index}-${field}`,
        spellcheck: 'false',
        autocomplete: 'off',
        autocapitalize: 'off',
        'aria-describedby': errorId(field),
        data: { group, pair: index, field },
      };
      const isPrompt = field === 'clean' || field === 'corrupted';
      const input = isPrompt ? h('textarea', { rows: 1, ...shared }) : h('input', { type: 'text', ...shared });
      input.value = pair[field];
      if (input instanceof HTMLTextAreaElement) growWithText(input);
      this.#listen(input, field, actions);
      return input;
    });
    this.#mend.append(this.#odd, ' ', h('button', { type: 'button', class: 'link', 'aria-label': `Mend pair ${index}`, on: { click: actions.onMend } }, 'Mend'));
    const row = (/** @type {Field} */ field, /** @type {HTMLElement} */ after) =>
      h('div', { class: `field field-${field}` }, h('label', { for: this.#inputs[field].id }, LABELS[field]), this.#inputs[field], after);
    this.element = h(
      'div',
      { class: 'pair', role: 'group', 'aria-label': `pair ${index}` },
      h('div', { class: 'pair-head' }, h('span', { class: 'pair-name' }, `pair ${index}`),
        iconButton('copy', `Duplicate pair ${index}`, actions.onDuplicate), iconButton('cross', `Remove pair ${index}`, actions.onRemove)),
      row('clean', this.#errors.clean), row('corrupted', this.#errors.corrupted),
      h('div', { class: 'answers' }, row('answer', this.#chips.answer), row('distractor', this.#chips.distractor),
        ...MORE.map((field) => this.#more(field, pair[field], `field-${group}-${index}-${field}`, actions))),
      this.#errors.answer, this.#errors.distractor,
      this.#pairError,
      this.#mend,
      this.#tokens,
    );
  }

  /**
   * Further answers, or distractors: a button until there are some.
   *
   * @param {typeof MORE[number]} field @param {string[]} tokens @param {string} id @param {PairActions} actions
   */
  #more(field, tokens, id, actions) {
    const [one, word] = field === 'more_answers' ? ['answer', 'also right'] : ['distractor', 'also wrong'];
    const input = h('input', { id, type: 'text', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', placeholder: 'token| token|\u2026', data: { field } });
    input.value = tokens.join('|');
    // Spaces count: nothing is trimmed.
    input.addEventListener('input', () => actions.onMore(field, input.value.split('|').filter((token) => token !== '')));
    actOnEnter(input, actions.onEnter);
    const whole = h('div', { class: `field field-${field}`, hidden: tokens.length === 0 },
      h('label', { for: id, tip: `Further tokens, separated by |. With the ${one} they are a set: its logit is their mean, its probability their sum.` }, word), input);
    const add = h('button', { type: 'button', class: 'link add-more', hidden: tokens.length > 0, on: { click: () => {
      add.hidden = true;
      whole.hidden = false;
      input.focus();
    } } }, `More ${one}s`);
    return h('div', { class: 'more-tokens' }, add, whole);
  }

  /** @param {HTMLTextAreaElement | HTMLInputElement} input @param {Field} field @param {PairActions} actions */
  #listen(input, field, actions) {
    input.addEventListener('input', () => actions.onInput(field, input.value));
    actOnEnter(input, actions.onEnter);
    /** @type {HTMLElement} */ (input).addEventListener('paste', (event) => {
      const like = mapFields((name) => this.#inputs[name].value);
      if (actions.onPaste(event.clipboardData?.getData('text/plain') ?? '', like)) event.preventDefault();
    });
  }

  /** Shows the engine's tokens and problems. @param {PairTokens | undefined} tokens @param {Problem[]} problems those of this pair */
  showCheck(tokens, problems) {
    this.#tokens.replaceChildren(...(tokens ? drawPairTokens(tokens, this.#symmetric) : []));
    this.#chips.answer.replaceChildren(...(tokens ? drawAnswerTokens(tokens.answer) : []));
    this.#chips.distractor.replaceChildren(...(tokens ? drawAnswerTokens(tokens.distractor) : []));
    for (const field of FIELDS) {
      const mine = problems.filter((problem) => problem.place?.field === field);
      this.#inputs[field].setAttribute('aria-invalid', String(mine.length > 0));
      write(this.#errors[field], mine);
    }
    write(this.#pairError, problems.filter((problem) => !problem.place?.field));
    const mends = mendsOf(mapFields((field) => this.#inputs[field].value));
    this.#mend.hidden = mends.length === 0;
    this.#odd.textContent = inWords(mends);
  }

  /** @param {Field | null} field */
  focus(field) {
    this.#inputs[field ?? 'clean'].focus();
    this.element.scrollIntoView({ block: 'nearest' });
  }
}

/** @param {HTMLElement} element @param {Problem[]} problems */
function write(element, problems) {
  element.hidden = problems.length === 0;
  element.textContent = problems.map((problem) => problem.message).join(' ');
  if (problems.length > 0) element.dataset.problem = problems.map((problem) => problem.code).join(' ');
  else delete element.dataset.problem;
}

/**
 * @template T
 * @param {(field: Field) => T} make
 * @returns {Record<Field, T>}
 */
function mapFields(make) {
  return { clean: make('clean'), corrupted: make('corrupted'), answer: make('answer'), distractor: make('distractor') };
}
