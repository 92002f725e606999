// Opens models: one at a time, and the latest request wins. If opening fails, the previous model stays open. If the
// device fails, the model that was open on it is opened again (recovery.js).

import { batch, signal } from '../vendor/dist/libraries.js';
import { EngineError } from '../engine/client.js';
import { foreignOrigin, label, namesInPython, queryFor, toModelChoice } from './choices.js';
import { Recovery } from './recovery.js';
import { askToKeep } from './storage.js';
import { isTrusted, trust } from './trust.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Messages } from '../messages.js' */
/** @import { Store } from '../store/store.js' */
/** @import { Choice } from './choices.js' */
/** @import { OpeningPanel } from './panel.js' */
/** @import { Opened, DevicePreference } from '../types/engine.js' */
/** @import { Attempt } from './recovery.js' */

/** @typedef {{ showModel: (choice: Choice | null) => void, showDevice: (device: DevicePreference) => void }} Chooser */

export class Opener {
  #engine;
  #store;
  #messages;
  #panel;
  #onReopened;
  /** @type {Chooser | null} */
  #chooser = null;
  /** What the visitor chose last. @type {Choice} */
  #choice = { kind: 'demo' };
  /** @type {DevicePreference} */
  #device = 'auto';
  /** How the model that is open was opened. */
  #openAs = signal(/** @type {{ choice: Choice, device: DevicePreference } | null} */ (null));
  #serial = 0;
  /** @type {AbortController | null} */
  #running = null;
  /** Whether what is being opened is the model that was lost with its device. */
  #isRecovering = false;
  /** Settles when `#running` has ended. */
  #done = Promise.resolve();
  /** Whether the engine has crashed and has to be replaced. */
  #broken = false;
  /** What a link asks for, until the visitor has answered. @type {Choice | null} */
  #asking = null;
  #recovery = new Recovery();

  /**
   * @param {Pick<Engine, 'call' | 'restart'>} engine
   * @param {Store} store receives the open model
   * @param {object} page
   * @param {Pick<OpeningPanel, 'ask' | 'opening' | 'progress' | 'opened' | 'failed' | 'dismiss'>} page.panel
   * @param {Pick<Messages, 'say' | 'toast'>} page.messages
   * @param {() => void} page.onReopened the same model has been opened again after its device failed
   */
  constructor(engine, store, { panel, messages, onReopened }) {
    this.#engine = engine;
    this.#store = store;
    this.#panel = panel;
    this.#messages = messages;
    this.#onReopened = onReopened;
  }

  /** @param {Chooser} chooser */
  connect(chooser) {
    this.#chooser = chooser;
  }

