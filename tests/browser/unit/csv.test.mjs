// Numbers as CSV: what texts and numbers look like there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeDocument } from './dom.mjs';

/** @import { Part } from '../../../www/types/engine.js' */

makeDocument();
const { csvOf } = await import('../../../www/exports/csv.js');

/** @param {string[]} texts @returns {Part & { kind: 'tokens' }} */
const tokens = (texts) => ({ kind: 'tokens', title: 't', rows: [{ label: 'prompt', tokens: texts.map((text, id) => ({ text, id })) }] });
/** @param {Blob} blob */
const lines = async (blob) => (await blob.text()).split('\n').filter(Boolean);

test('texts are written as they are, but for those that a spreadsheet would compute', async () => {
  const found = await lines(csvOf(tokens(['null', ' NA', '', '"', ' ="', ',', '1e5', '-', '=1+1', '+1', '@SUM(A1)', '\t=1', '\u22121'])));
  assert.deepEqual(found.map((line) => line.slice(line.indexOf(',', 7) + 1, line.lastIndexOf(','))), [
    'token', 'null', ' NA', '', '""""', '" ="""', '","', '1e5', '\'-', '\'=1+1', '\'+1', '\'@SUM(A1)', '\'\t=1', '\u22121',
  ]);
});

test('numbers have all their digits, negative ones too', async () => {
  const part = /** @type {Part & { kind: 'dots' }} */ ({ kind: 'dots', title: 't', note: null, quantity: 'logit-difference', axis: 'a', series: [{ name: '=x', group: 0, mean: -1 / 3, interval: null, points: [] }] });
  assert.deepEqual(await lines(csvOf(part)), ['group,prompt,a,interval low,interval high', `'=x,(mean),${-1 / 3},,`]);
});

test('for spreadsheets the file begins with a byte order mark, and is otherwise the same', async () => {
  const part = tokens(['\u00e9', '\u4e2d']);
  const [plain, marked] = await Promise.all([csvOf(part), csvOf(part, { forSpreadsheets: true })].map((blob) => blob.arrayBuffer()));
  assert.deepEqual([...new Uint8Array(marked)], [0xef, 0xbb, 0xbf, ...new Uint8Array(plain)]);
});
