// One tooltip for the whole page: whatever has `data-tip` shows it on hover and on focus.

import { h } from './dom.js';

export function startTooltips() {
  const tip = h('div', { class: 'tip', id: 'tip', role: 'tooltip', hidden: true });
  document.body.append(tip);
  /** @type {HTMLElement | null} */
  let shown = null;

  /** @param {EventTarget | null} target */
  const show = (target) => {
    const owner = target instanceof Element ? target.closest('[data-tip]') : null;
    if (owner === shown) return;
    shown = owner instanceof HTMLElement ? owner : null;
    tip.hidden = !shown;
    if (!shown) return;
    tip.textContent = shown.dataset.tip ?? '';
    place(tip, shown.getBoundingClientRect());
  };

  document.addEventListener('pointerover', (event) => show(event.target));
  document.addEventListener('focusin', (event) => {
    if (event.target instanceof Element && event.target.matches(':focus-visible')) show(event.target);
  });
  // A button that was pressed needs no explanation any more; a dot or a number still does.
  document.addEventListener('click', (event) => {
    if (event.target instanceof Element && event.target.closest('button:not(.dot)')) show(null);
  });
  document.addEventListener('focusout', () => show(null));
  document.addEventListener('scroll', () => show(null), { capture: true, passive: true });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') show(null);
  });
}

/** Above its owner, or below where there is no room. @param {HTMLElement} tip @param {DOMRect} owner */
function place(tip, owner) {
  const gap = 8;
  const box = tip.getBoundingClientRect();
  const left = Math.max(gap, Math.min(owner.left + owner.width / 2 - box.width / 2, innerWidth - box.width - gap));
  const top = owner.top - box.height - gap < 0 ? owner.bottom + gap : owner.top - box.height - gap;
  tip.style.setProperty('left', `${left}px`);
  tip.style.setProperty('top', `${top}px`);
}
