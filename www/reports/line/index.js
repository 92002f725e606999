// Draws the `line` part. A single row: one chart with a line per group. Several rows: a panel per group with a line per
// row, or with a lane per row if there are more columns than pixels.

import { category, ordered } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity } from '../../numbers.js';
import { act } from '../actions.js';
import { frame } from '../frame.js';
import { measureSwitch, promptChoice } from '../grid-controls.js';
import { baselines, cellName, columnCount, columnTicks, describeCell, indexOnAxis, measureOf, numbersOf, targetOf, tickLabel, valuesOf } from '../grid-view.js';
import { PanelHead } from '../panel-head.js';
import { Slices } from '../slices.js';
import { keepAlive, sameShape } from '../update.js';
import { LineChart } from './chart.js';
import { peaks } from './peaks.js';

/** @import { Grid, Part } from '../../types/engine.js' */
/** @import { PictureView } from '../../store/view.js' */
/** @import { Stage } from '../stage.js' */
/** @import { Lane, Point } from './chart.js' */

/** With more columns than this, rows are drawn in lanes. */
const DENSE = 200;

/** @param {Extract<Part, { kind: 'line' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawLine(part, stage, name) {
  /** @type {Grid} */
  let grid = part;
  const picture = stage.picture(name);
  const columns = Math.max(1, ...grid.panels.map((panel) => columnCount(grid, panel)));
  const dense = columns > DENSE;
  // Groups with different tokens as columns cannot share an axis.
  const together = grid.rows.ticks.length === 1 && !dense && grid.panels.every((panel) => panel.ticks === null);
  const alone = together || grid.panels.length === 1;
  // As wide as the columns need; on a phone the whole line fits on the screen.
  const room = Math.max(220, stage.width - 84);
  const half = Math.max(220, (room - 84) / 2);
  const width = Math.min(dense ? (alone ? room : half) : Math.max(alone ? 440 : 220, Math.min(690, columns * (alone ? 27 : 13))), room);

  /** The panels of each chart; none if no group can be run. */
  const shares = (together ? [grid.panels.map((_, index) => index)] : grid.panels.map((_, index) => [index])).filter((shown) => shown.length > 0);
  const charts = shares.map((shown) => {
    /** The cell of a point: `[panel, row, column]`. @param {Point} point @returns {[number, number, number]} */
    const cellOf = ({ lane, series, column }) => (together ? [shown[series], 0, column] : dense ? [shown[0], lane, column] : [shown[0], series, column]);
    const chart = new LineChart({
      name: together ? grid.title : `${grid.title}, ${grid.panels[shown[0]].name}`,
      rows: grid.rows.label,
      columns: grid.columns.label,
      ticks: columnTicks(grid, grid.panels[shown[0]]).map((tick) => tickLabel(grid.columns, tick)),
      width, dense,
      height: dense ? Math.max(40, Math.min(170, Math.round(320 / grid.rows.ticks.length))) : together ? 240 : 170,
      lanes: dense ? grid.rows.ticks.length : 1,
    }, {
      onPoint: (point, anchor) => {
        const [panel, row, column] = cellOf(point);
        stage.hover.publish(targetOf(grid, row, column));
        stage.tip.show(describeCell(grid, grid.panels[panel], picture.now, row, column), anchor);
      },
      onLeave: () => {
        stage.hover.publish(null);
        stage.tip.hide();
      },
      onClick: (point) => {
        const [panel, row, column] = cellOf(point);
        act(stage.actions, targetOf(grid, row, column), grid, grid.panels[panel]);
      },
      name: (point) => sayCell(grid, picture.now, ...cellOf(point)),
    });
    stage.hover.subscribe(stage.scope, (target) => {
      const row = indexOnAxis(grid.rows, target);
      chart.mark(dense ? row : -1, indexOnAxis(grid.columns, target, columnCount(grid, grid.panels[shown[0]])));
    });
    return { chart, shown, head: together ? null : new PanelHead(grid.panels[shown[0]].name, width) };
  });

  const legend = h('ul', { class: 'legend' });
  const slices = new Slices();
  const paint = () => {
    const measure = measureOf(grid, picture.now);
    const scale = scaleOf(grid, picture.now);
    slices.start(charts.map(({ chart, shown, head }) => () => {
      const lanes = lanesOf(grid, picture.now, shown, { dense, together });
      head?.show(grid, grid.panels[shown[0]], picture.now);
      // While it is being computed, the largest so far says nothing.
      const isComplete = lanes.every((lane) => lane.series.every(({ numbers }) => !numbers.includes(null)));
      const named = dense && isComplete ? peaks(lanes, scale.middle ?? 0).map((point) => ({ point, text: cellName(grid, grid.panels[shown[0]], point.lane, point.column) })) : [];
      chart.paint(lanes, scale, named);
    }));
    legend.replaceChildren(...legendOf(grid, measure, { dense, together }));
  };

  const figure = frame(
    part,
    stage,
    { controls: [measureSwitch(grid, picture, paint), promptChoice(grid, picture, paint)] },
    legend,
    h('div', { class: 'panels' }, ...charts.map(({ chart, head }) => h('div', { class: 'panel' }, head?.element, h('div', { class: 'panel-scroll' }, chart.svg)))),
  );
  paint();
  keepAlive(figure, { slices, repaint: paint, update: (next) => {
    if (next.kind !== 'line' || !sameShape(grid, next)) return false;
    grid = next;
    paint();
    return true;
  } });
  return figure;
}

