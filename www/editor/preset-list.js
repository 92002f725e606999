// What the presets menu holds: the presets, and the planted models (docs/planted.md), of which each has a circuit that was built in and prompts
// of its own. Fetched when the menu is opened.

import { h } from '../dom.js';
import { plural } from '../numbers.js';
import { readExperiment, withDefaults } from '../store/experiment.js';

/** @import { Choice, PlantName } from '../opening/choices.js' */
/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { Preset } from '../types/engine.js' */
/** @import { PresetActions } from './presets.js' */

/** The easiest first. @type {{ name: PlantName, title: string, size: string, note: string }[]} */
const PLANTED = [
  { name: 'conjunction', title: 'Red and round', size: '110 edges', note: '\u201cName something red and round:\u201d, \u201c apple\u201d.' },
  { name: 'induction', title: 'What came after', size: '110 edges', note: 'What followed this word before?' },
  { name: 'ioi', title: 'Indirect object', size: '262 edges', note: 'Which name occurs once? With backup heads.' },
];

/**
 * @param {Preset[]} presets
 * @param {Choice['kind'] | undefined} model what is open
 * @param {(act: () => void) => () => void} choose closes the menu and acts
 * @param {PresetActions} actions
 */
export function presetList(presets, model, choose, { onReplace, onAdd, onPlanted }) {
  const items = presets.map((preset, index) => {
    const experiment = withDefaults(preset.experiment);
    return h('li', { class: 'menu-item' },
      h('button', { type: 'button', class: 'menu-main', data: { preset: preset.name }, on: { click: choose(() => onReplace(preset.name, experiment)) } },
        ...entry(preset.name, plural(experiment.groups.length, 'group'), preset.note),
        // The demo model has learned the first preset's task.
        model === 'demo' && index > 0 && caution('The demo model has not learned this'),
        model === 'planted' && caution('A planted model does not know these words')),
      h('button', { type: 'button', class: 'link', 'aria-label': `Add the groups of ${preset.name} to the experiment`, on: { click: choose(() => onAdd(preset.name, experiment)) } }, 'Add'));
  });
  const planted = PLANTED.map(({ name, title, size, note }) => h('li', { class: 'menu-item' },
    h('button', { type: 'button', class: 'menu-main', data: { planted: name }, on: { click: choose(() => onPlanted(name)) } }, ...entry(title, size, note))));
  return [
    h('ul', { class: 'menu-list' }, ...items),
    h('section', { class: 'menu-planted', 'aria-labelledby': 'menu-planted' },
      h('div', { class: 'menu-main' },
        h('h3', { class: 'menu-name', id: 'menu-planted' }, 'Find the circuit'),
        h('p', { class: 'menu-note' }, 'A circuit was built into each of these small models. Name its edges, and see your score.')),
      h('ul', { class: 'menu-list' }, ...planted)),
  ];
}

/** @param {string} name @param {string} size @param {string} note */
function entry(name, size, note) {
  return [h('span', { class: 'menu-name' }, name, h('span', { class: 'menu-count' }, size)), h('span', { class: 'menu-note' }, note)];
}

/** @param {string} why */
function caution(why) {
  return h('span', { class: 'menu-caution' }, `${why}: open GPT-2 small.`);
}

/**
 * Opens a planted model, and then its prompts: the model before does not know their words.
 *
 * @param {PlantName} name
 * @param {{ choose: (choice: Choice) => Promise<void>, readonly choice: Choice | null }} opener
 * @returns {Promise<FullExperiment | null>} null if another model was opened meanwhile, or this one was not
 */
export async function openPlanted(name, opener) {
  /** @type {Choice} */
  const choice = { kind: 'planted', name };
  const prompts = await plantedPrompts(name);
  await opener.choose(choice);
  return opener.choice === choice ? prompts : null;
}

/** The prompts on which a planted circuit acts. @param {PlantName} name @throws {Error} with a message for the user, if they cannot be fetched */
export async function plantedPrompts(name) {
  try {
    const response = await fetch(new URL(`www/models/planted-${name}/experiment.json`, document.baseURI));
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return readExperiment(await response.json());
  } catch (error) {
    throw new Error(`The planted model\u2019s prompts cannot be fetched (${error instanceof Error ? error.message : error}). Check the connection and choose it again.`);
  }
}
