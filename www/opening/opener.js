// Opens models: one at a time, and the latest request wins. If opening fails, the previous model stays open. If the
// device fails, the model that was open on it is opened again (recovery.js).

import { EngineError } from '../engine/client.js';
import { byId } from '../dom.js';
import { say, toast } from '../messages.js';
import { label, namesInPython, queryFor, toModelChoice } from './choices.js';
import { OpeningPanel } from './panel.js';
import { Recovery } from './recovery.js';
import { askToKeep } from './storage.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Choice } from './choices.js' */
/** @import { Opened, DevicePreference } from '../types/engine.js' */
/** @import { Attempt } from './recovery.js' */

/** @typedef {{ showModel: (choice: Choice | null) => void, showDevice: (device: DevicePreference) => void }} Chooser */

export class Opener {
  /** @type {Opened | null} */
  open = null;
  /** Incremented when another model is opened, to distinguish results of different models. */
  serial = 0;

  #engine;
  #panel = new OpeningPanel(byId('opening', HTMLElement));
  #onOpened;
  #onReopened;
  #onQuery;
  /** @type {Chooser | null} */
  #chooser = null;
  /** @type {Choice} */
  #choice = { kind: 'demo' };
  /** @type {DevicePreference} */
  #device = 'auto';
  /** @type {{ choice: Choice, device: DevicePreference } | null} */
  #openAs = null;
  /** @type {AbortController | null} */
  #running = null;
  /** Settles when `#running` has ended. */
  #done = Promise.resolve();
  /** Whether the engine has crashed and has to be replaced. */
  #broken = false;
  #recovery = new Recovery();

  /**
   * @param {Engine} engine
   * @param {object} listeners
   * @param {() => void} listeners.onOpened another model has been opened
   * @param {() => void} listeners.onReopened the same model has been opened again after its device failed
   * @param {() => void} listeners.onQuery
   */
  constructor(engine, { onOpened, onReopened, onQuery }) {
    this.#engine = engine;
    this.#onOpened = onOpened;
    this.#onReopened = onReopened;
    this.#onQuery = onQuery;
  }

  /** @param {Chooser} chooser */
  connect(chooser) {
    this.#chooser = chooser;
  }

  /** @param {Choice} choice @param {DevicePreference} device */
  start(choice, device) {
    this.#device = device;
    this.#chooser?.showDevice(device);
    return this.choose(choice);
  }

  /** @param {Choice} choice */
  choose(choice) {
    this.#choice = choice;
    this.#recovery.reset();
    return this.#begin();
  }

