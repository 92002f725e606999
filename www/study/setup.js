// The view of the study: groups shown, patching direction, settings of each figure, what is compared and what is inspected.
// It is part of the link, but not of the experiment's undo history.

import { ITEM_KINDS } from '../inspector/item.js';

/** @import { FullExperiment } from '../experiment.js' */
/** @import { Item } from '../inspector/item.js' */

/** @typedef {'denoise' | 'noise'} Direction */
/** @typedef {Record<string, string | number | boolean>} Settings */

/**
 * @typedef {object} Saved the view as stored in a link
 * @property {number[]} shown
 * @property {Direction} direction
 * @property {string} measure
 * @property {Record<string, Settings>} settings
 * @property {[number, number]} compared
 * @property {Item[]} pins
 * @property {Item | null} open
 * @property {string} section
 */

/** More pins than this do not fit side by side. */
export const PINS = 2;

export class Setup {
  /** Indices of the groups shown in the figures, in the experiment's order. */
  shown = [0];
  /** @type {Direction} */
  direction = 'denoise';
  /** The measure that all patching figures show; empty for each figure's own default. */
  measure = '';
  /** Settings changed by the user, by analysis. @type {Record<string, Settings>} */
  settings = {};
  /** The groups of section 6. @type {[number, number]} */
  compared = [0, 1];
  /** @type {Item[]} */
  pins = [];
  /** The item clicked last. @type {Item | null} */
  open = null;
  /** The section that is being read. */
  section = '';

  /** The names of the experiment's groups, to find the shown ones again when groups are added or removed. @type {string[]} */
  #names = [];
  /** @type {(() => void)[]} */
  #listeners = [];

  /** @param {() => void} listener */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** @param {Partial<Saved>} changes */
  set(changes) {
    Object.assign(this, changes);
    this.#clamp();
    for (const listener of this.#listeners) listener();
  }

  /** @param {string} analysis @param {string} name @param {string | number | boolean | null} value null to reset to the default */
  setSetting(analysis, name, value) {
    const own = { ...this.settings[analysis] };
    if (value === null) delete own[name];
    else own[name] = value;
    this.set({ settings: { ...this.settings, [analysis]: own } });
  }

  /** Adapts to the groups of a changed experiment. @param {FullExperiment} experiment */
  follow({ groups }) {
    const names = groups.map((group) => group.name);
    if (this.#names.length > 0 && names.length !== this.#names.length) {
      const place = (/** @type {number} */ group) => names.indexOf(this.#names[group]);
      this.shown = this.shown.map(place).filter((group) => group >= 0);
      this.compared = [Math.max(0, place(this.compared[0])), Math.max(0, place(this.compared[1]))];
      const kept = (/** @type {Item} */ item) => ({ ...item, group: Math.max(0, place(item.group)) });
      this.pins = this.pins.map(kept);
      this.open = this.open && kept(this.open);
    }
    this.#names = names;
    this.#clamp();
  }

  #clamp() {
    const count = this.#names.length;
    if (count === 0) return;
    this.shown = [...new Set(this.shown)].filter((group) => group < count).sort((a, b) => a - b);
    if (this.shown.length === 0) this.shown = [0];
    const last = (/** @type {number} */ group) => Math.min(group, count - 1);
    this.compared = [last(this.compared[0]), last(this.compared[1])];
    if (this.compared[0] === this.compared[1] && count > 1) this.compared = [this.compared[0], this.compared[0] === 0 ? 1 : 0];
  }

  /** @returns {Saved} */
  save() {
    const { shown, direction, measure, settings, compared, pins, open, section } = this;
    return { shown, direction, measure, settings, compared, pins, open, section };
  }
}

/**
 * Reads a view from a link or from storage, ignoring whatever is not valid.
 *
 * @param {unknown} value
 * @returns {Partial<Saved>}
 */
export function readSetup(value) {
  if (typeof value !== 'object' || value === null) return {};
  const from = /** @type {Record<string, any>} */ (value);
  /** @type {Partial<Saved>} */
  const read = {};
  if (isGroups(from.shown) && from.shown.length > 0) read.shown = from.shown;
  if (from.direction === 'denoise' || from.direction === 'noise') read.direction = from.direction;
  if (isGroups(from.compared) && from.compared.length === 2) read.compared = [from.compared[0], from.compared[1]];
  if (Array.isArray(from.pins)) read.pins = from.pins.filter(isItem).slice(0, PINS);
  if (isItem(from.open)) read.open = from.open;
  if (typeof from.measure === 'string') read.measure = from.measure;
  if (typeof from.section === 'string') read.section = from.section;
  if (typeof from.settings === 'object' && from.settings !== null) {
    read.settings = Object.fromEntries(Object.entries(from.settings).filter(([, own]) => isSettings(own)));
  }
  return read;
}

/** @param {unknown} value @returns {value is number[]} */
function isGroups(value) {
  return Array.isArray(value) && value.every((group) => Number.isInteger(group) && group >= 0);
}

/** @param {unknown} value @returns {value is Settings} */
function isSettings(value) {
  return typeof value === 'object' && value !== null && Object.values(value).every((setting) => ['string', 'number', 'boolean'].includes(typeof setting));
}

/** @param {any} value @returns {value is Item} */
function isItem(value) {
  if (typeof value !== 'object' || value === null || !ITEM_KINDS.includes(value.kind)) return false;
  const counts = [value.group, value.layer].every((number) => Number.isInteger(number) && number >= 0);
  const optional = [value.head, value.neuron, value.position].every((number) => number === undefined || (Number.isInteger(number) && number >= 0));
  return counts && optional && (value.site === undefined || typeof value.site === 'string');
}
