// The list of what was left out of a figure. It is below the figure, so that the figure does not move.

import { h } from '../dom.js';
import { leftOut } from '../numbers.js';

/** @import { Place, Problem } from '../types/engine.js' */

/** @typedef {{ text: string, act: () => void }} WayOut what can be done about a problem, in one click */

/**
 * @param {Problem[]} problems
 * @param {{ describe: (place: Place) => string, goTo: (place: Place) => void, waysOut: (problem: Problem) => WayOut[] }} places
 */
export function drawProblems(problems, { describe, goTo, waysOut }) {
  if (problems.length === 0) return [];
  return [
    h('details', { class: 'notice notice-warning', open: problems.length <= 3 },
      h('summary', {}, leftOut('Left out of the figure', problems)),
      h('ul', {}, ...problems.map((problem) => {
        const { code, message, place } = problem;
        return h('li', { data: { code } },
          place && h('strong', {}, `${describe(place)}: `),
          message,
          ...waysOut(problem).map(({ text, act }) => h('button', { type: 'button', class: 'link', on: { click: act } }, text)),
          place && h('button', { type: 'button', class: 'link', on: { click: () => goTo(place) } }, 'Go to the field'));
      }))),
  ];
}
