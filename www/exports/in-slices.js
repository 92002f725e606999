// Runs long work in time slices, so that the page stays responsive. The work is a generator that yields wherever it can
// pause.

/** Well below the 100 ms at which a page starts to feel stuck, with room for one slow step. */
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
    // Lets aborted work run its `finally` blocks.
    work.return(/** @type {any} */ (undefined));
  }
}

/** @template T @param {Generator<unknown, T>} work run without pausing @returns {T} */
export function atOnce(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Yields to the event loop. Not with a timer: in a background tab, timers fire only once a second. @returns {Promise<void>} */
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
