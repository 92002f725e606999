// A form for an analysis's settings, generated from the catalogue.

import { h } from '../dom.js';
import { segmented } from '../reports/frame.js';

/** @import { AnalysisInfo, Setting } from '../types/engine.js' */
/** @import { Settings } from '../store/view.js' */

/**
 * @param {AnalysisInfo} info
 * @param {string[] | undefined} controls settings to offer; all but the direction if omitted
 * @param {(name: string, value: string | number | boolean | null) => void} onChange called with null to reset to the default
 */
export function settingsForm(info, controls, onChange) {
  const offered = info.settings.filter(({ name }) => (controls ? controls.includes(name) : name !== 'direction'));
  const fields = offered.map((setting) => field(info.name, setting, (value) => onChange(setting.name, value)));
  const element = h('div', { class: 'settings' }, ...fields.map((one) => one.element));
  return {
    element: fields.length > 0 ? element : null,
    /** @param {Settings} settings those set by the user @param {Settings} [asked] all settings of the request */
    show(settings, asked = {}) {
      fields.forEach((one, index) => one.show(settings[offered[index].name], asked[offered[index].name]));
    },
  };
}

/** Choices of more options are lists, so that they fit a phone. */
const MOST_BUTTONS = 6;

/** @typedef {{ element: HTMLElement, show: (value: string | number | boolean | undefined, asked: string | number | boolean | undefined) => void }} SettingField */

/** @param {string} analysis @param {Setting} setting @param {(value: string | number | boolean | null) => void} set @returns {SettingField} */
function field(analysis, setting, set) {
  const { name, description, range } = setting;
  const id = `set-${analysis}-${name}`;
  const words = name.replaceAll('_', ' ');
  switch (range.kind) {
    case 'flag': {
      const box = h('input', { type: 'checkbox', id, on: { change: () => set(box.checked === range.default ? null : box.checked) } });
      return {
        element: h('label', { class: 'check', tip: description }, box, words),
        show: (value) => { box.checked = Boolean(value ?? range.default); },
      };
    }
    case 'choice': {
      if (range.options.length > MOST_BUTTONS) {
        const select = h('select', { id, on: { change: () => set(select.value === range.default ? null : select.value) } }, ...range.options.map((option) => h('option', { value: option }, option.replaceAll('-', ' '))));
        return {
          element: h('label', { class: 'setting', for: id, tip: description }, h('span', { class: 'setting-name' }, words), select),
          show: (value) => { select.value = String(value ?? range.default); },
        };
      }
      const choices = segmented(`${words}: ${description}`, range.options.map((option) => ({ value: option, text: option })), range.default, (chosen) => set(chosen === range.default ? null : chosen));
      return {
        element: h('div', { class: 'setting', tip: description }, h('span', { class: 'setting-name' }, words), h('span', { class: 'setting-choice' }, choices)),
        show: (value) => choices.show(String(value ?? range.default)),
      };
    }
    case 'count': {
      const input = h('input', { type: 'number', id, min: range.min, max: range.max, step: 1, on: { change: () => {
        const number = Math.max(range.min, Math.min(range.max, Math.round(Number(input.value) || range.default)));
        input.value = String(number);
        set(number === range.default ? null : number);
      } } });
      return {
        element: h('label', { class: 'setting', for: id, tip: description }, h('span', { class: 'setting-name' }, words), input),
        show: (value) => { input.value = String(value ?? range.default); },
      };
    }
    case 'text': {
      const long = ['prompt', 'text', 'edges'].includes(name) && analysis !== 'attention';
      const input = h('input', {
        type: 'text', id, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', class: long ? 'setting-long' : '',
        placeholder: range.default || /empty for ([^.;]*)/.exec(description)?.[1] || 'empty',
        on: { change: () => set(input.value === '' ? null : input.value) },
      });
      return {
        element: h('label', { class: long ? 'setting setting-wide' : 'setting', for: id, tip: description }, h('span', { class: 'setting-name' }, words), input),
        show: (value, asked) => {
          if (document.activeElement !== input) input.value = String(value ?? '');
          if (value === undefined && asked !== undefined) input.placeholder = String(asked);
        },
      };
    }
  }
}