/** The vertical axis, common to all panels: from the lowest to the highest value, including the middle. @param {Grid} grid @param {PictureView} view */
function scaleOf(grid, view) {
  const measure = measureOf(grid, view);
  const { middle, label } = grid.measures[measure];
  let low = middle ?? Infinity;
  let high = middle ?? -Infinity;
  const banded = grid.rows.ticks.length === 1 && view.prompt < 0;
  for (const panel of grid.panels) {
    const values = valuesOf(panel, measure);
    for (const numbers of [numbersOf(panel, measure, view) ?? [], ...(banded && values ? [values.low, values.high] : [])]) {
      for (const number of numbers) {
        if (number === null || !Number.isFinite(number)) continue;
        if (number < low) low = number;
        if (number > high) high = number;
      }
    }
  }
  if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
  return { low, high, middle, label };
}

/**
 * @param {Grid} grid
 * @param {PictureView} view
 * @param {number[]} shown
 * @param {{ dense: boolean, together: boolean }} layout
 * @returns {Lane[]}
 */
function lanesOf(grid, view, shown, { dense, together }) {
  const measure = measureOf(grid, view);
  const columns = columnCount(grid, grid.panels[shown[0]]);
  const row = (/** @type {number} */ panel, /** @type {number} */ index) => (numbersOf(grid.panels[panel], measure, view) ?? []).slice(index * columns, (index + 1) * columns);
  if (together) {
    return [{
      name: '',
      series: shown.map((panel) => {
        const values = view.prompt < 0 ? valuesOf(grid.panels[panel], measure) : null;
        return { colour: category(panel), numbers: row(panel, 0), low: values?.low, high: values?.high };
      }),
    }];
  }
  const lines = grid.rows.ticks.map((tick, index) => ({ name: grid.rows.counts === 'layer' ? `L${tick}` : tick, series: [{ colour: dense ? 'var(--positive)' : rowColour(grid, index), numbers: row(shown[0], index) }] }));
  return dense ? lines : [{ name: '', series: lines.flatMap((line) => line.series) }];
}

/** Sequential colours for layers, categorical ones for other rows. @param {Grid} grid @param {number} row */
function rowColour(grid, row) {
  const count = grid.rows.ticks.length;
  return grid.rows.counts === 'layer' ? ordered(row / Math.max(1, count - 1)) : category(row);
}

/** @param {Grid} grid @param {number} measure @param {{ dense: boolean, together: boolean }} layout */
function legendOf(grid, measure, { dense, together }) {
  if (dense) return [h('li', { class: 'legend-note' }, `${grid.measures[measure].label}, by ${grid.columns.label}`)];
  if (!together) return grid.rows.ticks.map((tick, row) => item(`${grid.rows.counts === 'layer' ? `${grid.rows.label} ` : ''}${tick}`, rowColour(grid, row)));
  return grid.panels.map((panel, index) => item(panel.name, category(index), baselines(grid, panel, measure)));
}

/** @param {string} text @param {string} colour @param {string} [more] */
function item(text, colour, more = '') {
  return h('li', {}, h('span', { class: 'legend-line', style: { background: colour } }), h('span', {}, text), more && h('span', { class: 'legend-note' }, more));
}

/** @param {Grid} grid @param {PictureView} view @param {number} panel @param {number} row @param {number} column */
function sayCell(grid, view, panel, row, column) {
  const measure = measureOf(grid, view);
  const number = numbersOf(grid.panels[panel], measure, view)?.[row * columnCount(grid, grid.panels[panel]) + column];
  const value = typeof number === 'number' ? formatQuantity(number, grid.measures[measure].quantity) : 'not computed yet';
  return `${cellName(grid, grid.panels[panel], row, column)}${grid.panels.length > 1 ? `, ${grid.panels[panel].name}` : ''}: ${value}`;
}