  /** @param {DevicePreference} device */
  chooseDevice(device) {
    this.#device = device;
    // Move the model that is open to the other device, not one that failed to open.
    return this.choose(this.#openAs?.choice ?? this.#choice);
  }

  /** The query string for the address bar. */
  get query() {
    const as = this.#openAs ?? { choice: this.#choice, device: this.#device };
    return queryFor(new URLSearchParams(location.search), as.choice, as.device);
  }

  /** The names of the open checkpoint and its tokenizer for Python. */
  get inPython() {
    return namesInPython((this.#openAs ?? { choice: this.#choice }).choice);
  }

  get isFromFiles() {
    return this.#openAs?.choice.kind === 'files';
  }

  /** @param {Attempt | null} [attempt] set when recovering from a device failure */
  #begin(attempt = null) {
    this.#done = this.#run(attempt);
    return this.#done;
  }

  /** @param {Attempt | null} attempt */
  async #run(attempt) {
    const choice = this.#choice;
    const wish = this.#device;
    this.#running?.abort();
    const mine = new AbortController();
    this.#running = mine;
    if (this.#broken || attempt) this.#engine.restart();
    this.#broken = false;
    this.#panel.opening(label(choice), {
      onCancel: () => mine.abort(),
      onPause: choice.kind === 'files' ? null : (paused) => this.#engine.call('pause', { paused }).catch(() => {}),
      why: attempt?.says,
    });
    if (attempt) say(attempt.says);
    try {
      const opened = await this.#engine.call('open', { model: toModelChoice(choice, new URLSearchParams(location.search)), device: attempt?.device ?? wish, halved: attempt?.halved ?? 0 }, {
        signal: mine.signal,
        onProgress: (progress) => this.#running === mine && this.#panel.progress(progress),
      });
      const isAgain = attempt !== null && this.open !== null && this.#openAs?.choice === choice;
      this.open = opened;
      this.#openAs = { choice, device: wish };
      if (!isAgain) this.serial += 1;
      if (this.#running !== mine) return;
      this.#panel.opened(opened, { demo: choice.kind === 'demo', why: attempt?.why ?? null });
      this.#chooser?.showModel(choice);
      // After a fallback, show the CPU, so that the failed device can be chosen again. The next model may use it.
      this.#chooser?.showDevice(attempt?.why ? 'cpu' : wish);
      say(`${opened.model.name} is open on ${opened.model.device.name}.`);
      if (attempt) toast(attempt.then);
      if (choice.kind === 'gpt2' || choice.kind === 'address') askToKeep();
      if (isAgain) {
        this.#onReopened();
        return;
      }
      this.#onQuery();
      this.#onOpened();
    } catch (error) {
      const code = error instanceof EngineError ? error.code : '';
      if (error instanceof EngineError && code === 'engine') this.crashed(error);
      else if (this.#running !== mine) return;
      else if (error instanceof EngineError && code === 'compute') {
        // The model that was open is lost with the device, unless it is the one being opened again.
        if (!attempt) this.open = null;
        await this.#recover(error, true);
      } else {
        this.#fail(error, attempt !== null);
      }
    } finally {
      if (this.#running === mine) this.#running = null;
    }
  }

  /**
   * Called when the device has failed: a new engine takes over.
   *
   * @param {EngineError} error
   * @returns {Promise<void> | null} settles when the new engine has opened the model or failed to; null if nothing more is tried
   */
  lost(error) {
    if (this.#broken) return null;
    if (this.#running) {
      // Another model is already being opened: the new engine opens that one.
      this.open = null;
      this.#engine.restart();
      return this.#done;
    }
    if (this.#openAs) this.#choice = this.#openAs.choice;
    return this.#recover(error, false);
  }

  /** @param {EngineError} error @param {boolean} isOpening whether it failed while opening @returns {Promise<void> | null} */
  #recover(error, isOpening) {
    const attempt = this.#recovery.next(error, this.#device, isOpening ? null : this.open?.model.device.kind ?? null);
    if (attempt) return this.#begin(attempt);
    this.crashed(error);
    return null;
  }

  /** @param {unknown} error @param {boolean} [isLost] whether the model that was open was lost with its device */
  #fail(error, isLost = false) {
    if (isLost) this.open = null;
    const code = error instanceof EngineError ? error.code : 'address';
    const message = error instanceof Error ? error.message : String(error);
    if (this.#openAs) {
      this.#device = this.#openAs.device;
      this.#chooser?.showDevice(this.#device);
    }
    if (code === 'cancelled') {
      this.#panel.dismiss(this.open !== null);
      say('Opening was cancelled.');
      return;
    }
    const retried = this.#choice;
    this.#panel.failed(message, {
      code,
      kept: this.open?.model.name ?? null,
      retry: code === 'engine'
        ? { label: 'Restart the engine', click: () => this.#restart() }
        : { label: 'Try again', click: () => this.choose(retried) },
    });
  }

  /** Called when the engine has crashed: nothing is open in it any more. @param {EngineError} error */
  crashed(error) {
    if (this.#broken) return;
    this.#broken = true;
    this.open = null;
    this.#running = null;
    this.#fail(error);
  }

  /** Starts a new engine and reopens the model that was open or being opened. */
  #restart() {
    return this.choose(this.#openAs?.choice ?? this.#choice);
  }
}
