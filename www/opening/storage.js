// Weights stored in this browser: the button that lists them, and the request to keep them.

import { h } from '../dom.js';
import { env } from '../env.js';

/** @import { Engine } from '../engine/client.js' */

const WIDTH = 440;

/** Asks the browser not to evict the stored weights. It may prompt the user, or refuse; nothing waits for the answer. */
export function askToKeep() {
  // Firefox asks the visitor each time, also where it was allowed before.
  env.storage?.persisted?.().then((lasts) => lasts || env.storage?.persist?.()).catch(() => {});
}

/** @param {Engine} engine @param {(text: string) => void} say tells a screen reader */
export function storageButton(engine, say) {
  const menu = h('div', { class: 'menu menu-stored', id: 'stored-menu', popover: 'auto', role: 'dialog', 'aria-labelledby': 'stored-title' });
  const button = h('button', { type: 'button', class: 'quiet', id: 'stored', popovertarget: menu.id }, 'Stored weights');
  menu.addEventListener('beforetoggle', (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== 'open') return;
    const box = button.getBoundingClientRect();
    menu.style.setProperty('--menu-top', `${Math.max(8, Math.min(box.bottom + 4, innerHeight - 320))}px`);
    menu.style.setProperty('--menu-left', `${Math.max(8, Math.min(box.left, innerWidth - WIDTH - 8))}px`);
    // Loaded on demand, because few people open it.
    import('./stored-menu.js').then(
      ({ fillStoredMenu }) => fillStoredMenu(menu, engine, say),
      () => menu.replaceChildren(h('p', { class: 'field-error', role: 'alert' }, 'A part of the page could not be loaded. Reload the page.')),
    );
  });
  return h('span', {}, button, menu);
}
