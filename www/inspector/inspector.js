// The inspector: what was clicked last, and up to two pinned items to compare it with. A rail on wide screens, a drawer
// on narrower ones, a sheet on phones.

import { computed, effect, untracked } from '../vendor/dist/libraries.js';
import { h, iconButton } from '../dom.js';
import { focusOn, placeOf } from '../focus.js';
import { itemName, sameItem } from '../store/item.js';
import { PINS } from '../store/view.js';
import { Results } from '../study/results.js';
import { Card } from './card.js';
import { cardKinds } from './card-kinds.js';

/** @import { Stage } from '../reports/stage.js' */
/** @import { Item } from '../store/item.js' */
/** @import { Store } from '../store/store.js' */
/** @import { Study } from '../study/study.js' */

/** Pixels that a picture may take in the narrowest card, see inspector.css. */
const CARD = 300;

export class Inspector {
  #root;
  #cards = h('div', { class: 'cards' });
  #wide = h('button', { type: 'button', class: 'quiet inspector-wide', 'aria-pressed': 'false', on: { click: () => this.#widen() } }, 'Side by side');
  #isWide = false;
  #store;
  #study;
  #stage;
  #kinds;
  #results = new Results();
  /** @type {Map<string, Card>} */
  #shown = new Map();
  /** Finds where to return the focus on closing. @type {(() => Element | null) | null} */
  #opener = null;
  /** The pinned items, and the one clicked last. */
  #items = computed(() => {
    const { pins, open } = this.#store.view;
    return open && !pins.some((pin) => sameItem(pin, open)) ? [...pins, open] : pins;
  });

  isOpen = computed(() => this.#items.value.length > 0);

  /** @param {HTMLElement} root @param {Store} store @param {Study} study @param {Stage} stage */
  constructor(root, store, study, stage) {
    this.#root = root;
    this.#store = store;
    this.#study = study;
    this.#stage = stage;
    this.#kinds = cardKinds({
      direction: () => store.view.direction,
      open: (item) => this.open(item),
      circuit: () => String(store.view.settings.circuit?.edges ?? ''),
      ask: (analysis, settings) => {
        for (const [name, value] of Object.entries(settings)) store.setSetting(analysis, name, value);
        study.goToFigure(analysis);
      },
    });
    root.append(
      h('div', { class: 'inspector-inner' },
        h('header', { class: 'inspector-head' },
          h('h2', { id: 'inspector-title', tabindex: -1 }, 'Inspector'),
          this.#wide,
          iconButton('cross', 'Close the inspector', () => this.close(), { id: 'inspector-close' })),
        this.#cards,
        h('p', { class: 'hint inspector-hint' }, 'Click a head, a neuron or a patched cell in any figure to see everything known about it here. Pin it to compare it with the next one.')));
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#items.value.length === 0 || document.querySelector('dialog[open], .menu:popover-open, .rail.sheet-opened')) return;
      if (root.contains(document.activeElement) || document.activeElement === document.body || this.#opener?.() === document.activeElement) this.close();
    });
    effect(() => {
      const items = this.#items.value;
      untracked(() => this.#show(items));
    });
  }

  /** @param {Item} item */
  open(item) {
    const from = document.activeElement;
    const byKeyboard = from?.matches(':focus-visible') ?? false;
    if (from && !this.#root.contains(from)) this.#opener = placeOf(from);
    this.#store.setView({ open: item });
    const card = this.#shown.get(itemName(item));
    if (byKeyboard) card?.focus();
    card?.element.scrollIntoView({ block: 'nearest' });
  }

  #widen() {
    this.#isWide = !this.#isWide;
    this.#wide.setAttribute('aria-pressed', String(this.#isWide));
    this.#root.classList.toggle('is-wide', this.#isWide);
  }

  /** Closes the unpinned card if there are pinned ones beside it, else everything. @param {boolean} [isWhole] everything at once */
  close(isWhole = false) {
    const { open, pins } = this.#store.view;
    this.#store.setView(!isWhole && open && pins.length > 0 && !pins.some((pin) => sameItem(pin, open)) ? { open: null } : { open: null, pins: [] });
    this.#returnFocus();
  }

  #returnFocus() {
    const opener = this.#opener?.();
    if (opener === document.body) return;
    // A click focuses the figure as a whole; return to its current cell, so that the arrow keys work.
    focusOn(opener?.querySelector('[tabindex="0"]') ?? opener ?? document.getElementById('article'));
  }

  /** @param {Item} item */
  #pin(item) {
    const { pins, open } = this.#store.view;
    if (pins.some((pin) => sameItem(pin, item))) {
      // An unpinned item stays open, unless another one is.
      this.#store.setView({ pins: pins.filter((pin) => !sameItem(pin, item)), open: open && !sameItem(open, item) ? open : item });
    } else {
      this.#store.setView({ pins: [...pins, item].slice(-PINS), open: null });
    }
  }

  /** @param {Item} item */
  #remove(item) {
    const { pins, open } = this.#store.view;
    this.#store.setView({ pins: pins.filter((pin) => !sameItem(pin, item)), open: open && sameItem(open, item) ? null : open });
    if (this.#items.value.length === 0) this.#returnFocus();
  }

  /** @param {Item[]} items */
  #show(items) {
    const names = items.map(itemName);
    for (const [name, card] of this.#shown) {
      if (names.includes(name)) continue;
      card.leave();
      this.#shown.delete(name);
    }
    for (const item of items) {
      const card = this.#shown.get(itemName(item));
      if (card) card.move(item);
      else this.#shown.set(itemName(item), this.#make(item));
    }
    const elements = names.flatMap((name) => this.#shown.get(name)?.element ?? []);
    if (elements.length !== this.#cards.children.length || elements.some((element, index) => this.#cards.children[index] !== element)) this.#cards.replaceChildren(...elements);
    this.#root.dataset.cards = String(items.length);
    document.body.classList.toggle('has-inspector', items.length > 0);
  }

  /** @param {Item} item */
  #make(item) {
    return new Card(item, {
      store: this.#store, study: this.#study, results: this.#results, stage: this.#stage.apart({ actions: {}, width: () => CARD }),
      kind: this.#kinds[item.kind],
      isPinned: () => this.#store.view.pins.some((pin) => sameItem(pin, item)),
      onChange: (moved) => this.#replace(moved),
      onPin: () => this.#pin(this.#shown.get(itemName(item))?.item ?? item),
      onClose: () => this.#remove(item),
    });
  }

  /** @param {Item} item */
  #replace(item) {
    const { pins, open } = this.#store.view;
    this.#store.setView({ pins: pins.map((pin) => (sameItem(pin, item) ? item : pin)), open: open && sameItem(open, item) ? item : open });
  }
}
