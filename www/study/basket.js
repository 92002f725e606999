// What fills a circuit from elsewhere: a file, or the literature.

import { effect, signal } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Store } from '../store/store.js' */
/** @import { KnownCircuit } from '../types/engine.js' */

/** GPT-2 small's file of all edges has 4 MB. */
const LARGEST = 40e6;

/** @param {Engine} engine @param {Store} store */
export function basket(engine, store) {
  const known = signal(/** @type {KnownCircuit[]} */ ([]));
  const error = h('p', { class: 'field-error', role: 'alert', hidden: true });
  const fail = (/** @type {string} */ text) => {
    error.textContent = text;
    error.hidden = text === '';
  };
  const set = (/** @type {string} */ edges) => {
    fail('');
    store.setSetting('circuit', 'edges', edges || null);
  };
  /** @param {File} file */
  const open = async (file) => {
    try {
      if (file.size > LARGEST) throw new Error('it is too large for a circuit file');
      const { edges } = await engine.call('circuit', { text: await file.text() });
      if (edges.length === 0) throw new Error('no edge is in its graph');
      set(edges.join(' '));
    } catch (reason) {
      fail(`${file.name} was not opened: ${reason instanceof Error ? reason.message : reason}`);
    }
  };
  const picker = h('input', { type: 'file', accept: '.json,.txt', hidden: true, on: { change: () => {
    const [file] = picker.files ?? [];
    if (file) void open(file);
    picker.value = '';
  } } });
  const choose = h('button', { type: 'button', class: 'quiet', tip: 'A circuit file of EAP-IG or MIB (JSON), or a list of edges', on: { click: () => picker.click() } }, 'Open a circuit file\u2026');
  const clear = h('button', { type: 'button', class: 'link', on: { click: () => set('') } }, 'Clear');
  const others = h('span', { class: 'basket-known' });
  effect(() => {
    if (!store.model.value) return;
    engine.call('circuit', { text: '' }).then((read) => { known.value = read.known; }, () => { known.value = []; });
  });
  effect(() => {
    others.replaceChildren(...known.value.map(({ name, note }) => h('button', { type: 'button', class: 'quiet', tip: note, on: { click: () => set(name) } }, name)));
  });
  effect(() => {
    clear.hidden = !store.view.settings.circuit?.edges;
  });
  return h('div', { class: 'basket' }, choose, picker, others, clear, error);
}
