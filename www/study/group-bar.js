// The bar above sections 2 to 5: which groups their figures show, and the patching direction.

import { computed, effect } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';
import { segmented } from '../reports/frame.js';

/** @import { Store } from '../store/store.js' */
/** @import { Direction } from '../store/view.js' */

/** @param {Store} store */
export function groupBar(store) {
  const list = h('div', { class: 'group-chips' });
  const all = h('button', { type: 'button', class: 'link', on: { click: () => {
    const { groups } = store.experiment;
    store.setView({ shown: store.view.shown.length === groups.length ? [0] : groups.map((_, index) => index) });
  } } });
  const direction = segmented('Direction of patching', [
    { value: 'denoise', text: 'denoise', tip: 'Clean activations into the corrupted run: what is enough to restore the answer?' },
    { value: 'noise', text: 'noise', tip: 'Corrupted activations into the clean run: what is needed for the answer?' },
  ], /** @type {string} */ (store.view.direction), (value) => store.setView({ direction: /** @type {Direction} */ (value) }));

  /** @param {number} group @param {HTMLInputElement} box */
  const choose = (group, box) => {
    const shown = box.checked ? [...store.view.shown, group] : store.view.shown.filter((other) => other !== group);
    // At least one group stays selected.
    if (shown.length > 0) store.setView({ shown });
    else box.checked = true;
  };
  /** @param {number} index */
  const chip = (index) => {
    const box = h('input', { type: 'checkbox', data: { group: index }, on: { change: () => choose(index, box) } });
    const name = h('span', {});
    return { element: h('label', { class: 'chip' }, box, name), box, name };
  };
  /** @type {ReturnType<typeof chip>[]} */
  let chips = [];
  const count = computed(() => store.experiment.groups.length);
  effect(() => {
    chips = Array.from({ length: count.value }, (_, index) => chips[index] ?? chip(index));
    list.replaceChildren(...chips.map(({ element }) => element), ...(count.value > 1 ? [all] : []));
  });
  effect(() => {
    const { view: { shown }, experiment: { groups } } = store;
    chips.forEach(({ box, name }, index) => {
      box.checked = shown.includes(index);
      name.textContent = groups[index]?.name || `group ${index}`;
    });
    all.textContent = shown.length === groups.length ? 'only the first' : 'all';
    direction.show(store.view.direction);
  });
  return h(
    'div',
    { class: 'study-bar', id: 'study-bar' },
    h('div', { class: 'study-bar-part', role: 'group', 'aria-labelledby': 'shown-label' }, h('span', { class: 'setting-name', id: 'shown-label' }, 'groups shown'), list),
    h('div', { class: 'study-bar-part' }, h('span', { class: 'setting-name' }, 'patching'), h('span', { class: 'direction' }, direction)),
  );
}
