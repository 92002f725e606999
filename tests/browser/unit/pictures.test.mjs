// Every kind of picture, at the demo's size and at GPT-2 small's, as committed markup. What a change does to a picture is seen
// in its diff. PATCHLAB_RECORD=1 writes them anew.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { makeDocument } from './dom.mjs';
import * as samples from '../harness/samples.mjs';

/** @import { Part } from '../../../www/types/engine.js' */

makeDocument();
const { drawPart, whenPainted } = await import('../../../www/reports/index.js');
const { Stage } = await import('../../../www/reports/stage.js');

const folder = new URL('./snapshots/', import.meta.url);
const [one] = samples.GROUPS;
const unfinished = { ...samples.headGrid(12, [one], { prompts: 1, notComputed: 30, measures: samples.MEASURES.slice(0, 1) }) };
const doubtful = samples.headGrid(4, [one], { prompts: 1, measures: samples.MEASURES.slice(0, 1) });
if (doubtful.kind === 'heat') doubtful.panels[0].caution = 'Clean (0.06) and corrupted (-0.06) lie only 0.12 logits apart.';

/** @type {Record<string, { part: Part, width?: number }>} */
const PICTURES = {
  'heat-12': { part: unfinished },
  'heat-4': { part: doubtful },
  'heat-12-phone': { part: samples.headGrid(12, [one], { prompts: 1, measures: samples.MEASURES.slice(0, 1) }), width: 326 },
  'heat-positions': { part: samples.residualGrid(samples.GROUPS.slice(0, 2), { prompts: 1, measures: samples.MEASURES.slice(0, 1) }) },
  'line-lens': { part: samples.lensGrid(samples.GROUPS.slice(0, 2)) },
  edges: { part: samples.edgeGrid(3, 2, [one]) },
  scatter: { part: samples.scatter([one]) },
  attention: { part: samples.attention(3) },
  'text-lens': { part: samples.textLens() },
  'token-values': { part: samples.tokenValues() },
  dots: { part: samples.dots() },
  table: { part: samples.checksTable() },
};

for (const [name, { part, width = 920 }] of Object.entries(PICTURES)) {
  test(name, async () => {
    const drawn = drawPart(part, new Stage({ width: () => width }));
    document.body.replaceChildren(drawn);
    await whenPainted(drawn);
    // One element a line, so that a diff shows what has changed.
    const markup = `${drawn.outerHTML.replaceAll('><', '>\n<')}\n`;
    const file = new URL(`${name}.html`, folder);
    if (process.env.PATCHLAB_RECORD) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, markup);
    }
    assert.equal(markup, readFileSync(file, 'utf8'), `${name} is drawn otherwise. If that is meant: PATCHLAB_RECORD=1 node --test unit/pictures.test.mjs`);
  });
}
