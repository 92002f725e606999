// The page's side of the service worker: it is registered once the first model has been opened, and new versions are
// offered, never forced.

import { h } from '../dom.js';
import { env } from '../env.js';

/** @import { Messages } from '../messages.js' */

/** Session-storage flag: the reloaded page announces the new version once. */
const TAKEN_OVER = 'patchlab.updated';

/** Announces, once, that a new version is running. @param {Messages} messages */
export function greet(messages) {
  if (takenOver()) messages.toast('This is the new version of Patchlab.');
}

/**
 * @param {() => Promise<unknown>} save saves what a reload must not lose
 * @param {Messages} messages
 * @param {(why: string) => void} onReplaced called when this page's version is no longer the one that is served
 */
export async function startUpdates(save, messages, onReplaced) {
  const { serviceWorker } = env;
  if (!serviceWorker) return;
  let reloading = false;
  const reload = async () => {
    reloading = true;
    await save();
    remember();
    location.reload();
  };
  try {
    // Otherwise sw.js itself could come from the HTTP cache and hide a new version.
    const registration = await serviceWorker.register(new URL('sw.js', document.baseURI), { updateViaCache: 'none' });
    const offer = (/** @type {ServiceWorker} */ fresh) => notice(messages, 'A new version of Patchlab is ready.', () => {
      fresh.addEventListener('statechange', () => { if (fresh.state === 'activated') void reload(); });
      reloading = true;
      fresh.postMessage('take over');
    });
    // A first install replaces nothing, so nothing is offered.
    const watch = (/** @type {ServiceWorker} */ fresh) => fresh.addEventListener('statechange', () => {
      if (fresh.state === 'installed' && registration.active) offer(fresh);
    });
    if (registration.waiting && registration.active) offer(registration.waiting);
    if (registration.installing) watch(registration.installing);
    registration.addEventListener('updatefound', () => { if (registration.installing) watch(registration.installing); });
    serviceWorker.addEventListener('controllerchange', () => {
      if (reloading) return;
      const why = 'Patchlab was brought up to date in another tab.';
      onReplaced(why);
      notice(messages, why, reload);
    });
  } catch {
    // The browser forbids it: the page works without a service worker.
  }
}

/** @param {Messages} messages @param {string} text @param {() => void} onReload */
function notice(messages, text, onReload) {
  document.getElementById('update')?.remove();
  const button = h('button', { type: 'button', class: 'link', id: 'reload', on: { click: () => { button.disabled = true; onReload(); } } }, 'Reload');
  const box = h('div', { class: 'update', id: 'update' }, h('span', {}, text), button,
    h('button', { type: 'button', class: 'link update-later', on: { click: () => box.remove() } }, 'Later'));
  document.body.append(box);
  messages.say(`${text} What you have typed is kept.`);
}

function remember() {
  try {
    sessionStorage.setItem(TAKEN_OVER, 'true');
  } catch {
    // Storage is disabled: the new version is not announced.
  }
}

function takenOver() {
  try {
    const said = sessionStorage.getItem(TAKEN_OVER) !== null;
    sessionStorage.removeItem(TAKEN_OVER);
    return said;
  } catch {
    return false;
  }
}
