// A request contains only the groups that are shown, so its report numbers only those. These functions map the numbers back
// to the experiment's groups.

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { Part, Problem, Report } from '../types/engine.js' */

/** @param {FullExperiment} experiment @param {number[]} shown @returns {FullExperiment} */
export function onlyGroups(experiment, shown) {
  return { ...experiment, groups: shown.flatMap((group) => experiment.groups[group] ?? []) };
}

/** @param {Report} report @param {number[]} shown @returns {Report} */
export function placeReport(report, shown) {
  return { ...report, parts: report.parts.map((part) => placePart(part, shown)), problems: report.problems.map((problem) => placeProblem(problem, shown)) };
}

/** @template {Part} P @param {P} part @param {number[]} shown @returns {P} */
export function placePart(part, shown) {
  /** @template {{ group: number }} G @param {G} item @returns {G} */
  const placed = (item) => ({ ...item, group: shown[item.group] ?? item.group });
  switch (part.kind) {
    case 'dots':
      return { ...part, series: part.series.map(placed) };
    case 'attention':
      return { ...part, prompts: part.prompts.map(placed) };
    case 'scatter':
      return { ...part, panels: part.panels.map(placed) };
    case 'heat':
    case 'line':
    case 'edges':
      return { ...part, panels: part.panels.map((panel) => ({ ...placed(panel), minus: panel.minus === null ? null : shown[panel.minus] ?? panel.minus })) };
    case 'table':
      return { ...part, group: part.group === null ? null : shown[part.group] ?? part.group };
    case 'tokens':
    case 'text-lens':
    case 'token-values':
      return part;
  }
}

/** @param {Problem} problem @param {number[]} shown @returns {Problem} */
function placeProblem(problem, shown) {
  return problem.place ? { ...problem, place: { ...problem.place, group: shown[problem.place.group] ?? problem.place.group } } : problem;
}
