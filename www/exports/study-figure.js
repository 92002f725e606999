// One figure of the report, as HTML: heading, how to read it, settings, charts, tables, what was left out, numbers.
// Everything is built as DOM elements and then serialised, so that no text of an experiment can become markup.

import { emphasised, h } from '../dom.js';
import { formatBytes, leftOut } from '../numbers.js';
import { drawPart, nameOf, outcomeOf, whenPainted } from '../reports/index.js';
import { Stage } from '../reports/stage.js';
import { shortCsv } from './csv.js';
import { fileName } from './download.js';
import { breathe, inSlices } from './in-slices.js';
import { drawPicture } from './picture.js';
import { numberTables, reportTable } from './study-numbers.js';
import { settingsOf } from './study-source.js';

/** @import { PictureView } from '../store/view.js' */
/** @import { Part } from '../types/engine.js' */
/** @import { Study, StudyFigure } from './study-source.js' */

/** Longer CSVs are left out (the page and the study's JSON have them): reports are sent by mail. */
const LONGEST_CSV = 1_000_000;
/** Tables with more rows than this are folded. */
const LONG_TABLE = 40;

/** Numbers used so far. @typedef {{ figures: number, tables: number }} Counter */
/** @typedef {Extract<Part, { kind: 'table' }>} TablePart */

/**
 * @param {StudyFigure} figure
 * @param {Study} study
 * @param {Counter} counter
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<string>} the HTML, in pieces
 */
export async function* figureHtml(figure, study, counter, signal) {
  const { report, place, picture } = figure;
  const stage = new Stage({ pictures: (name) => picture ?? study.pictures(name) });
  yield '<section class="figure">\n';
  yield headOf(figure, study).outerHTML;
  const pictures = report.parts.filter((part) => part.kind !== 'table');
  const tables = report.parts.filter((part) => part.kind === 'table');
  /** @type {{ part: Part, name: string }[]} */
  const named = [];

  if (pictures.length > 0) yield '\n<div class="pictures">';
  for (const part of pictures) {
    const name = `Figure ${(counter.figures += 1)}`;
    named.push({ part, name });
    yield `\n${await pictureHtml(part, name, stage, place, signal)}`;
    await breathe();
  }
  if (pictures.length > 0) yield '\n</div>';

  // As on the page, tables that only back up the charts are folded. So are very long ones.
  const folded = figure.tables === 'folded' || (pictures.length > 0 && tables.length > 1 && figure.tables !== 'beside') || tables.some((table) => table.rows.length > LONG_TABLE);
  if (tables.length > 0 && !folded) yield '\n<div class="tables">';
  for (const table of tables) {
    const name = `Table ${(counter.tables += 1)}`;
    if (!folded) named.push({ part: table, name });
    yield `\n${(await tableElement(table, name, folded, signal)).outerHTML}`;
  }
  if (tables.length > 0 && !folded) yield '\n</div>';

  if (report.problems.length > 0) yield `\n${problems(figure, study).outerHTML}`;
  for (const { part, name } of named) yield `\n${(await numbersElement(part, name, stage.picture(nameOf(part, place)).now, signal)).outerHTML}`;
  yield '\n</section>\n';
}

/** @param {StudyFigure} figure @param {Study} study */
function headOf(figure, { model, experiment }) {
  const { analysis, title, read, report, groups } = figure;
  const settings = settingsOf(figure);
  const names = groups.map((group) => experiment.groups[group]?.name || `group ${group}`);
  if (names.length > 0) settings.unshift([names.length === 1 ? 'group' : 'groups', names.join(', ')]);
  if (report.model !== model.name || report.device !== model.device.name) settings.push(['computed by', `${report.model}, ${report.device}`]);
  return h('header', { id: analysis },
    h('h3', {}, title),
    ...read.map(withoutClicks).filter(Boolean).map((text) => h('p', { class: 'prose' }, ...emphasised(text))),
    settings.length > 0 && h('dl', { class: 'settings' }, ...settings.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))));
}

