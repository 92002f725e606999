// A device that fails (a GPU that is lost, or has no room left): the worker is replaced, and the same model opened in it
// again, once on the same device, then on the CPU. What was being computed is asked again then.

/** @import { EngineError } from '../engine/client.js' */
/** @import { DeviceKind, DevicePreference } from '../types/engine.js' */

/**
 * @typedef {object} Attempt
 * @property {DevicePreference} device
 * @property {string} says what goes on, while the model is being opened again
 * @property {string} then what there is to say once it is open
 * @property {string | null} why it is on the CPU now, if it is for this reason
 */

export class Recovery {
  #failures = 0;

  /** The user has opened a model, or the same anew. */
  reset() {
    this.#failures = 0;
  }

  /**
   * What to do about another failure.
   *
   * @param {EngineError} error
   * @param {DevicePreference} wish the device that was chosen
   * @param {DeviceKind | null} kind the device that failed, if that is known
   * @returns {Attempt | null} null: nothing more
   */
  next(error, wish, kind) {
    this.#failures += 1;
    const isCpu = kind === 'cpu' || wish === 'cpu';
    const what = isCpu ? 'The computation failed' : /\blost\b/i.test(error.message) ? 'The GPU was lost' : 'The GPU failed';
    const rest = kind ? ' What was interrupted is computed again.' : '';
    if (this.#failures === 1) {
      return { device: wish, says: `${what}. The model is being opened again\u2026`, then: `${what}, and the model was opened again.${rest}`, why: null };
    }
    if (this.#failures === 2 && !isCpu) {
      return {
        device: 'cpu', says: `${what} again. The model is being opened on the CPU\u2026`, then: `${what} twice: the model is on the CPU now.${rest}`,
        why: `the GPU failed twice. ${firstSentence(error.message)}`,
      };
    }
    return null;
  }
}

/** What happened, without the advice that follows. @param {string} message */
function firstSentence(message) {
  return message.split(/(?<=\.) (?=[A-Z])/)[0];
}
