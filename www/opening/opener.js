// Opens models: one at a time, the latest wish wins, and what was open before goes on working when an opening fails.

import { EngineError } from '../engine/client.js';
import { byId } from '../dom.js';
import { say } from '../messages.js';
import { label, namesInPython, queryFor, toModelChoice } from './choices.js';
import { OpeningPanel } from './panel.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Choice } from './choices.js' */
/** @import { Opened, Wanted } from '../types/engine.js' */

/** @typedef {{ showModel: (choice: Choice | null) => void, showDevice: (device: Wanted) => void }} Chooser */

export class Opener {
  /** @type {Opened | null} */
  open = null;
  /** Counts openings, so that results of another model are told apart. */
  serial = 0;

  #engine;
  #panel = new OpeningPanel(byId('opening', HTMLElement));
  #onOpened;
  #onQuery;
  /** @type {Chooser | null} */
  #chooser = null;
  /** @type {Choice} */
  #choice = { kind: 'demo' };
  /** @type {Wanted} */
  #device = 'auto';
  /** @type {{ choice: Choice, device: Wanted } | null} */
  #openAs = null;
  /** @type {AbortController | null} */
  #running = null;
  /** Whether the engine has stopped and a new one is needed. */
  #broken = false;

  /** @param {Engine} engine @param {{ onOpened: () => void, onQuery: () => void }} listeners */
  constructor(engine, { onOpened, onQuery }) {
    this.#engine = engine;
    this.#onOpened = onOpened;
    this.#onQuery = onQuery;
  }

  /** @param {Chooser} chooser */
  connect(chooser) {
    this.#chooser = chooser;
  }

  /** @param {Choice} choice @param {Wanted} device */
  start(choice, device) {
    this.#choice = choice;
    this.#device = device;
    this.#chooser?.showDevice(device);
    return this.#run();
  }

  /** @param {Choice} choice */
  choose(choice) {
    this.#choice = choice;
    return this.#run();
  }

  /** @param {Wanted} device */
  chooseDevice(device) {
    this.#device = device;
    // What is open moves to the other device, not what failed to open.
    if (this.#openAs) this.#choice = this.#openAs.choice;
    return this.#run();
  }

  /** The query that the address bar should have. */
  get query() {
    const as = this.#openAs ?? { choice: this.#choice, device: this.#device };
    return queryFor(new URLSearchParams(location.search), as.choice, as.device);
  }

  /** What Python calls the checkpoint that is open, and its tokenizer. */
  get inPython() {
    return namesInPython((this.#openAs ?? { choice: this.#choice }).choice);
  }

  get isFromFiles() {
    return this.#openAs?.choice.kind === 'files';
  }

  async #run() {
    const choice = this.#choice;
    const device = this.#device;
    this.#running?.abort();
    const mine = new AbortController();
    this.#running = mine;
    if (this.#broken) this.#engine.restart();
    this.#broken = false;
    this.#panel.opening(label(choice), () => mine.abort());
    try {
      const opened = await this.#engine.call('open', { model: toModelChoice(choice, new URLSearchParams(location.search)), device }, {
        signal: mine.signal,
        onProgress: (progress) => this.#running === mine && this.#panel.progress(progress),
      });
      this.open = opened;
      this.#openAs = { choice, device };
      this.serial += 1;
      if (this.#running !== mine) return;
      this.#panel.opened(opened, { demo: choice.kind === 'demo' });
      this.#chooser?.showModel(choice);
      say(`${opened.model.name} is open on ${opened.model.device.name}.`);
      this.#onQuery();
      this.#onOpened();
    } catch (error) {
      if (error instanceof EngineError && error.code === 'engine') this.crashed(error);
      else if (this.#running === mine) this.#fail(error);
    } finally {
      if (this.#running === mine) this.#running = null;
    }
  }

  /** @param {unknown} error */
  #fail(error) {
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

  /** The engine has stopped: nothing is open in it any more. @param {EngineError} error */
  crashed(error) {
    if (this.#broken) return;
    this.#broken = true;
    this.open = null;
    this.#running = null;
    this.#fail(error);
  }

  /** A new engine, and in it the model that was open, or being opened. */
  #restart() {
    if (this.#openAs) this.#choice = this.#openAs.choice;
    return this.#run();
  }
}
