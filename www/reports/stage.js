// Where parts are drawn: what they share with the other pictures of the page, and for how long.

import { Scope } from '../scope.js';
import { DEFAULT_PICTURE } from '../store/view.js';
import { Hover } from './hover.js';

/** @import { PictureView } from '../store/view.js' */
/** @import { Tip } from '../tip.js' */
/** @import { Part } from '../types/engine.js' */
/** @import { Actions } from './actions.js' */

/** How one picture is shown, and a change of it. @typedef {{ readonly now: PictureView, set: (changes: Partial<PictureView>) => void }} Picture */

/**
 * @typedef {object} StageOptions
 * @property {Actions} actions what clicks do
 * @property {Hover} hover
 * @property {Pick<Tip, 'show' | 'hide'>} tip
 * @property {(name: string) => Picture} pictures
 * @property {((figure: HTMLElement, part: Part) => HTMLElement) | null} menu the menu that saves a picture and its numbers
 * @property {() => number} width pixels that pictures may take
 * @property {Scope} scope ends when the pictures are removed
 */

export class Stage {
  #options;

  /** @param {Partial<StageOptions>} [options] without them, pictures stand for themselves, as in a file */
  constructor(options = {}) {
    /** @type {StageOptions} */
    this.#options = { actions: {}, hover: new Hover(), tip: { show() {}, hide() {} }, pictures: ownPictures(), menu: null, width: () => 900, scope: new Scope(), ...options };
  }

  get actions() { return this.#options.actions; }

  get hover() { return this.#options.hover; }

  get tip() { return this.#options.tip; }

  get menu() { return this.#options.menu; }

  get scope() { return this.#options.scope; }

  get width() { return this.#options.width(); }

  /** The view of a picture. @param {string} name */
  picture(name) {
    return this.#options.pictures(name);
  }

  /** The same with other options. @param {Partial<StageOptions>} options */
  with(options) {
    return new Stage({ ...this.#options, ...options });
  }

  /** Another stage, whose pictures come and go by themselves. @param {Partial<StageOptions>} [options] */
  apart(options) {
    return this.with({ ...options, scope: new Scope() });
  }
}

/** Views that are forgotten with the stage. @returns {StageOptions['pictures']} */
function ownPictures() {
  /** @type {Map<string, PictureView>} */
  const views = new Map();
  return (name) => ({
    get now() { return views.get(name) ?? DEFAULT_PICTURE; },
    set(changes) { views.set(name, { ...this.now, ...changes }); },
  });
}
