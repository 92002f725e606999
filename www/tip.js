// One tooltip for the whole page. Elements with `data-tip` show it on hover and focus; figures, whose tooltips depend on
// the cell, call `showTip`.

import { h } from './dom.js';

const tip = h('div', { class: 'tip', id: 'tip', role: 'tooltip', hidden: true });
/** @type {HTMLElement | null} */
let shown = null;

/** @typedef {{ getBoundingClientRect: () => DOMRect }} Anchor what the tooltip points at: an element, or a point in a figure */

/** @type {Anchor | null} */
let anchor = null;
let shownAt = 0;
/** A scroll this soon after showing is the browser bringing the focused element into view. */
const SAME_MOVE_MS = 250;

export function startTooltips() {
  document.body.append(tip);

  /** @param {EventTarget | null} target */
  const show = (target) => {
    const owner = target instanceof Element ? target.closest('[data-tip]') : null;
    if (owner === shown) return;
    shown = owner instanceof HTMLElement ? owner : null;
    if (shown) showTip(shown.dataset.tip ?? '', shown);
    else hideTip();
  };

  document.addEventListener('pointerover', (event) => show(event.target));
  document.addEventListener('focusin', (event) => {
    if (event.target instanceof Element && event.target.matches(':focus-visible')) show(event.target);
  });
  // Clicking a button hides its tooltip; dots keep theirs.
  document.addEventListener('click', (event) => {
    if (event.target instanceof Element && event.target.closest('button:not(.dot)')) show(null);
  });
  document.addEventListener('focusout', () => show(null));
  document.addEventListener('scroll', () => {
    if (anchor && performance.now() - shownAt < SAME_MOVE_MS) place(anchor.getBoundingClientRect());
    else hideTip();
  }, { capture: true, passive: true });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hideTip();
  });
}

/** @param {string} text @param {Anchor} about */
export function showTip(text, about) {
  tip.textContent = text;
  tip.hidden = false;
  anchor = about;
  shownAt = performance.now();
  place(about.getBoundingClientRect());
}

export function hideTip() {
  shown = null;
  anchor = null;
  tip.hidden = true;
}

/** Above the owner, or below it if there is no room. @param {DOMRect} owner */
function place(owner) {
  const gap = 8;
  const box = tip.getBoundingClientRect();
  const left = Math.max(gap, Math.min(owner.left + owner.width / 2 - box.width / 2, innerWidth - box.width - gap));
  const top = owner.top - box.height - gap < 0 ? owner.bottom + gap : owner.top - box.height - gap;
  tip.style.setProperty('left', `${left}px`);
  tip.style.setProperty('top', `${top}px`);
}
