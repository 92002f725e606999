// The tooltip. Elements with `data-tip` show it on hover and focus; pictures, whose tooltips depend on the cell, call `show`.
// It is in the top layer, above menus and dialogs, and stays while the pointer is on it.

import { h } from './dom.js';

/** @typedef {{ getBoundingClientRect: () => DOMRect }} Anchor what the tooltip points at: an element, or a point in a figure */

/** A scroll this soon after showing is the browser bringing the focused element into view. */
const SAME_MOVE_MS = 250;
/** How long it stays when the pointer leaves what it belongs to, so that the pointer can move onto it. */
const LINGER_MS = 120;
/** How long it has to stand still before the pointer can be moved onto it: it must not be in the way of a pointer that moves on. */
const REST_MS = 350;
const GAP = 8;

export class Tip {
  #tip = h('div', { class: 'tip', id: 'tip', role: 'tooltip', popover: 'manual' });
  /** The element with `data-tip` that it belongs to. @type {HTMLElement | null} */
  #owner = null;
  /** @type {Anchor | null} */
  #anchor = null;
  /** @type {'above' | 'beside'} */
  #side = 'above';
  #shownAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;

  /** @param {Document} document */
  constructor(document) {
    document.body.append(this.#tip);
    document.addEventListener('pointerover', (event) => this.#over(event.target));
    document.addEventListener('focusin', (event) => {
      if (event.target instanceof Element && event.target.matches(':focus-visible')) this.#over(event.target);
    });
    // Clicking a button hides its tooltip; dots keep theirs.
    document.addEventListener('click', (event) => {
      if (event.target instanceof Element && event.target.closest('button:not(.dot)')) this.#close();
    });
    document.addEventListener('focusout', () => this.#close());
    document.addEventListener('scroll', (event) => {
      if (event.target === this.#tip) return;
      if (this.#anchor && performance.now() - this.#shownAt < SAME_MOVE_MS) this.#place(this.#anchor.getBoundingClientRect());
      else this.#close();
    }, { capture: true, passive: true });
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#close();
    });
  }

  /** @param {EventTarget | null} target */
  #over(target) {
    if (!(target instanceof Element)) return;
    if (this.#tip.contains(target)) {
      clearTimeout(this.#leaving);
      return;
    }
    const owner = target.closest('[data-tip]');
    if (owner === this.#owner) {
      if (owner) clearTimeout(this.#leaving);
      return;
    }
    if (owner instanceof HTMLElement) {
      this.show(owner.dataset.tip ?? '', owner, 'above');
      this.#owner = owner;
      owner.setAttribute('aria-describedby', [owner.getAttribute('aria-describedby'), 'tip'].filter(Boolean).join(' '));
    } else if (this.#owner) {
      this.hide();
    }
  }

  /** @param {string} text the first line is a heading @param {Anchor} about @param {'above' | 'beside'} [side] */
  show(text, about, side = 'beside') {
    clearTimeout(this.#leaving);
    this.#release();
    const [first, ...rest] = text.split('\n');
    this.#tip.replaceChildren(...(rest.length > 0 ? [h('strong', {}, first), `\n${rest.join('\n')}`] : [first]));
    if (!this.#tip.matches(':popover-open')) this.#tip.showPopover();
    this.#anchor = about;
    this.#side = side;
    this.#tip.classList.remove('is-resting');
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#tip.classList.add('is-resting'), REST_MS);
    this.#shownAt = performance.now();
    this.#place(about.getBoundingClientRect());
  }

  /** Hides it, unless the pointer moves onto it. */
  hide() {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => this.#close(), LINGER_MS);
  }

  #close() {
    clearTimeout(this.#leaving);
    this.#release();
    this.#anchor = null;
    if (this.#tip.matches(':popover-open')) this.#tip.hidePopover();
  }

  #release() {
    const owner = this.#owner;
    this.#owner = null;
    if (!owner) return;
    const others = (owner.getAttribute('aria-describedby') ?? '').split(' ').filter((id) => id && id !== 'tip');
    if (others.length > 0) owner.setAttribute('aria-describedby', others.join(' '));
    else owner.removeAttribute('aria-describedby');
  }

  /** Above an element, or below it if there is no room; beside a cell of a picture, so that its row and column stay in sight. @param {DOMRect} owner */
  #place(owner) {
    const box = this.#tip.getBoundingClientRect();
    const isBeside = this.#side === 'beside' && (owner.right + GAP + box.width < innerWidth || owner.left - GAP - box.width > 0);
    const above = owner.top - box.height - GAP;
    const aside = owner.right + GAP + box.width < innerWidth ? owner.right + GAP : owner.left - GAP - box.width;
    const left = isBeside ? aside : Math.max(GAP, Math.min(owner.left + owner.width / 2 - box.width / 2, innerWidth - box.width - GAP));
    const top = isBeside ? Math.max(GAP, Math.min(owner.top, innerHeight - box.height - GAP)) : above < 0 ? owner.bottom + GAP : above;
    this.#tip.style.setProperty('left', `${left}px`);
    this.#tip.style.setProperty('top', `${top}px`);
  }
}
