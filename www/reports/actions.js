// What clicks on figures do.

/** @import { Grid, Panel, Report } from '../types/engine.js' */
/** @import { Target } from './hover.js' */

/**
 * @typedef {{ layer: number, head: number, group: number }} Head
 * @typedef {{ layer: number, neuron: number, group: number }} Neuron
 *
 * @typedef {object} Patch the patch of a cell, and the group it was run on
 * @property {string} site hook point: `blocks.7.attn.hook_z`
 * @property {number} layer
 * @property {number} [head] all heads if missing; likewise for neurons and positions
 * @property {number} [neuron]
 * @property {number} [position]
 * @property {number} group
 * @property {number | null} minus the group subtracted, in a difference between groups
 * @property {string} panel the panel's name
 */

/**
 * @typedef {object} Circuit the circuit that is being put together: the edges that the figure "Circuit" is asked for
 * @property {string} text
 * @property {(text: string) => void} set
 *
 * @typedef {Record<string, string | number | boolean>} Settings
 *
 * @typedef {object} Actions
 * @property {Circuit} [circuit]
 * @property {(analysis: string, settings: () => Settings | null, answer: (report: Report) => void) => void} [onAsk] asks something small about what the figure shows; `settings` answers null if there is nothing to ask. The last question counts
 * @property {(head: Head) => void} [onHead]
 * @property {(neuron: Neuron) => void} [onNeuron]
 * @property {(patch: Patch) => void} [onPatch] a cell of a patching grid was clicked
 * @property {(group: number, label: string, nth: number) => void} [onDot] a prompt's dot was clicked; `nth` of the prompts with this text
 * @property {(group: number) => void} [onSeries] a group's name was clicked
 */

/**
 * Calls the most specific action available for a cell.
 *
 * @param {Actions} actions
 * @param {Target} target
 * @param {Pick<Grid, 'site'> & Partial<Pick<Grid, 'columns'>>} grid
 * @param {Pick<Panel, 'name' | 'group' | 'minus'>} panel
 */
export function act(actions, target, { site, columns }, { name, group, minus }) {
  const { component: _, layer, ...rest } = target;
  const { head, neuron } = rest;
  if (layer === undefined) return;
  // Where columns are other tokens in every prompt, no single run has made the cell.
  const isOneRun = columns?.counts !== 'role' && columns?.counts !== 'position-from-end';
  if (site !== null && isOneRun && actions.onPatch) {
    actions.onPatch({ site: `blocks.${layer}.${site}`, layer, ...rest, group, minus, panel: name });
  } else if (neuron !== undefined) {
    actions.onNeuron?.({ layer, neuron, group });
  } else if (head !== undefined) {
    actions.onHead?.({ layer, head, group });
  }
}
