// Recovery from device failures (a lost GPU, out of memory): the worker is replaced and the same model opened again, first
// on the same device, then on the CPU. Interrupted requests are sent again. The engine itself works in smaller chunks when a
// GPU is out of memory; where that was not enough, or was no longer possible, the next engine begins with smaller chunks.

/** @import { EngineError } from '../engine/client.js' */
/** @import { DeviceKind, DevicePreference } from '../types/engine.js' */

/**
 * @typedef {object} Attempt
 * @property {DevicePreference} device
 * @property {string} says the message while the model is being opened again
 * @property {string} then the message once it is open
 * @property {string | null} why the reason, if it falls back to the CPU
 * @property {number} halved how often the memory for activations is halved
 */

/** How often it is halved before the CPU is taken. */
const MOST_HALVED = 3;

/** A failure so long ago has nothing to do with the next one: the lid of a laptop was closed, say. */
const FORGOTTEN_MS = 5 * 60_000;

export class Recovery {
  #failures = 0;
  #halved = 0;
  #last = -Infinity;

  /** Called when the user opens a model. */
  reset() {
    this.#failures = 0;
    this.#halved = 0;
  }

  /**
   * What to try after another failure.
   *
   * @param {EngineError} error
   * @param {DevicePreference} wish the device that was chosen
   * @param {DeviceKind | null} kind the device that failed, if known
   * @returns {Attempt | null} null to give up
   */
  next(error, wish, kind) {
    const now = performance.now();
    if (now - this.#last > FORGOTTEN_MS) this.reset();
    this.#last = now;
    if (kind === 'wgpu' && isOutOfMemory(error.message) && this.#halved < MOST_HALVED) {
      this.#halved += 1;
      return {
        device: wish, says: 'The GPU ran out of memory. The model is being opened again, to be computed in smaller parts\u2026',
        then: 'The GPU ran out of memory: the model was opened again, and is computed in smaller parts.', why: null, halved: this.#halved,
      };
    }
    this.#failures += 1;
    const isCpu = kind === 'cpu' || wish === 'cpu';
    const what = isCpu ? 'The computation failed' : /\blost\b/i.test(error.message) ? 'The GPU was lost' : 'The GPU failed';
    const rest = kind ? ' What was interrupted is computed again.' : '';
    if (this.#failures === 1) {
      return { device: wish, says: `${what}. The model is being opened again\u2026`, then: `${what}, and the model was opened again.${rest}`, why: null, halved: this.#halved };
    }
    if (this.#failures === 2 && !isCpu) {
      return {
        device: 'cpu', says: `${what} again. The model is being opened on the CPU\u2026`, then: `${what} twice: the model is on the CPU now.${rest}`,
        why: `the GPU failed twice. ${firstSentence(error.message)}`, halved: 0,
      };
    }
    return null;
  }
}

/** @param {string} message */
function isOutOfMemory(message) {
  // The second is what a browser says of a buffer that is to be mapped.
  return /\bout of memory\b|createBuffer.*too large/i.test(message);
}

/** The first sentence of a message, without the advice that follows. @param {string} message */
function firstSentence(message) {
  return message.split(/(?<=\.) (?=[A-Z])/)[0];
}
