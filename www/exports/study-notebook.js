// The study as a TransformerLens notebook, written by the engine from the pairs that can be run.

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { Engine } from '../engine/client.js' */
/** @import { Problem } from '../types/engine.js' */
/** @import { Study } from './study-source.js' */

/**
 * @param {Study} study
 * @param {{ model: string, tokenizer: string }} names the checkpoint and its tokenizer, as Python knows them
 * @param {Engine} engine
 * @returns {Promise<{ file: Blob, leftOut: number }>} `leftOut`: how many pairs cannot be run
 */
export async function studyNotebook({ experiment, figures }, names, engine) {
  const { problems } = await engine.call('check', { experiment });
  const usable = withoutProblems(experiment, problems);
  const analyses = figures.filter((figure) => figure.info !== null).map((figure) => ({ name: figure.analysis, settings: repeatable(figure) }));
  const text = await engine.call('notebook', { request: { ...names, experiment: usable, analyses } });
  const pairs = (/** @type {FullExperiment} */ { groups }) => groups.reduce((sum, group) => sum + group.pairs.length, 0);
  return { file: new Blob([text], { type: 'application/x-ipynb+json' }), leftOut: pairs(experiment) - pairs(usable) };
}

/** What Python is told: of a circuit the edges that it has, if they are the same for all groups. @param {Study['figures'][number]} figure */
function repeatable({ analysis, settings, report }) {
  const grid = analysis === 'circuit' ? report.parts.find((part) => part.kind === 'edges') : undefined;
  const lists = new Set(grid?.panels.map(({ counts }) => grid.columns.ticks.filter((_, edge) => counts?.[edge]).join(' ')));
  const [edges] = lists;
  return lists.size === 1 && edges ? { ...settings, edges, prune: false } : settings;
}

/** @param {FullExperiment} experiment @param {Problem[]} problems @returns {FullExperiment} */
function withoutProblems(experiment, problems) {
  const isUsable = (/** @type {number} */ g, /** @type {number} */ p) => !problems.some(({ place }) => place?.group === g && place.pair === p);
  const groups = experiment.groups.map((group, g) => ({ ...group, pairs: group.pairs.filter((_, p) => isUsable(g, p)) }));
  return { ...experiment, groups: groups.filter((group) => group.pairs.length > 0) };
}
