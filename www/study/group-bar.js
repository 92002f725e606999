// The bar above sections 2 to 5: which groups their figures show, and the patching direction.

import { h } from '../dom.js';
import { segmented } from '../reports/frame.js';

/** @import { State } from '../state.js' */
/** @import { Direction, Setup } from './setup.js' */

/** @param {State} state @param {Setup} setup */
export function groupBar(state, setup) {
  const list = h('div', { class: 'group-chips' });
  const direction = h('span', { class: 'direction' });
  const element = h(
    'div',
    { class: 'study-bar', id: 'study-bar' },
    h('div', { class: 'study-bar-part', role: 'group', 'aria-labelledby': 'shown-label' }, h('span', { class: 'setting-name', id: 'shown-label' }, 'groups shown'), list),
    h('div', { class: 'study-bar-part' }, h('span', { class: 'setting-name' }, 'patching'), direction),
  );

  /** @param {number} group @param {boolean} on */
  const choose = (group, on) => {
    const shown = on ? [...setup.shown, group] : setup.shown.filter((other) => other !== group);
    // At least one group stays selected.
    if (shown.length > 0) setup.set({ shown });
    else draw();
  };

  let drawn = '';
  const draw = () => {
    const { groups } = state.experiment;
    const key = JSON.stringify([groups.map((group) => group.name), setup.shown, setup.direction]);
    if (key === drawn && list.childElementCount === groups.length + (groups.length > 1 ? 1 : 0)) {
      for (const box of list.querySelectorAll('input')) box.checked = setup.shown.includes(Number(box.dataset.group));
      return;
    }
    drawn = key;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest('.group-chips [data-group]'))?.dataset.group;
    const all = setup.shown.length === groups.length;
    list.replaceChildren(
      ...groups.map((group, index) => {
        const box = h('input', { type: 'checkbox', data: { group: index }, on: { change: () => choose(index, box.checked) } });
        box.checked = setup.shown.includes(index);
        return h('label', { class: 'chip' }, box, group.name || `group ${index}`);
      }),
      ...(groups.length > 1 ? [h('button', { type: 'button', class: 'link', on: { click: () => setup.set({ shown: all ? [0] : groups.map((_, index) => index) }) } }, all ? 'only the first' : 'all')] : []),
    );
    if (focused !== undefined) /** @type {HTMLElement | null} */ (list.querySelector(`[data-group="${focused}"]`))?.focus();
    direction.replaceChildren(segmented('Direction of patching', [
      { value: 'denoise', text: 'denoise', tip: 'Clean activations into the corrupted run: what is enough to restore the answer?' },
      { value: 'noise', text: 'noise', tip: 'Corrupted activations into the clean run: what is needed for the answer?' },
    ], /** @type {string} */ (setup.direction), (value) => setup.set({ direction: /** @type {Direction} */ (value) })));
  };
  state.onChange(draw);
  setup.onChange(draw);
  draw();
  return element;
}