/** How to read a figure, without the clauses about clicking, pointing and typing. @param {string} text */
function withoutClicks(text) {
  const clauses = text.split(/(?<=[.;:?!]) +/).filter((clause) => !/^(click|point at|type) /i.test(clause));
  return clauses.join(' ').replace(/[;:]$/, '.');
}

/** @param {Part} part @param {string} name @param {Stage} stage @param {string} place @param {AbortSignal} [signal] */
async function pictureHtml(part, name, stage, place, signal) {
  const drawn = drawPart(part, stage, place);
  await breathe();
  await whenPainted(drawn);
  // The caption has the title already.
  drawn.querySelector('.part-head')?.remove();
  const svg = await inSlices(drawPicture(drawn, part.title), signal);
  svg.setAttribute('role', 'img');
  await breathe();
  const figure = h('figure', { data: { kind: part.kind, title: part.title } }, caption(part, name, 'figcaption'), svg);
  return figure.outerHTML;
}

/** @param {Part} part @param {string} name @param {'figcaption' | 'p'} tag */
function caption(part, name, tag) {
  const note = 'note' in part ? part.note : null;
  return h(tag, { class: tag === 'p' ? 'caption' : undefined }, h('b', {}, name), part.title, note && h('span', { class: 'note' }, `${/[.?!]$/.test(part.title) ? '' : '.'} ${note}`));
}

/** @param {TablePart} table @param {string} name @param {boolean} folded @param {AbortSignal} [signal] */
async function tableElement(table, name, folded, signal) {
  const body = await inSlices(reportTable(table), signal);
  const data = { kind: 'table', title: table.title };
  if (!folded) return h('div', { data }, caption(table, name, 'p'), body);
  return h('details', { data }, h('summary', {}, h('b', {}, `${name}  `), table.title, outcomeOf(table)), table.note && h('p', { class: 'note' }, table.note), body, await csvLine(table, name, signal));
}

/** @param {StudyFigure} figure @param {Study} study */
function problems({ report }, { describe }) {
  return h('div', { class: 'left-out' }, `${leftOut('Left out', report.problems)}.`,
    h('ul', {}, ...report.problems.map(({ place, message }) => h('li', {}, place && h('b', {}, `${describe(place)}: `), message))));
}

/** @param {Part} part @param {string} name @param {PictureView} view @param {AbortSignal} [signal] */
async function numbersElement(part, name, view, signal) {
  const tables = await inSlices(numberTables(part, view), signal);
  const line = await csvLine(part, name, signal);
  if (part.kind === 'table') return line;
  return h('details', { class: 'numbers-of', data: { title: part.title } }, h('summary', {}, `Numbers of ${name}: ${part.title}`), ...tables, line);
}

/** A download link with every number as embedded CSV. @param {Part} part @param {string} name @param {AbortSignal} [signal] */
async function csvLine(part, name, signal) {
  const text = await inSlices(shortCsv(part, LONGEST_CSV), signal);
  if (text === null) {
    return h('p', { class: 'csv soft' }, `With every prompt and measure the numbers are longer than ${formatBytes(LONGEST_CSV)}: they are in the study\u2019s JSON, and on the page under \u201cSave\u201d.`);
  }
  const file = new Blob([text], { type: 'text/csv;charset=utf-8' });
  return h('p', { class: 'csv soft' },
    h('a', { href: await dataAddress(file), download: fileName(part.title, 'csv') }, `CSV of ${name}: every number, in full`), ` ${formatBytes(file.size)}`);
}

/** @param {Blob} blob @returns {Promise<string>} */
function dataAddress(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(String(reader.result)));
    reader.addEventListener('error', () => reject(reader.error ?? new Error('the file cannot be read')));
    reader.readAsDataURL(blob);
  });
}
