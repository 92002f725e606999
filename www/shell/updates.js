// The service worker's side of the page: it is registered once the page has done its first work, and a new version of the
// page is offered, never forced.

import { h } from '../dom.js';
import { say, toast } from '../messages.js';

/** The new page says once that it is new. */
const TAKEN_OVER = 'patchlab.updated';

/** Says, once, that a new version has taken over. */
export function greet() {
  if (takenOver()) toast('This is the new version of Patchlab.');
}

/** @param {() => Promise<unknown>} save writes down what a reload must not lose */
export async function startUpdates(save) {
  // Not over http, nor in some private windows: the page then comes from its host each time.
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  let reloading = false;
  const reload = async () => {
    reloading = true;
    await save();
    remember();
    location.reload();
  };
  try {
    // The script's own copy in the HTTP cache would hide a new version for as long as the host lets it.
    const registration = await serviceWorker.register(new URL('sw.js', document.baseURI), { updateViaCache: 'none' });
    const offer = (/** @type {ServiceWorker} */ fresh) => notice('A new version of Patchlab is ready.', () => {
      fresh.addEventListener('statechange', () => { if (fresh.state === 'activated') reload(); });
      reloading = true;
      fresh.postMessage('take over');
    });
    // The first version of all takes the place of none.
    const watch = (/** @type {ServiceWorker} */ fresh) => fresh.addEventListener('statechange', () => {
      if (fresh.state === 'installed' && registration.active) offer(fresh);
    });
    if (registration.waiting && registration.active) offer(registration.waiting);
    if (registration.installing) watch(registration.installing);
    registration.addEventListener('updatefound', () => { if (registration.installing) watch(registration.installing); });
    serviceWorker.addEventListener('controllerchange', () => {
      if (!reloading) notice('Patchlab was brought up to date in another tab.', reload);
    });
  } catch {
    // The browser forbids it: the page works as it did before there were service workers.
  }
}

/** @param {string} text @param {() => void} onReload */
function notice(text, onReload) {
  document.getElementById('update')?.remove();
  const button = h('button', { type: 'button', class: 'link', id: 'reload', on: { click: () => { button.disabled = true; onReload(); } } }, 'Reload');
  const box = h('div', { class: 'update', id: 'update' }, h('span', {}, text), button,
    h('button', { type: 'button', class: 'link update-later', on: { click: () => box.remove() } }, 'Later'));
  document.body.append(box);
  say(`${text} What is typed stays.`);
}

function remember() {
  try {
    sessionStorage.setItem(TAKEN_OVER, 'true');
  } catch {
    // Then nothing is said of it.
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
