// On narrow screens the editor is a bottom sheet.

import { effect } from '../vendor/dist/libraries.js';
import { byId, icon } from '../dom.js';
import { plural } from '../numbers.js';

/** @import { Store } from '../store/store.js' */
/** @import { Back } from './back.js' */

/** @param {Store} store @param {Back} back */
export function startSheet(store, back) {
  const rail = byId('rail', HTMLElement);
  const openButton = byId('sheet-open', HTMLButtonElement);
  const closeButton = byId('sheet-close', HTMLButtonElement);
  closeButton.append(icon('cross'));
  closeButton.setAttribute('aria-label', 'Close the editor');

  /** @param {boolean} open */
  const set = (open) => {
    if (open) back.opened(close);
    else back.closed(close);
    rail.classList.toggle('sheet-opened', open);
    document.body.classList.toggle('has-sheet', open);
    openButton.setAttribute('aria-expanded', String(open));
    // The sheet is modal: everything it covers is inert.
    for (const covered of document.querySelectorAll('.bar, .opening, .article, .inspector, .sheet-bar')) covered.toggleAttribute('inert', open);
  };
  const close = () => {
    set(false);
    openButton.focus();
  };
  set(false);
  openButton.addEventListener('click', () => {
    set(true);
    byId('rail-title', HTMLElement).focus();
  });
  closeButton.addEventListener('click', close);
  rail.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && rail.classList.contains('sheet-opened')) close();
  });
  effect(() => {
    const { groups } = store.experiment;
    const pairs = groups.reduce((sum, group) => sum + group.pairs.length, 0);
    byId('sheet-summary', HTMLElement).textContent = `${plural(groups.length, 'group')}, ${plural(pairs, 'pair')}`;
  });
  const narrow = matchMedia('(max-width: 900px)');
  narrow.addEventListener('change', () => set(false));
  return {
    /** Opens the sheet, on narrow screens. */
    open: () => narrow.matches && set(true),
    /** Closes the sheet if it is open. */
    close: () => rail.classList.contains('sheet-opened') && set(false),
  };
}
