// The form of "Test a prompt": one prompt, chosen from the experiment or typed freely.

import { casesOf } from '../experiment.js';
import { h } from '../dom.js';
import { actOnEnter, growWithText } from '../editor/field.js';

/** @import { EngineError } from '../engine/client.js' */
/** @import { State } from '../state.js' */

export class TestPromptForm {
  /** @type {HTMLElement} */
  element;
  #state;
  #select = h('select', { id: 'test-case', on: { change: () => this.#choose() } });
  #prompt = h('textarea', { id: 'test-prompt-text', rows: 1, spellcheck: 'false', autocomplete: 'off', 'aria-describedby': 'test-prompt-error' });
  #answer = h('input', { id: 'test-answer', type: 'text', spellcheck: 'false', autocomplete: 'off', placeholder: 'none', 'aria-describedby': 'test-answer-error test-answer-hint' });
  #errors = {
    prompt: h('p', { class: 'field-error', id: 'test-prompt-error', hidden: true }),
    answer: h('p', { class: 'field-error', id: 'test-answer-error', hidden: true }),
  };

  /** @param {State} state @param {{ onRun: () => void }} options */
  constructor(state, { onRun }) {
    this.#state = state;
    growWithText(this.#prompt);
    for (const field of [this.#prompt, this.#answer]) {
      actOnEnter(field, onRun);
      field.addEventListener('input', () => state.setTest({ prompt: this.#prompt.value, answer: this.#answer.value }));
    }
    this.element = h('div', { class: 'test-form' },
      h('div', { class: 'field field-wide' }, h('label', { for: 'test-case' }, 'from the experiment'), this.#select),
      h('div', { class: 'field test-prompt-field' }, h('label', { for: 'test-prompt-text' }, 'prompt'), this.#prompt, this.#errors.prompt),
      h('div', { class: 'field test-answer-field' }, h('label', { for: 'test-answer' }, 'answer'), this.#answer, this.#errors.answer),
      h('p', { class: 'hint field-wide', id: 'test-answer-hint' }, 'The answer is used exactly as typed: most words begin with a space.'));
  }

  /** Updates the form to the state. */
  refresh() {
    const { test, experiment } = this.#state;
    const { prompt, answer } = this.#state.testText();
    if (this.#prompt.value !== prompt) this.#prompt.value = prompt;
    if (this.#answer.value !== answer) this.#answer.value = answer;
    growWithText(this.#prompt);
    const cases = casesOf(experiment);
    const chosen = 'prompt' in test || !this.#state.hasTest ? 'free' : key(test);
    this.#select.replaceChildren(
      h('option', { value: 'free' }, 'none: typed below'),
      ...experiment.groups.map((group, g) =>
        h('optgroup', { label: group.name || `group ${g}` },
          ...cases.filter((item) => item.group === g).map((item) => h('option', { value: key(item) }, item.prompt || '(empty prompt)')))),
    );
    this.#select.value = chosen;
  }

  #choose() {
    if (this.#select.value === 'free') {
      this.#state.setTest({ ...this.#state.testText() });
      this.#prompt.focus();
      return;
    }
    const [group, pair, swapped] = this.#select.value.split(' ').map(Number);
    this.#state.setTest({ group, pair, swapped: swapped === 1 });
  }

  /** Shows an engine error at the field that it concerns. @param {EngineError | null} error */
  placeError(error) {
    const named = error ? fieldOf(error) : null;
    for (const [name, element] of Object.entries(this.#errors)) {
      const mine = name === named;
      element.hidden = !mine;
      element.textContent = mine && error ? error.message.replace(/^Setting `\w+`: /, '') : '';
      const field = name === 'prompt' ? this.#prompt : this.#answer;
      field.setAttribute('aria-invalid', String(mine));
    }
    return named !== null;
  }
}

/** @param {{ group: number, pair: number, swapped: boolean }} test */
function key({ group, pair, swapped }) {
  return `${group} ${pair} ${swapped ? 1 : 0}`;
}

/** @param {EngineError} error @returns {'prompt' | 'answer' | null} */
function fieldOf(error) {
  const setting = /^Setting `(prompt|answer)`/.exec(error.message)?.[1];
  if (setting === 'prompt' || setting === 'answer') return setting;
  return null;
}
