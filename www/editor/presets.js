// The presets menu: a preset replaces the experiment or is added to it; a planted model opens with prompts of its own.

import { h } from '../dom.js';

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { Choice, PlantName } from '../opening/choices.js' */
/** @import { Preset } from '../types/engine.js' */

/**
 * @typedef {object} PresetActions
 * @property {(name: string, experiment: FullExperiment) => void} onReplace
 * @property {(name: string, experiment: FullExperiment) => void} onAdd
 * @property {(name: PlantName) => void} onPlanted
 */

/** @param {PresetActions} actions */
export function presetMenu(actions) {
  /** @type {Preset[]} */
  let presets = [];
  /** @type {Choice['kind'] | undefined} */
  let model;
  /** @param {() => void} act */
  const choose = (act) => () => {
    menu.hidePopover();
    act();
  };
  const menu = h('div', { class: 'menu', id: 'preset-menu', popover: 'auto' });
  const button = h('button', { type: 'button', class: 'quiet', popovertarget: 'preset-menu', id: 'presets' }, 'Presets');
  const draw = async () => menu.replaceChildren(...(await import('./preset-list.js')).presetList(presets, model, choose, actions));
  menu.addEventListener('beforetoggle', ({ newState }) => {
    if (newState !== 'open') return;
    // Positioned by hand: CSS anchor positioning is not supported everywhere yet.
    const box = button.getBoundingClientRect();
    menu.style.setProperty('--menu-top', `${box.bottom + 4}px`);
    menu.style.setProperty('--menu-left', `${Math.max(8, Math.min(box.left, innerWidth - 368))}px`);
    void draw();
  });
  return {
    element: h('span', {}, button, menu),
    /** @param {Choice['kind'] | undefined} kind of the model that is open */
    showModel(kind) {
      model = kind;
    },
    /** @param {Preset[]} list */
    fill(list) {
      presets = list;
      if (menu.matches(':popover-open')) void draw();
    },
  };
}
