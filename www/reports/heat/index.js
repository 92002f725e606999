// Draws the `heat` part: one panel per group and per difference, all on one colour scale.

import { shades } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity } from '../../numbers.js';
import { act } from '../actions.js';
import { colourBar } from '../colour-bar.js';
import { frame } from '../frame.js';
import { measureSwitch, promptChoice, scaleSwitch } from '../grid-controls.js';
import { cautionOf, cellName, columnCount, describeCell, differenceDomain, domainOf, isMarked, measureOf, numbersOf, RATE, targetOf, valuesOf, whyMissing } from '../grid-view.js';
import { PanelHead } from '../panel-head.js';
import { scrolling } from '../scrolling.js';
import { Slices } from '../slices.js';
import { keepAlive, sameShape } from '../update.js';
import { foldable, layoutOf } from './layout.js';
import { HeatPanel } from './panel.js';

/** @import { Grid, Panel, Part } from '../../types/engine.js' */
/** @import { Stage } from '../stage.js' */

/** @param {Extract<Part, { kind: 'heat' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawHeat(part, stage, name) {
  /** @type {Grid} */
  let grid = part;
  const picture = stage.picture(name);
  const scale = h('div', { class: 'scale-place' });
  const place = h('div', { class: 'panels' });
  const fold = h('div', { class: 'fold-place', data: { screen: true } });
  const legend = h('p', { class: 'hint', hidden: true }, `Dots mark means that differ from 0; at most ${100 * RATE} % of the dots are expected to be chance.`);
  const slices = new Slices();
  /** @type {{ heat: HeatPanel, head: PanelHead }[]} */
  let panels = [];
  let built = '';

  /** Makes the panels, if they are not there in this layout. */
  const build = () => {
    const { unfolded } = picture.now;
    const layout = layoutOf(grid, stage.width, unfolded);
    const key = JSON.stringify(layout);
    if (key === built) return;
    built = key;
    panels = grid.panels.map((panel, index) => {
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
      return { heat, head: new PanelHead(panel.name, layout.left + layout.width * (columnCount(grid, panel) - layout.from)) };
    });
    place.replaceChildren(...panels.map(({ heat, head }, index) => {
      const first = grid.panels[index].changed[0] ?? 0;
      // The effects begin at the changed token: with two columns before it, it is seen that nothing does before.
      const start = layout.left + (first - layout.from - 2) * layout.width;
      return h('div', { class: 'panel' }, head.element, scrolling(stage, heat.svg, { unit: layout.width, what: grid.columns.label.toLowerCase(), start: Math.max(0, start) }));
    }));
    const hidden = foldable(grid);
    fold.replaceChildren(...(hidden > 0 ? [h('button', { type: 'button', class: 'link', on: { click: () => {
      picture.set({ unfolded: !unfolded });
      paint();
      fold.querySelector('button')?.focus();
    } } }, unfolded ? `Fold positions 0 to ${hidden - 1} away` : `Positions 0 to ${hidden - 1} are the same in both runs: show them`)] : []));
  };
  const isMarkedAt = (/** @type {Panel} */ panel, /** @type {number} */ measure, /** @type {number} */ cell) => {
    const values = valuesOf(panel, measure);
    return values !== null && isMarked(values, picture.now, cell);
  };
  const scaleChoice = scaleSwitch(grid, picture, () => paint());
  stage.hover.subscribe(stage.scope, (target) => { for (const { heat } of panels) heat.mark(target); });

  const paint = () => {
    build();
    const measure = measureOf(grid, picture.now);
    const { label, quantity } = grid.measures[measure];
    const domain = domainOf(grid, picture.now);
    const colour = shades(domain);
    const apart = differenceDomain(grid, picture.now);
    const ownColour = apart ? shades(apart) : colour;
    scale.replaceChildren(colourBar(label, domain, colour), ...(apart ? [colourBar(`${label}: difference between groups`, apart, ownColour)] : []));
    scaleChoice?.refresh();
    legend.hidden = true;
    // Paint first, set the accessible labels later.
    slices.start([
      ...grid.panels.map((panel, index) => () => {
        panels[index].head.show(grid, panel, picture.now);
        panels[index].heat.paint(numbersOf(panel, measure, picture.now), panel.minus === null ? colour : ownColour, cautionOf(grid, panel, picture.now) !== null);
        if (panels[index].heat.dot((cell) => isMarkedAt(panel, measure, cell)) > 0) legend.hidden = false;
      }),
      ...grid.panels.map((panel, index) => () => {
        const numbers = numbersOf(panel, measure, picture.now);
        const columns = columnCount(grid, panel);
        panels[index].heat.name((cell) => {
          const value = numbers?.[cell] ?? null;
          return `${cellName(grid, panel, Math.floor(cell / columns), cell % columns)}: ${value === null ? whyMissing(grid, panel, picture.now, cell) : formatQuantity(value, quantity)}${isMarkedAt(panel, measure, cell) ? ', differs from 0' : ''}`;
        });
      }),
    ]);
  };

  const figure = frame(
    part,
    stage,
    { controls: [measureSwitch(grid, picture, paint), promptChoice(grid, picture, paint), scaleChoice] },
    scale,
    legend,
    fold,
    place,
  );
  paint();
  const stops = () => panels.map(({ heat }) => heat.stop);
  const resume = (/** @type {number[]} */ from) => panels.forEach(({ heat }, index) => heat.stopAt(from[index] ?? 0));
  keepAlive(figure, { slices, repaint: paint, stops, resume, update: (next) => {
    if (next.kind !== 'heat' || !sameShape(grid, next)) return false;
    grid = next;
    paint();
    return true;
  } });
  return figure;
}
