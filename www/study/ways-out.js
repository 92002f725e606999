// What can be done in one click about prompts that a figure leaves out.

import { byLength } from '../store/experiment.js';

/** @import { Store } from '../store/store.js' */
/** @import { AnalysisInfo, Problem } from '../types/engine.js' */
/** @import { WayOut } from './problems.js' */

/** @param {Problem} problem @param {AnalysisInfo} info @param {Store} store @returns {WayOut[]} */
export function waysOut({ code, place }, info, store) {
  const group = place?.group;
  if (group === undefined) return [];
  const aligns = info.settings.some(({ name }) => name === 'align');
  const align = (/** @type {string} */ value) => () => store.setSetting(info.name, 'align', value);
  const roles = store.experiment.groups[group]?.roles.length ?? 0;
  switch (code) {
    case 'different-lengths':
      return [
        ...(aligns && roles > 0 ? [{ text: 'By roles', act: align('role') }] : []),
        ...(aligns ? [{ text: 'From the end', act: align('end') }] : []),
        ...splits(group, store),
      ];
    case 'no-roles':
    case 'role-not-found':
      return aligns ? [{ text: 'From the end', act: align('end') }] : [];
    default:
      return [];
  }
}

/** @param {number} group @param {Store} store @returns {WayOut[]} */
function splits(group, store) {
  const tokens = store.checked.value?.groups[group];
  if (!tokens) return [];
  return [{ text: 'Split by length', act: () => {
    const parts = byLength(store.experiment.groups[group], tokens);
    store.edit((experiment) => { experiment.groups.splice(group, 1, ...structuredClone(parts)); });
    store.setView({ shown: parts.map((_, index) => group + index) });
  } }];
}
