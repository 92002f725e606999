// The form of "Test a prompt": one prompt, chosen from the experiment or typed freely.

import { effect } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';
import { actOnEnter, growWithText } from '../field.js';
import { casesOf } from '../store/experiment.js';

/** @import { EngineError } from '../engine/client.js' */
/** @import { Store } from '../store/store.js' */

export class TestPromptForm {
  /** @type {HTMLElement} */
  element;
  #store;
  #select = h('select', { id: 'test-case', on: { change: () => this.#choose(), focus: () => this.#offer(), pointerdown: () => this.#offer() } });
  #prompt = h('textarea', { id: 'test-prompt-text', rows: 1, spellcheck: 'false', autocomplete: 'off', 'aria-describedby': 'test-prompt-error' });
  #answer = h('input', { id: 'test-answer', type: 'text', spellcheck: 'false', autocomplete: 'off', placeholder: 'none', 'aria-describedby': 'test-answer-error test-answer-hint' });
  #errors = {
    prompt: h('p', { class: 'field-error', id: 'test-prompt-error', hidden: true }),
    answer: h('p', { class: 'field-error', id: 'test-answer-error', hidden: true }),
  };
  /** The experiment whose prompts are offered. @type {object | null} */
  #offered = null;

  /** @param {Store} store @param {{ onRun: () => void }} options */
  constructor(store, { onRun }) {
    this.#store = store;
    growWithText(this.#prompt);
    for (const field of [this.#prompt, this.#answer]) {
      actOnEnter(field, onRun);
      field.addEventListener('input', () => store.setTest({ prompt: this.#prompt.value, answer: this.#answer.value }));
    }
    this.element = h('div', { class: 'test-form' },
      h('div', { class: 'field field-wide' }, h('label', { for: 'test-case' }, 'from the experiment'), this.#select),
      h('div', { class: 'field test-prompt-field' }, h('label', { for: 'test-prompt-text' }, 'prompt'), this.#prompt, this.#errors.prompt),
      h('div', { class: 'field test-answer-field' }, h('label', { for: 'test-answer' }, 'answer'), this.#answer, this.#errors.answer),
      h('p', { class: 'hint field-wide', id: 'test-answer-hint' }, 'The answer is used exactly as typed: most words begin with a space.'));
    effect(() => this.#show());
  }

  #show() {
    const { test } = this.#store;
    const { prompt, answer } = this.#store.testText();
    if (this.#prompt.value !== prompt) this.#prompt.value = prompt;
    if (this.#answer.value !== answer) this.#answer.value = answer;
    growWithText(this.#prompt);
    // The list may hold thousands of prompts, so it is written when somebody turns to it.
    this.#offered = null;
    const chosen = 'prompt' in test || !this.#store.hasTest ? null : test;
    this.#select.replaceChildren(free(), ...(chosen ? [h('option', { value: key(chosen) }, prompt || '(empty prompt)')] : []));
    this.#select.value = chosen ? key(chosen) : 'free';
    if (document.activeElement === this.#select) this.#offer();
  }

  /** Writes all prompts of the experiment into the list. */
  #offer() {
    const { experiment } = this.#store;
    if (this.#offered === experiment) return;
    this.#offered = experiment;
    const { value } = this.#select;
    const cases = casesOf(experiment);
    this.#select.replaceChildren(free(), ...experiment.groups.map((group, g) =>
      h('optgroup', { label: group.name || `group ${g}` }, ...cases.filter((item) => item.group === g).map((item) => h('option', { value: key(item) }, item.prompt || '(empty prompt)')))));
    this.#select.value = value;
  }

  #choose() {
    if (this.#select.value === 'free') {
      this.#store.setTest({ ...this.#store.testText() });
      this.#prompt.focus();
      return;
    }
    const [group, pair, swapped] = this.#select.value.split(' ').map(Number);
    this.#store.setTest({ group, pair, swapped: swapped === 1 });
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

function free() {
  return h('option', { value: 'free' }, 'none: typed below');
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
