// Draws the `scatter` part: heads as points, coloured by layer, one panel per group, on the same scales.

import { category, ordered } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity, precise } from '../../numbers.js';
import { act } from '../actions.js';
import { frame } from '../frame.js';
import { measureSwitch } from '../grid-controls.js';
import { measureOf } from '../grid-view.js';
import { keepAlive } from '../update.js';
import { ScatterPlot } from './plot.js';

/** @import { Part, Scatter } from '../../types/engine.js' */
/** @import { Target } from '../hover.js' */
/** @import { Stage } from '../stage.js' */

/** @param {Extract<Part, { kind: 'scatter' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawScatter(part, stage, name) {
  const picture = stage.picture(name);
  const layers = 1 + Math.max(0, ...part.layers);
  const colours = part.names.map((_, index) => (part.layers.length > 0 ? layerColour(part.layers[index], layers) : category(0)));
  const targets = part.names.map((text, index) => targetOf(text, part.layers[index]));
  // As large as there is room for, with the labels beside it.
  const side = Math.max(160, Math.min(stage.width - 84, part.panels.length === 1 ? 420 : part.panels.length <= 4 ? 270 : 178));
  const valuesOf = (/** @type {number} */ panel) => part.panels[panel].values.find((values) => values.measure === measureOf(part, picture.now));

  const panels = part.panels.map((panel, index) => {
    const plot = new ScatterPlot({ name: `${part.title}, ${panel.name}`, names: part.names, colours, side, x: part.x.label, y: part.y.label, alike: part.alike }, {
      onPoint: (point, anchor) => {
        stage.hover.publish(targets[point]);
        stage.tip.show(describe(part, index, measureOf(part, picture.now), point), anchor);
      },
      onLeave: () => {
        stage.hover.publish(null);
        stage.tip.hide();
      },
      onClick: (point) => act(stage.actions, targets[point], { site: null }, { ...panel, minus: null }),
      name: (point) => {
        const values = valuesOf(index);
        const { quantity } = part.measures[measureOf(part, picture.now)];
        return values ? `${part.names[point]}: ${part.x.label} ${formatQuantity(values.x[point], quantity)}, ${part.y.label} ${formatQuantity(values.y[point], quantity)}` : part.names[point];
      },
    });
    stage.hover.subscribe(stage.scope, (target) => plot.mark(targets.flatMap((own, point) => (matches(own, target) ? [point] : []))));
    return plot;
  });

  const paint = () => {
    const domains = domainsOf(part, measureOf(part, picture.now));
    panels.forEach((plot, index) => {
      const values = valuesOf(index);
      plot.paint(values?.x ?? [], values?.y ?? [], domains);
    });
  };
  paint();
  const figure = frame(
    part,
    stage,
    { controls: [measureSwitch(part, picture, paint)] },
    part.layers.length > 0 ? legend(part, layers) : null,
    h('div', { class: 'panels' }, ...panels.map((plot, index) =>
      h('div', { class: 'panel' }, h('div', { class: 'panel-head' }, h('p', { class: 'panel-name' }, part.panels[index].name)), h('div', { class: 'panel-scroll' }, plot.svg)))),
  );
  keepAlive(figure, { repaint: paint });
  return figure;
}

/** The scales of all panels: one for both axes if they count the same. @param {Scatter} part @param {number} measure */
function domainsOf(part, measure) {
  const values = part.panels.flatMap((panel) => panel.values.filter((own) => own.measure === measure));
  const x = values.map((own) => own.x);
  const y = values.map((own) => own.y);
  return part.alike ? { x: domainOf([...x, ...y]), y: domainOf([...x, ...y]) } : { x: domainOf(x), y: domainOf(y) };
}

/** From the smallest to the largest value and 0, with a margin. @param {number[][]} lists @returns {[number, number]} */
function domainOf(lists) {
  let low = 0;
  let high = 0;
  for (const list of lists) {
    for (const value of list) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  const room = 0.05 * (high - low || 1);
  return [low - room, high + room];
}

/** @param {string} name @param {number} layer @returns {Target} */
function targetOf(name, layer) {
  const [, kind, index] = /^L\d+([HN])(\d+)$/.exec(name) ?? [];
  if (kind === 'H') return { layer, head: Number(index) };
  if (kind === 'N') return { layer, neuron: Number(index) };
  return { component: name };
}

/** Whether the target is this head, or this head's whole layer. @param {Target} own @param {Target | null} target */
function matches(own, target) {
  if (!target) return false;
  const isWholeLayer = target.layer !== undefined && target.head === undefined && target.neuron === undefined && target.position === undefined;
  if (isWholeLayer) return own.layer === target.layer;
  return own.layer === target.layer && own.head === target.head && own.neuron === target.neuron && own.component === target.component && target.position === undefined;
}

/** @param {number} layer @param {number} layers */
function layerColour(layer, layers) {
  return ordered(layers > 1 ? layer / (layers - 1) : 0);
}

/** @param {Scatter} part @param {number} layers */
function legend(part, layers) {
  const present = [...new Set(part.layers)].sort((a, b) => a - b);
  return h('ul', { class: 'legend legend-layers', 'aria-label': 'Colours of the layers' }, h('li', { class: 'legend-note' }, 'layer'),
    ...present.map((layer) => h('li', {}, h('span', { class: 'legend-dot', style: { background: layerColour(layer, layers) } }), layer)));
}

/** @param {Scatter} part @param {number} panel @param {number} measure @param {number} point */
function describe(part, panel, measure, point) {
  const { name, values } = part.panels[panel];
  const own = values.find((candidate) => candidate.measure === measure);
  const lines = [`${part.names[point]}${part.panels.length > 1 ? `   ${name}` : ''}`];
  if (own) lines.push(part.measures[measure].label, `${part.x.label}: ${precise(own.x[point])}`, `${part.y.label}: ${precise(own.y[point])}`);
  return lines.join('\n');
}
