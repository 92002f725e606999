// The user's choices for a figure: the measure, a single prompt, a head. They outlive the figure's elements, so that new
// results appear in the same view.

/**
 * @typedef {object} View
 * @property {string} measure the measure's name; empty for the first
 * @property {number} prompt the prompt shown; -1 for the mean over all
 * @property {boolean} fit whether the colour scale is fitted to the values although the measure has a fixed one
 * @property {number} shown which of several prompts or texts is enlarged
 * @property {string} head the enlarged head; empty for the first
 * @property {boolean} fromSource whether attention is shown from the source: which destinations attend to the token
 * @property {number | null} token the token pinned by a click
 */

/** @type {Map<string, View>} */
const views = new Map();

/** The view of the figure with this name. @param {string} name @returns {View} */
export function viewOf(name) {
  let view = views.get(name);
  if (!view) views.set(name, (view = { measure: '', prompt: -1, fit: false, shown: 0, head: '', fromSource: false, token: null }));
  return view;
}

/**
 * What a renderer gets besides the part.
 * @typedef {object} Context
 * @property {import('./actions.js').Actions} actions
 * @property {string} name the key of the figure's view
 */
