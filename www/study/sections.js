// The page's sections and the table of figures: where each stands, how it reads, how high it will be and how long it takes. A new analysis with a known kind of figure needs one line here; without one
// it appears under "More", with the text and settings of its catalogue entry.

import { FRAME, lanes, mapRows, positions, rowHeight, rowsOf } from './heights.js';

/** @import { ModelInfo } from '../types/engine.js' */
/** @import { Size } from './heights.js' */

/**
 * @typedef {object} SectionEntry
 * @property {string} id
 * @property {string} number
 * @property {string} title
 * @property {string} prose introduction
 * @property {true} [barred] whether its figures show the groups chosen in the bar
 * @property {true} [compares] whether it compares two groups
 */

/** @type {SectionEntry[]} */
export const SECTIONS = [
  { id: 'task', number: '1', title: 'Does the model do it?', prose: 'Before asking how, ask whether. If the model does not prefer the answer, there is nothing below to explain.' },
  { id: 'where', barred: true, number: '2', title: 'Where is it decided?', prose: 'Every layer adds something to the residual stream. Reading the stream before it is finished shows where the answer gets written.' },
  { id: 'heads', barred: true, number: '3', title: 'Which heads?', prose: 'Attention is the only way in which information moves from one word to another. A few heads usually do most of it.' },
  { id: 'patching', barred: true, number: '4', title: 'What if one thing changes?', prose: 'Attribution says what is written at the end; patching says what it took to get there. One activation of one run is put into the other run, and the answer is watched.' },
  { id: 'neurons', barred: true, number: '5', title: 'What do the neurons do?', prose: 'The same questions for single neurons of the MLPs: what each writes, what changing it changes, and on which words it fires.' },
  { id: 'compare', compares: true, number: '6', title: 'Other prompts, same story?', prose: 'A circuit that explains one group of prompts should either explain the next one or differ in a way that makes sense.' },
  { id: 'trust', number: '7', title: 'Can I trust this?', prose: 'Identities that must hold if the numbers above are right, measured here, on this device, with this model.' },
  { id: 'more', number: '', title: 'More', prose: 'What else the engine can compute.' },
];

/**
 * @typedef {object} FigureEntry
 * @property {string} analysis its name in the catalogue
 * @property {string} section
 * @property {string[]} [read] how to read the figure, in a sentence or two, if the catalogue does not say it; *words* between asterisks are emphasised
 * @property {string} [title] if different from the catalogue's
 * @property {string[]} [controls] settings offered; all but the direction if omitted
 * @property {boolean} [everyGroup] whether it always shows all groups
 * @property {'folded' | 'beside' | 'right'} [tables] folded, if they only back up the charts; side by side below them; or beside the first chart
 * @property {boolean} [eager] whether it is computed before it comes into view
 * @property {boolean | ((model: ModelInfo) => boolean)} [onDemand] whether it is computed only on request, because it is slow: always, or with this model
 * @property {boolean} [edits] whether the editor shows its numbers, beside what is being typed
 * @property {boolean} [inspects] whether it is a card of the inspector, which somebody has just asked for
 * @property {boolean} [alone] whether it has prompts of its own and does not depend on the experiment
 * @property {(size: Size) => number} [height] about how many pixels its pictures take, so that the page keeps its length when they arrive
 * @property {(work: { model: ModelInfo, positions: number, layers: number }) => number} [passes] forward passes per prompt and its counterpart, beyond the plain two
 * @property {string} [goesWith] the analysis whose settings it takes over
 * @property {true} [basket] whether circuits can be put into it from files and from the literature
 * @property {true} [asks] whether its pictures ask small questions while they are used
 * @property {{ setting: string, from: string }} [follows] a setting that defaults to the first row of another figure's first table
 */

/** Whether replacing every edge takes more than seconds. @param {ModelInfo} model */
const hasManyEdges = ({ n_layers: layers, n_heads: heads, parameters }) => layers * heads > 40 || parameters > 5e7;

