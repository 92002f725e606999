// Draws the `heat` part: one panel per group and per difference, all on one colour scale.

import { shades } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity } from '../../numbers.js';
import { hideTip, showTip } from '../../tip.js';
import { act } from '../actions.js';
import { colourBar } from '../colour-bar.js';
import { frame } from '../frame.js';
import { measureSwitch, promptChoice, scaleSwitch } from '../grid-controls.js';
import { cellName, columnCount, describeCell, domainOf, measureOf, numbersOf, targetOf, valuesOf } from '../grid-view.js';
import { publish, subscribe } from '../link-hover.js';
import { PanelHead } from '../panel-head.js';
import { Slices } from '../slices.js';
import { paintedBy, sameShape, updatable } from '../update.js';
import { viewOf } from '../view.js';
import { layoutOf } from './layout.js';
import { HeatPanel } from './panel.js';

/** @import { Grid, Part } from '../../types/engine.js' */
/** @import { Context } from '../view.js' */

/** @param {Extract<Part, { kind: 'heat' }>} part @param {Context} context */
export function drawHeat(part, { actions, name }) {
  /** @type {Grid} */
  let grid = part;
  const view = viewOf(name);
  const layout = layoutOf(grid);
  const scale = h('div', { class: 'scale-place' });
  const slices = new Slices();
  const panels = grid.panels.map((panel, index) => {
    const heat = new HeatPanel(grid, panel, layout, {
      onPoint: (row, column, anchor) => {
        publish(targetOf(grid, row, column));
        showTip(describeCell(grid, grid.panels[index], view, row, column), anchor);
      },
      onLeave: () => {
        publish(null);
        hideTip();
      },
      onClick: (row, column) => act(actions, targetOf(grid, row, column), grid, grid.panels[index]),
    });
    subscribe(heat.svg, (target) => heat.mark(target));
    return { heat, head: new PanelHead(panel.name, layout.left + layout.width * columnCount(grid, panel)) };
  });

  const paint = () => {
    const measure = measureOf(grid, view);
    const { label, quantity } = grid.measures[measure];
    const domain = domainOf(grid, view);
    const colour = shades(domain);
    scale.replaceChildren(colourBar(label, domain, colour));
    // Paint first, set the accessible labels later.
    slices.start([
      ...grid.panels.map((panel, index) => () => {
        panels[index].head.show(grid, panel, view);
        panels[index].heat.paint(numbersOf(panel, measure, view), colour);
      }),
      ...grid.panels.map((panel, index) => () => {
        const missing = valuesOf(panel, measure) ? 'not computed yet' : 'not defined for this group';
        const numbers = numbersOf(panel, measure, view);
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
    { controls: [measureSwitch(grid, view, paint), promptChoice(grid, view, paint), scaleSwitch(grid, view, paint)] },
    scale,
    h('div', { class: 'panels' }, ...panels.map(({ heat, head }) => h('div', { class: 'panel' }, head.element, h('div', { class: 'panel-scroll' }, heat.svg)))),
  );
  paint();
  paintedBy(figure, slices);
  updatable(figure, (next) => {
    if (next.kind !== 'heat' || !sameShape(grid, next)) return false;
    grid = next;
    paint();
    return true;
  });
  return figure;
}
