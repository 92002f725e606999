// Draws the `heat` part: one panel per group and per difference, all on one colour scale.

import { shades } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity } from '../../numbers.js';
import { act } from '../actions.js';
import { colourBar } from '../colour-bar.js';
import { frame } from '../frame.js';
import { measureSwitch, promptChoice, scaleSwitch } from '../grid-controls.js';
import { cellName, columnCount, describeCell, domainOf, measureOf, numbersOf, targetOf, valuesOf } from '../grid-view.js';
import { PanelHead } from '../panel-head.js';
import { Slices } from '../slices.js';
import { keepAlive, sameShape } from '../update.js';
import { layoutOf } from './layout.js';
import { HeatPanel } from './panel.js';

/** @import { Grid, Part } from '../../types/engine.js' */
/** @import { Stage } from '../stage.js' */

/** @param {Extract<Part, { kind: 'heat' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawHeat(part, stage, name) {
  /** @type {Grid} */
  let grid = part;
  const picture = stage.picture(name);
  const layout = layoutOf(grid);
  const scale = h('div', { class: 'scale-place' });
  const slices = new Slices();
  const panels = grid.panels.map((panel, index) => {
    const heat = new HeatPanel(grid, panel, layout, {
      onPoint: (row, column, anchor) => {
        stage.hover.publish(targetOf(grid, row, column));
        stage.tip.show(describeCell(grid, grid.panels[index], picture.now, row, column), anchor);
      },
      onLeave: () => {
        stage.hover.publish(null);
        stage.tip.hide();
      },
      onClick: (row, column) => act(stage.actions, targetOf(grid, row, column), grid, grid.panels[index]),
    });
    stage.hover.subscribe(stage.scope, (target) => heat.mark(target));
    return { heat, head: new PanelHead(panel.name, layout.left + layout.width * columnCount(grid, panel)) };
  });

  const paint = () => {
    const measure = measureOf(grid, picture.now);
    const { label, quantity } = grid.measures[measure];
    const domain = domainOf(grid, picture.now);
    const colour = shades(domain);
    scale.replaceChildren(colourBar(label, domain, colour));
    // Paint first, set the accessible labels later.
    slices.start([
      ...grid.panels.map((panel, index) => () => {
        panels[index].head.show(grid, panel, picture.now);
        panels[index].heat.paint(numbersOf(panel, measure, picture.now), colour);
      }),
      ...grid.panels.map((panel, index) => () => {
        const missing = valuesOf(panel, measure) ? 'not computed yet' : 'not defined for this group';
        const numbers = numbersOf(panel, measure, picture.now);
        const columns = columnCount(grid, panel);
        panels[index].heat.name((cell) => {
          const value = numbers?.[cell] ?? null;
          return `${cellName(grid, panel, Math.floor(cell / columns), cell % columns)}: ${value === null ? missing : formatQuantity(value, quantity)}`;
        });
      }),
    ]);
  };

  const figure = frame(
    part,
    stage,
    { controls: [measureSwitch(grid, picture, paint), promptChoice(grid, picture, paint), scaleSwitch(grid, picture, paint)] },
    scale,
    h('div', { class: 'panels' }, ...panels.map(({ heat, head }) => h('div', { class: 'panel' }, head.element, h('div', { class: 'panel-scroll' }, heat.svg)))),
  );
  paint();
  keepAlive(figure, { slices, repaint: paint, update: (next) => {
    if (next.kind !== 'heat' || !sameShape(grid, next)) return false;
    grid = next;
    paint();
    return true;
  } });
  return figure;
}
