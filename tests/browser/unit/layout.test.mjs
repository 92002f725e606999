// How maps fit the width that there is, in the sizes that users have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldable, layoutOf, leastWidthOf, sideBySide } from '../../../www/reports/heat/layout.js';
import { axis, grid, headGrid, ticks } from '../harness/samples.mjs';

/** Widths of the article: on a phone, beside the inspector, and on screens of 1280, 1440 and 1920 pixels. */
const WIDTHS = [326, 531, 626, 867, 920];

/** @param {number} positions @param {number} first the first position that differs @returns {import('../../../www/types/engine.js').Grid} */
function positions(positions, first) {
  const made = grid({ title: 'Residual', site: 'hook_resid_pre', rows: axis('layer', 'layer', ticks(12)), columns: axis('position', 'position', ticks(positions)), groups: ['one'], prompts: 1 });
  made.panels[0].ticks = ticks(positions, (index) => ` token_${index}`);
  made.panels[0].changed = [first];
  return made;
}

test('every head of a 12-head model is seen in every width, for one group or several', () => {
  for (const width of WIDTHS) {
    for (const groups of [['one'], ['one', 'two'], ['1', '2', '3', '4', '5', '6', '7', '8']]) {
      const part = headGrid(12, groups, { prompts: 1 });
      assert.ok(part.kind === 'heat');
      const layout = layoutOf(part, width, false);
      const map = layout.left + 12 * layout.width + 4;
      assert.ok(map <= width, `${groups.length} groups in ${width}: a map is ${map} wide`);
      const { width: own } = sideBySide(groups.length, leastWidthOf(part, false), width);
      assert.ok(map <= own, `${groups.length} groups in ${width}: ${map} in ${own}`);
      assert.deepEqual(layout.columnTicks, ticks(12).map(Number), 'every head has its number');
      assert.equal(layout.rowTicks.length, 12);
    }
  }
});

test('cells grow with the room, up to a size at which a map is still one picture', () => {
  const part = headGrid(12, ['one'], { prompts: 1 });
  assert.ok(part.kind === 'heat');
  const sizes = WIDTHS.map((width) => layoutOf(part, width, false).width);
  assert.deepEqual([...sizes].sort((a, b) => a - b), sizes);
  assert.ok(sizes[0] < 25 && (sizes.at(-1) ?? 0) >= 44);
});

test('positions before the first changed one are folded, where they are many', () => {
  assert.equal(foldable(positions(8, 2)), 0);
  assert.equal(foldable(positions(30, 20)), 20);
  assert.equal(foldable(positions(116, 110)), 110);
  for (const width of WIDTHS) {
    const late = layoutOf(positions(116, 110), width, false);
    assert.equal(late.from, 110);
    assert.ok(late.left + 6 * late.width + 4 <= width, `${width}: the six positions that differ are seen`);
    const long = layoutOf(positions(116, 20), width, false);
    assert.equal(long.from, 20);
    assert.ok(long.columnTicks.includes(20) && long.columnTicks.includes(115), 'the changed token and the last are labelled');
    assert.equal(layoutOf(positions(116, 20), width, true).from, 0, 'unfolded');
  }
});

test('labels of changed and last positions are kept, and none is written over another', () => {
  const made = positions(30, 3);
  made.panels[0].changed = [3, 4, 5, 17];
  const { columnTicks, width, turned } = layoutOf(made, 326, false);
  assert.ok([3, 17, 29].every((column) => columnTicks.includes(column)), String(columnTicks));
  const room = turned ? 12 : 60;
  columnTicks.slice(1).forEach((column, index) => assert.ok((column - columnTicks[index]) * width >= room, `${columnTicks[index]} and ${column}`));
});
