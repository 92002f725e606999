// The view of the study: groups shown, patching direction, settings of each figure, how each picture is shown, what is compared
// and what is inspected. It is part of the link, but not of the experiment's undo history.

import { ITEM_KINDS } from './item.js';

/** @import { Item } from './item.js' */

/** @typedef {'denoise' | 'noise'} Direction */
/** @typedef {Record<string, string | number | boolean>} Settings */

/**
 * How a picture is shown. It outlives the picture's elements, so that new results appear in the same view.
 *
 * @typedef {object} PictureView
 * @property {string} measure the measure's name; empty for the first
 * @property {number} prompt the prompt shown; -1 for the mean over all
 * @property {boolean} fit whether the colour scale is fitted to the values although the measure has a fixed one
 * @property {number} shown which of several prompts or texts is enlarged; -1 for the one that tells most
 * @property {string} head the enlarged head; empty for the first
 * @property {boolean} fromSource whether attention is shown from the source: which destinations attend to the token
 * @property {number | null} token the token pinned by a click
 * @property {boolean} unfolded whether positions at which both runs are the same are shown
 */

/** @type {PictureView} */
export const DEFAULT_PICTURE = { measure: '', prompt: -1, fit: false, shown: -1, head: '', fromSource: false, token: null, unfolded: false };

/**
 * @typedef {object} View
 * @property {number[]} shown indices of the groups shown in the figures, in the experiment's order
 * @property {Direction} direction
 * @property {string} measure the measure that all patching figures show; empty for each figure's own default
 * @property {Record<string, Settings>} settings changed by the visitor, by analysis
 * @property {Record<string, Partial<PictureView>>} pictures changed by the visitor, by picture
 * @property {[number, number]} compared the groups of section 6
 * @property {string} comparedIn title of the figure in which they are compared; empty for the first that has both
 * @property {Item[]} pins
 * @property {Item | null} open the item clicked last
 * @property {string} section the section that is being read
 */

/** @type {View} */
export const DEFAULT_VIEW = { shown: [0], direction: 'denoise', measure: '', settings: {}, pictures: {}, compared: [0, 1], comparedIn: '', pins: [], open: null, section: '' };

/** More pins than this do not fit side by side. */
export const PINS = 2;

/** Adapts a view to an experiment whose groups have moved. @param {View} view @param {(number | null)[]} moved where each group was before @returns {View} */
export function moveView(view, moved) {
  const place = (/** @type {number} */ group) => moved.indexOf(group);
  const kept = (/** @type {Item} */ item) => ({ ...item, group: place(item.group) });
  const stays = (/** @type {Item} */ item) => item.group >= 0;
  return {
    ...view,
    shown: view.shown.map(place).filter((group) => group >= 0),
    compared: [Math.max(0, place(view.compared[0])), Math.max(0, place(view.compared[1]))],
    pins: view.pins.map(kept).filter(stays),
    open: [view.open].flatMap((item) => item ?? []).map(kept).find(stays) ?? null,
  };
}

/** Keeps a view to the groups that exist. @param {View} view @param {number} count @returns {View} */
export function clampView(view, count) {
  if (count === 0) return view;
  const shown = [...new Set(view.shown)].filter((group) => group < count).sort((a, b) => a - b);
  const last = (/** @type {number} */ group) => Math.min(group, count - 1);
  const [one, two] = view.compared.map(last);
  const within = (/** @type {Item} */ item) => item.group < count;
  return {
    ...view,
    shown: shown.length > 0 ? shown : [0],
    compared: one === two && count > 1 ? [one, one === 0 ? 1 : 0] : [one, two],
    pins: view.pins.filter(within),
    open: view.open && within(view.open) ? view.open : null,
  };
}

/**
 * Reads a view from a link or from storage. What is missing or not valid has its default, so that nothing of the view before
 * shows through.
 *
 * @param {unknown} value
 * @returns {View}
 */
export function readView(value) {
  const from = isRecord(value) ? value : {};
  return {
    shown: isGroups(from.shown) && from.shown.length > 0 ? from.shown : DEFAULT_VIEW.shown,
    direction: from.direction === 'noise' ? 'noise' : 'denoise',
    measure: text(from.measure),
    settings: recordOf(from.settings, isSettings),
    pictures: recordOf(from.pictures, isPicture),
    compared: isGroups(from.compared) && from.compared.length === 2 ? [from.compared[0], from.compared[1]] : DEFAULT_VIEW.compared,
    comparedIn: text(from.comparedIn),
    pins: Array.isArray(from.pins) ? from.pins.filter(isItem).slice(0, PINS) : [],
    open: isItem(from.open) ? from.open : null,
    section: text(from.section),
  };
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}

/** @param {unknown} value @returns {value is Record<string, any>} */
function isRecord(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @template T @param {unknown} value @param {(item: unknown) => item is T} isOne @returns {Record<string, T>} */
function recordOf(value, isOne) {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).flatMap(([name, item]) => (isOne(item) ? [[name, item]] : [])));
}

/** @param {unknown} value @returns {value is number[]} */
function isGroups(value) {
  return Array.isArray(value) && value.every((group) => Number.isInteger(group) && group >= 0);
}

/** @param {unknown} value @returns {value is Settings} */
function isSettings(value) {
  return isRecord(value) && Object.values(value).every((setting) => ['string', 'number', 'boolean'].includes(typeof setting));
}

/** @param {unknown} value @returns {value is Partial<PictureView>} */
function isPicture(value) {
  return isRecord(value) && Object.entries(value).every(([name, chosen]) => {
    if (name === 'token') return chosen === null || (Number.isInteger(chosen) && chosen >= 0);
    return name in DEFAULT_PICTURE && typeof chosen === typeof DEFAULT_PICTURE[/** @type {keyof PictureView} */ (name)] && (typeof chosen !== 'number' || Number.isInteger(chosen));
  });
}

/** @param {any} value @returns {value is Item} */
function isItem(value) {
  if (typeof value !== 'object' || value === null || !ITEM_KINDS.includes(value.kind)) return false;
  const counts = [value.group, value.layer].every((number) => Number.isInteger(number) && number >= 0);
  const optional = [value.head, value.neuron, value.position].every((number) => number === undefined || (Number.isInteger(number) && number >= 0));
  return counts && optional && (value.site === undefined || typeof value.site === 'string');
}
