// Long work in slices, between which the page hears, draws and scrolls. The work is a generator that yields wherever it
// can pause.

/** Well below the 100 ms at which a page begins to feel stuck, with room for one step that takes longer than it should. */
const SLICE_MS = 12;

/**
 * @template T
 * @param {Generator<unknown, T>} work
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>} rejected with the signal's reason if it is aborted
 */
export async function inSlices(work, signal) {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const start = performance.now();
      while (performance.now() - start < SLICE_MS) {
        const { done, value } = work.next();
        if (done) return value;
      }
      await breathe();
    }
  } finally {
    // Lets work that was stopped clear up after itself.
    work.return(/** @type {any} */ (undefined));
  }
}

/** @template T @param {Generator<unknown, T>} work all at once @returns {T} */
export function atOnce(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Lets the page do what is waiting. Not by a timer: those of a page in the background go off once a second. @returns {Promise<void>} */
export function breathe() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
