// The inspector: what was clicked last, and up to two pinned items to compare it with. A rail on wide screens, a drawer
// on narrower ones, a sheet on phones.

import { byId, h, iconButton } from '../dom.js';
import { PINS } from '../study/setup.js';
import { Card } from './card.js';
import { itemName, sameItem } from './item.js';
import { cardKinds } from './card-kinds.js';

/** @import { State } from '../state.js' */
/** @import { Study } from '../study/study.js' */
/** @import { Setup } from '../study/setup.js' */
/** @import { Item } from './item.js' */

export class Inspector {
  #root = byId('inspector', HTMLElement);
  #cards = h('div', { class: 'cards' });
  #wide = h('button', { type: 'button', class: 'quiet inspector-wide', 'aria-pressed': 'false', on: { click: () => this.#widen() } }, 'Side by side');
  #state;
  #setup;
  #study;
  #kinds;
  /** @type {Map<string, Card>} */
  #shown = new Map();
  /** Where to return the focus on closing. @type {Element | null} */
  #opener = null;

  /** @param {State} state @param {Setup} setup @param {Study} study */
  constructor(state, setup, study) {
    this.#state = state;
    this.#setup = setup;
    this.#study = study;
    this.#kinds = cardKinds({ direction: () => setup.direction, open: (item) => this.open(item) });
    this.#root.append(
      h('div', { class: 'inspector-inner' },
        h('header', { class: 'inspector-head' },
          h('h2', { id: 'inspector-title', tabindex: -1 }, 'Inspector'),
          this.#wide,
          iconButton('cross', 'Close the inspector', () => this.close(), { id: 'inspector-close' })),
        this.#cards,
        h('p', { class: 'hint inspector-hint' }, 'Click a head, a neuron or a patched cell in any figure to see everything known about it here. Pin it to compare it with the next one.')));
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#items.length === 0 || document.querySelector('dialog[open], [popover]:popover-open, .rail.sheet-opened')) return;
      if (this.#root.contains(document.activeElement) || document.activeElement === document.body || this.#opener === document.activeElement) this.close();
    });
    setup.onChange(() => this.refresh());
    study.results.onChange(() => { for (const card of this.#shown.values()) card.drawNumbers(); });
    this.refresh();
  }

  /** @returns {Item[]} */
  get #items() {
    const { pins, open } = this.#setup;
    return open && !pins.some((pin) => sameItem(pin, open)) ? [...pins, open] : pins;
  }

  /** @param {Item} item */
  open(item) {
    const from = document.activeElement;
    const byKeyboard = from?.matches(':focus-visible') ?? false;
    if (from && !this.#root.contains(from)) this.#opener = from;
    this.#setup.set({ open: item });
    const card = this.#shown.get(itemName(item));
    if (byKeyboard) card?.focus();
    card?.element.scrollIntoView({ block: 'nearest' });
  }

  #widen() {
    const wide = this.#wide.getAttribute('aria-pressed') !== 'true';
    this.#wide.setAttribute('aria-pressed', String(wide));
    this.#root.classList.toggle('is-wide', wide);
  }

  /** Closes the unpinned card if there are pinned ones beside it, else everything. */
  close() {
    const { open, pins } = this.#setup;
    this.#setup.set(open && pins.length > 0 && !pins.some((pin) => sameItem(pin, open)) ? { open: null } : { open: null, pins: [] });
    this.#returnFocus();
  }

  #returnFocus() {
    const opener = this.#opener;
    if (!opener || opener === document.body) return;
    // A click focuses the figure as a whole; return to its current cell, so that the arrow keys work.
    const place = opener.querySelector('[tabindex="0"]') ?? opener;
    if (place.isConnected) /** @type {HTMLElement | SVGElement} */ (place).focus({ preventScroll: true });
    else byId('article', HTMLElement).focus({ preventScroll: true });
  }

  /** @param {Item} item */
  #pin(item) {
    const { pins, open } = this.#setup;
    if (pins.some((pin) => sameItem(pin, item))) {
      // An unpinned item stays open, unless another one is.
      this.#setup.set({ pins: pins.filter((pin) => !sameItem(pin, item)), open: open && !sameItem(open, item) ? open : item });
    } else {
      this.#setup.set({ pins: [...pins, item].slice(-PINS), open: null });
    }
  }

  /** @param {Item} item */
  #remove(item) {
    const { pins, open } = this.#setup;
    this.#setup.set({ pins: pins.filter((pin) => !sameItem(pin, item)), open: open && sameItem(open, item) ? null : open });
    if (this.#items.length === 0) this.#returnFocus();
  }

  /** Updates the cards to the choices, the experiment and the model. */
  refresh() {
    const items = this.#items;
    const names = items.map(itemName);
    for (const [name, card] of this.#shown) {
      const pinned = this.#setup.pins.some((pin) => itemName(pin) === name);
      if (names.includes(name) && card.element.querySelector('.card-pin')?.getAttribute('aria-pressed') === String(pinned)) continue;
      card.leave();
      this.#shown.delete(name);
    }
    for (const item of items) {
      const card = this.#shown.get(itemName(item));
      if (!card) this.#shown.set(itemName(item), this.#make(item));
      else if (card.item.group !== item.group) card.move(item);
      else card.refresh();
    }
    const elements = names.flatMap((name) => this.#shown.get(name)?.element ?? []);
    if (elements.length !== this.#cards.children.length || elements.some((element, index) => this.#cards.children[index] !== element)) this.#cards.replaceChildren(...elements);
    this.#root.dataset.cards = String(items.length);
    document.body.classList.toggle('has-inspector', items.length > 0);
  }

  /** @param {Item} item */
  #make(item) {
    return new Card(item, {
      state: this.#state, setup: this.#setup, study: this.#study,
      kind: this.#kinds[item.kind],
      pinned: this.#setup.pins.some((pin) => sameItem(pin, item)),
      onChange: (moved) => this.#replace(moved),
      onPin: () => this.#pin(this.#shown.get(itemName(item))?.item ?? item),
      onClose: () => this.#remove(item),
    });
  }

  /** @param {Item} item */
  #replace(item) {
    const { pins, open } = this.#setup;
    this.#setup.set({ pins: pins.map((pin) => (sameItem(pin, item) ? item : pin)), open: open && sameItem(open, item) ? item : open });
  }
}