  /** The open model. */
  get #open() {
    return this.#store.model.value?.info ?? null;
  }

  /** @param {Choice} choice @param {DevicePreference} device */
  start(choice, device) {
    this.#device = device;
    this.#chooser?.showDevice(device);
    return this.#consider(choice);
  }

  /** Opens what the visitor has chosen. @param {Choice} choice */
  choose(choice) {
    if (choice.kind === 'address') this.#trust(choice);
    return this.#consider(choice);
  }

  /** Asks first if the weights are on a host that only a link has named. @param {Choice} choice */
  #consider(choice) {
    const origin = this.#foreign(choice);
    if (origin && !isTrusted(origin)) return this.#ask(choice, origin);
    this.#asking = null;
    this.#choice = choice;
    this.#recovery.reset();
    return this.#begin();
  }

  /** @param {Choice} choice @param {string} origin */
  #ask(choice, origin) {
    this.#asking = choice;
    this.#panel.ask(new URL(origin).host, {
      onYes: () => {
        trust(origin);
        void this.#consider(choice);
      },
      onNo: () => {
        this.#asking = null;
        if (this.#open) this.#panel.dismiss(true);
        else void this.choose({ kind: 'demo' });
      },
    });
    return Promise.resolve();
  }

  /** @param {Choice} choice @returns {string | null} null also for an invalid address, which is reported when it is opened */
  #foreign(choice) {
    try {
      return foreignOrigin(choice, new URLSearchParams(location.search));
    } catch {
      return null;
    }
  }

  /** @param {Choice} choice that the visitor has typed */
  #trust(choice) {
    const origin = this.#foreign(choice);
    if (origin) trust(origin);
  }

  /** @param {DevicePreference} device */
  chooseDevice(device) {
    this.#device = device;
    if (this.#asking) return Promise.resolve();
    // Move the model that is open to the other device, not one that failed to open.
    return this.choose(this.#openAs.value?.choice ?? this.#choice);
  }

  /** The query string for the address bar. */
  get query() {
    // What the link asks for is not lost by a reload.
    if (this.#asking) return location.search;
    const as = this.#openAs.value ?? { choice: this.#choice, device: this.#device };
    return queryFor(new URLSearchParams(location.search), as.choice, as.device);
  }

  /** The names of the open checkpoint and its tokenizer for Python. */
  get inPython() {
    return namesInPython((this.#openAs.value ?? { choice: this.#choice }).choice, new URLSearchParams(location.search));
  }

  /** How the model that is open was chosen. */
  get choice() {
    return this.#openAs.value?.choice ?? null;
  }

  get isFromFiles() {
    return this.#openAs.value?.choice.kind === 'files';
  }

  /** @param {Attempt | null} [attempt] set when recovering from a device failure */
  #begin(attempt = null) {
    this.#done = this.#run(attempt);
    return this.#done;
  }

  /** @param {Choice} choice @returns {string} */
  #label(choice) {
    try {
      return label(choice, new URLSearchParams(location.search));
    } catch {
      return 'weights';
    }
  }

  /** @param {Attempt | null} attempt */
  async #run(attempt) {
    const choice = this.#choice;
    const wish = this.#device;
    this.#running?.abort();
    const mine = new AbortController();
    this.#running = mine;
    this.#isRecovering = attempt !== null;
    if (this.#broken || attempt) this.#engine.restart();
    this.#broken = false;
    /** @type {import('../engine/client.js').Call<Opened> | undefined} */
    let call;
    this.#panel.opening(this.#label(choice), {
      onCancel: () => mine.abort(),
      onPause: choice.kind === 'files' ? null : (paused) => call?.pause(paused),
      why: attempt?.says,
    });
    if (attempt) this.#messages.say(attempt.says);
    try {
      call = this.#engine.call('open', { model: toModelChoice(choice, new URLSearchParams(location.search)), device: attempt?.device ?? wish, halved: attempt?.halved ?? 0 }, {
        signal: mine.signal,
        onProgress: (progress) => this.#running === mine && this.#panel.progress(progress),
      });
      const opened = await call;
      // Another may have been chosen too late to stop this one: until that is open, this is what the engine computes with.
      this.#opened(opened, { choice, wish, attempt, isLast: this.#running === mine });
    } catch (error) {
      const code = error instanceof EngineError ? error.code : '';
      if (error instanceof EngineError && code === 'engine') this.crashed(error);
      else if (this.#running !== mine) return;
      else if (error instanceof EngineError && code === 'compute') {
        // The model that was open is lost with the device, unless it is the one being opened again.
        if (!attempt) this.#store.model.value = null;
        await this.#recover(error, true);
      } else {
        this.#fail(error, attempt !== null);
      }
    } finally {
      if (this.#running === mine) this.#running = null;
    }
  }

  /** @param {Opened} opened @param {{ choice: Choice, wish: DevicePreference, attempt: Attempt | null, isLast: boolean }} how `isLast`: nothing else is being opened */
  #opened(opened, { choice, wish, attempt, isLast }) {
    const isAgain = attempt !== null && this.#open !== null && this.#openAs.value?.choice === choice;
    if (!isAgain) this.#serial += 1;
    this.#panel.opened(opened, { kind: choice.kind, why: attempt?.why ?? null, isLast });
    this.#chooser?.showModel(choice);
    // After a fallback, show the CPU, so that the failed device can be chosen again. The next model may use it.
    this.#chooser?.showDevice(attempt?.why ? 'cpu' : wish);
    this.#messages.say(`${opened.model.name} is open on ${opened.model.device.name}.`);
    if (attempt) this.#messages.toast(attempt.then);
    if (choice.kind === 'gpt2' || choice.kind === 'address') askToKeep();
    batch(() => {
      this.#openAs.value = { choice, device: wish };
      this.#store.model.value = { info: opened.model, serial: this.#serial };
    });
    if (isAgain) this.#onReopened();
  }

  /**
   * Called when the device has failed: a new engine takes over.
   *
   * @param {EngineError} error
   * @returns {Promise<void> | null} settles when the new engine has opened the model or failed to; null if nothing more is tried
   */
  lost(error) {
    if (this.#broken) return null;
    // Several runs may fail with their device.
    if (this.#running && this.#isRecovering) return this.#done;
    if (this.#running) {
      // Another model is already being opened: the new engine opens that one.
      this.#store.model.value = null;
      this.#engine.restart();
      return this.#done;
    }
    if (this.#openAs.value) this.#choice = this.#openAs.value.choice;
    return this.#recover(error, false);
  }

  /** @param {EngineError} error @param {boolean} isOpening whether it failed while opening @returns {Promise<void> | null} */
  #recover(error, isOpening) {
    const attempt = this.#recovery.next(error, this.#device, isOpening ? null : this.#open?.device.kind ?? null);
    if (attempt) return this.#begin(attempt);
    this.crashed(error);
    return null;
  }

  /** @param {unknown} error @param {boolean} [isLost] whether the model that was open was lost with its device */
  #fail(error, isLost = false) {
    if (isLost) this.#store.model.value = null;
    const code = error instanceof EngineError ? error.code : 'address';
    const message = error instanceof Error ? error.message : String(error);
    if (this.#openAs.value) {
      this.#device = this.#openAs.value.device;
      this.#chooser?.showDevice(this.#device);
    }
    const retried = this.#choice;
    if (code === 'cancelled') {
      this.#panel.dismiss(this.#open !== null);
      this.#messages.say('Opening was cancelled.');
      return;
    }
    this.#panel.failed(message, {
      code,
      kept: this.#open?.name ?? null,
      retry: code === 'engine'
        ? { label: 'Restart the engine', click: () => this.#restart() }
        : { label: 'Try again', click: () => this.choose(retried) },
    });
  }

  /** Called when the engine has crashed: nothing is open in it any more. @param {EngineError} error */
  crashed(error) {
    if (this.#broken) return;
    this.#broken = true;
    this.#store.model.value = null;
    this.#running = null;
    this.#fail(error);
  }

  /** Starts a new engine and reopens the model that was open or being opened. */
  #restart() {
    return this.choose(this.#openAs.value?.choice ?? this.#choice);
  }
}