/** In reading order. @type {FigureEntry[]} */
export const FIGURES = [
  {
    analysis: 'logit-diff', section: 'task', title: 'Logit difference', controls: [], everyGroup: true, eager: true, edits: true,
    height: ({ groups }) => 139 + 70.6 * groups,
    read: ['The *logit difference* is the logit of the answer minus that of the distractor at the last position. Above 0 the model prefers the answer; an excess of 1 makes it *e* times as likely. Each dot is a prompt; click one to see what else the model considers.'],
  },
  {
    analysis: 'test-prompt', section: 'task', controls: [], eager: true,
    height: () => 470,
    read: ['The tokens that the model considers most likely to come next, and where the answer stands among them. Ranks count from 0.'],
  },
  {
    analysis: 'logit-lens', section: 'where', controls: ['scale', 'at', 'probabilities'],
    height: ({ width }) => (width < 500 ? 470 : 450),
    read: ['How much of the logit difference is written at each point (*run*), or what the model would say there (*own*). Flat stretches decide nothing; a step up is a layer that writes the answer.'],
  },
  {
    analysis: 'layer-attribution', section: 'where', controls: [], tables: 'folded',
    height: ({ groups }) => 483 + 37 * groups,
    read: ['What each attention and each MLP layer adds by itself: the steps of the line above, with the embeddings. The table checks that they sum to the logit difference.'],
  },
  {
    analysis: 'text-lens', section: 'where', controls: ['prompt', 'scale'],
    height: ({ layers }) => 154 + 21 * (2 * layers + 1),
  },
  {
    analysis: 'head-attribution', section: 'heads', controls: ['top_k'], tables: 'right',
    height: ({ layers, heads, groups, width }) => 136 + rowsOf(groups, 60 + 30 * heads, width) * (110 + rowHeight(layers, groups) * layers),
    read: ['What each head adds to the logit difference. Blue heads write the answer, red ones the distractor. Click a head to see everything known about it.'],
  },
  {
    analysis: 'attention', section: 'heads', controls: ['heads', 'by', 'prompt', 'what'],
    height: () => FRAME + 560,
    read: ['What the heads with the largest attributions look at. Point at a word to see what it attends to; click to hold it.'],
  },
  {
    analysis: 'source-attribution', section: 'heads', controls: ['heads', 'top_k', 'align'],
    height: (size) => 130 + positions(size) + (size.groups > 1 ? 360 * rowsOf(size.groups, 340, size.width) : 510),
  },
  {
    analysis: 'score-decomposition', section: 'heads', controls: ['head', 'source', 'top_k', 'align'], tables: 'folded',
    height: (size) => 130 + 2 * positions(size),
  },
  {
    analysis: 'head-atlas', section: 'heads', title: 'Atlas of heads', controls: ['what', 'head', 'length', 'bos', 'destinations', 'words', 'x', 'y', 'top_k'], alone: true, onDemand: ({ parameters }) => parameters > 5e7,
    height: () => 1500,
    passes: ({ model }) => 30 + model.n_layers,
  },
  {
    analysis: 'residual-patching', section: 'patching', controls: ['site', 'align'],
    height: (size) => 100 + positions(size),
    passes: ({ model, positions }) => 0.2 * model.n_layers * positions,
    read: ['The residual stream of one layer at one position. A blue cell is a place through which the difference between the prompts must pass: follow the path from the changed word down to the last one.'],
  },
  {
    analysis: 'component-patching', section: 'patching', controls: ['align'],
    height: (size) => 136 + mapRows(size, 2) * positions(size),
    passes: ({ model, positions }) => 0.4 * model.n_layers * positions,
    read: ['What one attention layer, or one MLP, writes at one position. Attention moves the difference to another word; an MLP works on what has arrived.'],
  },
  {
    analysis: 'head-patching', section: 'patching', controls: ['by_position', 'align', 'top_k'], tables: 'right',
    height: (size) => mapRows(size, 5) * (136 + rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (134 + rowHeight(size.layers, size.groups) * size.layers)) + 2 * (90 + (size.groups > 1 ? 360 * rowsOf(size.groups, 340, size.width) : 510)),
    passes: ({ model }) => 2.5 * model.n_layers * model.n_heads,
    read: ['One head at a time: its output, its value, its attention pattern, its query and its key. In the scatters, heads on the dashed line act through that part alone: through *what* they move (value) or *where* they look (pattern).'],
  },
  {
    analysis: 'path-patching', section: 'patching', controls: ['senders', 'chosen', 'receivers', 'mlps', 'norm', 'position', 'align', 'direction', 'top_k'], tables: 'right',
    height: (size) => 290 + rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (240 + rowHeight(size.layers, size.groups) * size.layers),
    passes: ({ model }) => 0.2 * model.n_layers * model.n_heads,
    read: ['One head or MLP takes its value from the other run, and only what it writes *directly* to the receivers counts: other heads are held. In the clean run (noise), red is a path that the answer needs. A head\u2019s card asks what reaches its query, key or value.'],
  },
  {
    analysis: 'edge-attribution', section: 'patching', asks: true, controls: ['method', 'exact', 'direction', 'steps', 'attention', 'top_k'], tables: 'folded', onDemand: hasManyEdges,
    height: (size) => rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (330 + 64 * size.layers) + 200,
    passes: ({ model }) => model.n_layers ** 2 * model.n_heads ** 2 * 0.55,
    read: ['Every reader (a head\u2019s queries, keys or values, an MLP, the logits) has an input of its own, the sum of what was written before it. One term at a time is taken from the other run: in the clean run (noise), an orange edge is one that the answer needs.'],
  },
  {
    analysis: 'circuit', section: 'patching', basket: true, controls: ['edges', 'count', 'by', 'select', 'threshold', 'prune', 'ablation'], tables: 'folded', onDemand: hasManyEdges,
    height: (size) => rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (330 + 64 * size.layers) + 700,
    passes: ({ model }) => model.n_layers ** 2 * model.n_heads ** 2 * 0.55,
    read: ['A circuit is a claim: these edges are enough. Everything else is taken from the corrupted prompts, or set to its mean or to zero, and what is left of the logit difference tests the claim. Name the edges, take them from the picture above or from a file, or choose the strongest.'],
  },
  {
    analysis: 'circuit-tests', section: 'patching', goesWith: 'circuit', controls: ['subsets', 'greedy', 'pairs', 'random', 'seed'], onDemand: true,
    height: (size) => 500 * rowsOf(size.groups, 340, size.width) + 1100 * size.groups,
    passes: () => 500,
  },
  {
    analysis: 'ablation', section: 'patching', controls: ['what', 'value', 'position', 'align', 'layers', 'top_k'], tables: 'right', onDemand: true,
    height: (size) => 136 + rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (134 + rowHeight(size.layers, size.groups) * size.layers),
    passes: ({ model }) => 0.5 * model.n_layers * model.n_heads,
    read: ['What the *clean* run loses when one head, layer or neuron is taken away: set to zero, to its mean over the group, or to what it is on the corrupted prompt. A red cell is one that the task needs; what others take over when it is gone does not show.'],
  },
  {
    analysis: 'self-repair', section: 'patching', controls: ['heads', 'value', 'position'], tables: 'folded',
    height: (size) => 90 + (size.groups > 1 ? 360 * rowsOf(size.groups, 340, size.width) : 510) + 136 + rowsOf(size.groups, 60 + 30 * size.heads, size.width) * (134 + rowHeight(size.layers, size.groups) * size.layers),
    read: ['A head is taken away, and the others are watched: those off the diagonal do something else than before. If more of the logit difference is left than the head\u2019s attribution predicts, others have taken over.'],
  },
  {
    analysis: 'neuron-attribution', section: 'neurons', controls: ['top_k'],
    height: (size) => lanes(size, 190),
    read: ['What each neuron adds to the logit difference directly, one lane for each layer.'],
  },
  {
    analysis: 'neuron-patching', section: 'neurons', controls: ['layers', 'top_k'], onDemand: true,
    height: (size) => lanes(size, 246),
    passes: ({ model, layers }) => 0.05 * layers * model.d_mlp,
  },
  {
    analysis: 'neuron-on-text', section: 'neurons', controls: ['neuron', 'text', 'full'], follows: { setting: 'neuron', from: 'neuron-attribution' }, tables: 'beside',
    height: () => 560,
    read: ['On which words one neuron fires, and which tokens its output makes likelier and less likely. It starts with the neuron with the largest attribution; type another, or any text.'],
  },
  {
    analysis: 'checks', section: 'trust', controls: [],
    height: ({ groups }) => (groups > 1 ? 60 + 37 * groups : 282),
    passes: ({ model }) => 3 * model.n_layers,
    read: ['Patching nothing must change nothing, patching everything must give the other run, the parts must sum to the whole, attention rows to 1, and the fast way of patching must agree with the plain one. If the model comes with reference values, the numbers here must match them.'],
  },
  {
    analysis: 'recorded', section: 'trust', controls: ['values'], alone: true, tables: 'folded', onDemand: ({ parameters }) => parameters > 5e7,
    height: () => 110,
    passes: () => 7000,
  },
];
