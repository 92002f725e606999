// Hosts that weights are fetched from without asking: the page's own, the one that its own settings name, and those that the visitor
// has said yes to. A link is from a stranger.

const KEY = 'patchlab.hosts';
/** For browsers that forbid storage. @type {Set<string>} */
const now = new Set();

/** @returns {string[]} */
function kept() {
  try {
    const list = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(list) ? list.filter((origin) => typeof origin === 'string') : [];
  } catch {
    return [];
  }
}

/** @param {string} origin */
export function isTrusted(origin) {
  return now.has(origin) || kept().includes(origin);
}

/** @param {string} origin */
export function trust(origin) {
  now.add(origin);
  try {
    localStorage.setItem(KEY, JSON.stringify([...new Set([...kept(), origin])]));
  } catch {
    // Until the page is closed, then.
  }
}
