// The whole study as one self-contained HTML file: no script, no requests.

import { h } from '../dom.js';
import { formatCount, plural } from '../numbers.js';
import { visibleText } from '../reports/token.js';
import { figureHtml } from './study-figure.js';
import { breathe } from './in-slices.js';
import { STYLE } from './study-style.js';
import { titleOf } from './study-source.js';

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { Study } from './study-source.js' */

/** Nothing in the file can run or be fetched, whatever its content. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * @param {Study} study
 * @param {{ onProgress?: (done: number, total: number, title: string) => void, signal?: AbortSignal }} [options]
 * @returns {Promise<Blob>} rejected with the signal's reason if it is aborted
 */
export async function studyReport(study, { onProgress, signal } = {}) {
  const title = titleOf(study.experiment);
  const head = h('head', {},
    h('meta', { charset: 'utf-8' }),
    h('meta', { 'http-equiv': 'Content-Security-Policy', content: POLICY }),
    h('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    h('meta', { name: 'generator', content: 'Patchlab' }),
    h('title', {}, `Patchlab study: ${title}`),
    h('style', {}, STYLE));
  const pieces = ['<!doctype html>\n<html lang="en">\n', head.outerHTML, '\n<body>\n<main>\n', opening(study, title).outerHTML, '\n', experimentSection(study.experiment).outerHTML, '\n'];
  const counter = { figures: 0, tables: 0 };
  let section = '';
  for (const [index, figure] of study.figures.entries()) {
    onProgress?.(index, study.figures.length, figure.title);
    await breathe();
    if (figure.section.id !== section) {
      section = figure.section.id;
      pieces.push(h('h2', { id: `section-${section}` }, figure.section.number && h('span', { class: 'number' }, figure.section.number), figure.section.title).outerHTML, '\n');
    }
    for await (const piece of figureHtml(figure, study, counter, signal)) pieces.push(piece);
  }
  onProgress?.(study.figures.length, study.figures.length, '');
  pieces.push(closing(study).outerHTML, '\n</main>\n</body>\n</html>\n');
  return new Blob(pieces, { type: 'text/html;charset=utf-8' });
}

/** @param {Study} study @param {string} title */
function opening({ made, model, experiment, figures, link }, title) {
  const pairs = experiment.groups.reduce((sum, group) => sum + group.pairs.length, 0);
  const { host, pathname } = new URL(link.address);
  /** @type {[string, import('../dom.js').Child[]][]} */
  const facts = [
    ['Model', [`${model.name}: ${plural(model.n_layers, 'layer')}, ${plural(model.n_heads, 'head')} and ${plural(model.d_mlp, 'neuron')} in each, ${formatCount(model.parameters)} parameters`]],
    ['Device', [model.device.name]],
    ['Made', [h('time', { datetime: made.toISOString() }, new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short' }).format(made))]],
    ['Prompts', [`${plural(experiment.groups.length, 'group')} of ${plural(pairs, 'pair')} in all${experiment.prepend_bos ? ', after <|endoftext|>' : ', without <|endoftext|>'}`]],
    ['On the page', [h('a', { href: link.address, rel: 'noreferrer' }, `reopen this study at ${host}${pathname}`), link.lacks && ` (${link.lacks})`]],
  ];
  /** @type {Map<string, HTMLElement>} */
  const sections = new Map();
  for (const { section, analysis, title: name } of figures) {
    const item = sections.get(section.id) ?? h('li', {}, h('span', { class: 'number' }, section.number), h('a', { href: `#section-${section.id}` }, section.title));
    item.append(sections.has(section.id) ? ', ' : ': ', h('a', { href: `#${analysis}` }, name));
    sections.set(section.id, item);
  }
  return h('header', {},
    h('p', { class: 'kicker' }, 'Patchlab study'),
    h('h1', {}, title),
    h('dl', { class: 'facts' }, ...facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, ...value)])),
    h('nav', { 'aria-label': 'Contents' }, h('ol', {}, ...sections.values())));
}

/** @param {FullExperiment} experiment */
function experimentSection({ groups }) {
  return h('section', { id: 'experiment' }, h('h2', {}, 'Experiment'),
    ...groups.map((group, index) => h('section', { data: { group: group.name } },
      h('h3', {}, group.name || `group ${index}`),
      h('p', { class: 'soft' }, group.symmetric ? 'Each pair is used in both directions: its prompts corrupt each other.' : 'Each pair is used in one direction.'),
      h('div', { class: 'wide' }, h('table', { class: 'pairs' },
        h('thead', {}, h('tr', {}, ...['', 'clean', 'corrupted', 'answer', 'distractor'].map((name) => h('th', { scope: 'col' }, name)))),
        h('tbody', {}, ...group.pairs.map((pair, p) => h('tr', {}, h('td', {}, p), promptCell(pair.clean), promptCell(pair.corrupted), answerCell(pair.answer, pair.more_answers), answerCell(pair.distractor, pair.more_distractors)))))))));
}

/** A prompt, with visible spaces where they would be overlooked. @param {string} text */
function promptCell(text) {
  return h('td', {}, ...text.split(/(^\s+|\s{2,}|[\t\r\n]+|\s+$)/).flatMap((piece, index) => (index % 2 === 1 ? visibleText(piece) : [piece])));
}

/** An answer, or a set of answers, where every space matters. @param {string} first @param {string[]} more */
function answerCell(first, more) {
  return h('td', {}, ...[first, ...more].flatMap((text) => (text ? [h('span', { class: 'token' }, ...visibleText(text)), ' '] : [])));
}

/** @param {Study} study */
function closing({ missing }) {
  return h('footer', {},
    h('p', {}, 'Made with Patchlab: everything was computed in a browser, on the device named above. Numbers in tables are rounded; the CSV files in this page and the study\u2019s JSON hold every digit.'),
    missing.length > 0 && h('p', {}, `Not computed, and so not here: ${missing.join(', ')}.`));
}
