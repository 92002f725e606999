// A patched run beside the clean and the corrupted run: top next tokens and attention of each.

import { blues } from '../colour.js';
import { h } from '../dom.js';
import { formatQuantity } from '../numbers.js';
import { thumbnail } from '../reports/attention/matrix.js';
import { drawPart } from '../reports/index.js';
import { tokenChip } from '../reports/token.js';

/** @import { Stage } from '../reports/stage.js' */
/** @import { Attention, Report, Table } from '../types/engine.js' */

/** How many top tokens of each run are shown. */
const SHOWN = 6;
const THUMBNAIL = 92;

/** @param {Report} report @param {Stage} stage @returns {(Node | null)[]} */
export function drawPatchedRun(report, stage) {
  const tables = report.parts.filter((part) => part.kind === 'table');
  const isRun = (/** @type {Table} */ table) => table.columns.some((column) => column.quantity === 'token');
  const components = tables.find((table) => !isRun(table));
  const attention = report.parts.find((part) => part.kind === 'attention');
  return [
    h('h4', { class: 'card-subtitle' }, 'What each run says next'),
    h('div', { class: 'runs' }, ...tables.filter(isRun).map(drawRun)),
    ...(components ? [h('details', { class: 'run-components' }, h('summary', {}, 'What each layer writes in each'), drawPart(components, stage, 'inspector'))] : []),
    ...(attention ? [
      h('h4', { class: 'card-subtitle' }, 'Where heads look in each'),
      h('div', { class: 'run-heads' }, ...drawHeads(attention)),
      h('details', { class: 'run-attention' }, h('summary', {}, 'Attention, token by token'), drawPart(attention, stage, 'inspector')),
    ] : []),
  ];
}

/** @param {Table} table */
function drawRun(table) {
  const [name] = table.title.split(', ').slice(-1);
  const rank = table.columns.findIndex((column) => column.quantity === 'count');
  const token = table.columns.findIndex((column) => column.quantity === 'token');
  const probability = table.columns.findIndex((column) => column.quantity === 'probability');
  const rows = table.rows.filter((row, index) => index < SHOWN || row.mark !== null);
  return h('div', { class: 'run', data: { run: name } },
    h('p', { class: 'run-name' }, name),
    h('p', { class: 'run-note' }, table.note?.replace(/\.$/, '') ?? ''),
    h('ol', { class: 'run-tokens' }, ...rows.map((row) => {
      const chance = row.cells[probability];
      const said = row.cells[token];
      return h('li', { class: row.mark ? `mark-${row.mark}` : '', data: { mark: row.mark } },
        h('span', { class: 'run-rank' }, Number(row.cells[rank])),
        typeof said === 'object' && said && 'id' in said ? tokenChip(said, { id: false }) : null,
        typeof chance === 'number' && h('span', { class: 'run-chance', data: { value: chance } }, formatQuantity(chance, 'probability')));
    })));
}

/** @param {Attention} attention */
function drawHeads(attention) {
  const names = attention.prompts[0]?.heads.map((head) => head.name) ?? [];
  return names.map((name, index) => h('div', { class: 'run-head' },
    h('p', { class: 'run-name' }, name),
    h('div', { class: 'run-thumbnails' }, ...attention.prompts.map((prompt) => {
      const head = prompt.heads[index];
      return h('figure', { class: 'run-thumbnail' },
        head && thumbnail(head.rows, { low: 0, high: 1, colour: blues }, THUMBNAIL),
        h('figcaption', {}, prompt.label));
    }))));
}
