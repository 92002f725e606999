// Whether weights are stored as fp16; remembered in this browser.

const KEY = 'patchlab.half';

export function keepsHalf() {
  try {
    return localStorage.getItem(KEY) === 'true';
  } catch {
    return false;
  }
}

/** @param {boolean} half */
export function keepHalf(half) {
  try {
    if (half) localStorage.setItem(KEY, 'true');
    else localStorage.removeItem(KEY);
  } catch {
    // Storage is full or disabled, so weights are not stored either.
  }
}
