// The list of what was left out of a figure. It is below the figure, so that the figure does not move.

import { h } from '../dom.js';
import { leftOut } from '../numbers.js';

/** @import { Place, Problem } from '../types/engine.js' */

/**
 * @param {Problem[]} problems
 * @param {{ describe: (place: Place) => string, goTo: (place: Place) => void }} places
 */
export function drawProblems(problems, { describe, goTo }) {
  if (problems.length === 0) return [];
  return [
    h('details', { class: 'notice notice-warning', open: problems.length <= 3 },
      h('summary', {}, leftOut('Left out of the figure', problems)),
      h('ul', {}, ...problems.map(({ code, message, place }) =>
        h('li', { data: { code } },
          place && h('strong', {}, `${describe(place)}: `),
          message,
          place && h('button', { type: 'button', class: 'link', on: { click: () => goTo(place) } }, 'Go to the field'))))),
  ];
}
