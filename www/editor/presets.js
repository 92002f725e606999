// The presets menu: a preset replaces the experiment or is added to it.

import { h } from '../dom.js';
import { withDefaults } from '../store/experiment.js';
import { plural } from '../numbers.js';

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { Preset } from '../types/engine.js' */

/**
 * @param {{ onReplace: (name: string, experiment: FullExperiment) => void, onAdd: (name: string, experiment: FullExperiment) => void }} actions
 */
export function presetMenu({ onReplace, onAdd }) {
  const list = h('ul', { class: 'menu-list' });
  // The demo model has learned only the first preset's task.
  let isDemo = false;
  const menu = h('div', { class: 'menu', id: 'preset-menu', popover: 'auto' }, list);
  const button = h('button', { type: 'button', class: 'quiet', popovertarget: 'preset-menu', id: 'presets' }, 'Presets');
  // Positioned by hand: CSS anchor positioning is not supported everywhere yet.
  menu.addEventListener('beforetoggle', () => {
    const box = button.getBoundingClientRect();
    menu.style.setProperty('--menu-top', `${box.bottom + 4}px`);
    menu.style.setProperty('--menu-left', `${Math.max(8, Math.min(box.left, innerWidth - 368))}px`);
  });
  /** @param {() => void} act */
  const choose = (act) => () => {
    menu.hidePopover();
    act();
  };
  return {
    element: h('span', {}, button, menu),
    /** @param {boolean} demo whether the demo model is open */
    showCautions(demo) {
      isDemo = demo;
      for (const caution of list.querySelectorAll('.menu-caution')) caution.toggleAttribute('hidden', !demo);
    },
    /** @param {Preset[]} presets */
    fill(presets) {
      list.replaceChildren(...presets.map((preset, index) => {
        const experiment = withDefaults(preset.experiment);
        return h('li', { class: 'menu-item' },
          h('button', { type: 'button', class: 'menu-main', data: { preset: preset.name }, on: { click: choose(() => onReplace(preset.name, experiment)) } },
            h('span', { class: 'menu-name' }, preset.name, h('span', { class: 'menu-count' }, plural(experiment.groups.length, 'group'))),
            h('span', { class: 'menu-note' }, preset.note),
            index > 0 && h('span', { class: 'menu-caution', hidden: !isDemo }, 'Not meaningful on the demo model, which has not learned this task: open GPT-2 small.')),
          h('button', { type: 'button', class: 'link', 'aria-label': `Add the groups of ${preset.name} to the experiment`, on: { click: choose(() => onAdd(preset.name, experiment)) } }, 'Add'));
      }));
    },
  };
}
