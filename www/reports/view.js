// What the reader has chosen for a picture: the measure, a single prompt, a head. It outlives the picture, so that new
// numbers come in the view that the old ones were looked at in.

/**
 * @typedef {object} View
 * @property {string} measure the measure's name; empty: the first
 * @property {number} prompt the prompt shown; -1: the mean over all
 * @property {boolean} fit whether the colour scale follows the numbers, though the measure has a fixed one
 * @property {number} shown which of several prompts or texts is shown large
 * @property {string} head the head shown large; empty: the first
 * @property {boolean} fromSource whether attention is looked at from where it goes to
 * @property {number | null} token the token held by a click
 */

/** @type {Map<string, View>} */
const views = new Map();

/** The view of the picture with this name. @param {string} name @returns {View} */
export function viewOf(name) {
  let view = views.get(name);
  if (!view) views.set(name, (view = { measure: '', prompt: -1, fit: false, shown: 0, head: '', fromSource: false, token: null }));
  return view;
}

/**
 * What a renderer is given besides the part.
 * @typedef {object} Context
 * @property {import('./actions.js').Actions} actions
 * @property {string} name names the picture's view
 */
