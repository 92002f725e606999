// Draws the `edges` part: the strongest edges of the model's graph, as many as the slider says.

import { h } from '../../dom.js';
import { formatQuantity } from '../../numbers.js';
import { frame } from '../frame.js';
import { promptChoice } from '../grid-controls.js';
import { numbersOf, valuesOf } from '../grid-view.js';
import { PanelHead } from '../panel-head.js';
import { scrolling } from '../scrolling.js';
import { keepAlive, sameShape } from '../update.js';
import { EdgeGraph, readable } from './graph.js';
import { edgeOf, layoutOf, placeOf, shownName } from './layout.js';

/** @import { Grid, Part } from '../../types/engine.js' */
/** @import { Stage } from '../stage.js' */

/** How many edges are shown at first, and at most: more cannot be told apart. A circuit is shown as a whole if that can be drawn. */
const FEW = 30;
const MOST = 400;
const WHOLE = 2000;
/** With more edges than this, those of equal weight are thin. */
const MANY = 150;

/** @param {Extract<Part, { kind: 'edges' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawEdges(part, stage, name) {
  /** @type {Grid} */
  let grid = part;
  const picture = stage.picture(name);
  const names = grid.columns.ticks;
  const edges = names.map(edgeOf);
  // Estimates are the first measure, and what is known exactly of them the second.
  const { quantity, label, name: measure } = grid.measures[0];
  const isEstimate = measure === 'estimate';
  const { circuit } = stage.actions;
  const layout = layoutOf(names, stage.width);
  // Of a circuit all edges are shown; those outside it have no number.
  const members = membersOf(grid);
  const most = Math.max(1, Math.min(members < names.length ? WHOLE : MOST, members));
  const slider = h('input', { type: 'range', min: 1, max: most, value: members < names.length ? most : Math.min(FEW, most), 'aria-label': 'Edges shown', on: { input: () => paint() } });
  const count = h('output', {});
  const place = h('div', { class: 'panels' });

  const describe = (/** @type {number} */ panel, /** @type {number} */ edge) => {
    const values = valuesOf(grid.panels[panel], 0);
    const value = numbersOf(grid.panels[panel], 0, picture.now)?.[edge];
    const exact = numbersOf(grid.panels[panel], 1, picture.now)?.[edge];
    if (!values || typeof value !== 'number') return readable(edges[edge]);
    const [low, high, p] = [values.low[edge], values.high[edge], values.adjusted[edge]];
    const ends = picture.now.prompt < 0 && typeof low === 'number' && typeof high === 'number' ? `\n95 % interval ${formatQuantity(low, quantity)} to ${formatQuantity(high, quantity)}` : '';
    return `${readable(edges[edge])}\n${names[edge]}\n${label}: ${formatQuantity(value, quantity)}${ends}${typeof p === 'number' ? `\np, adjusted: ${formatQuantity(p, 'probability')}` : ''}${typeof exact === 'number' ? `\nexact: ${formatQuantity(exact, quantity)}` : ''}${circuit ? `\nShift and click: ${isIn(names[edge]) ? 'out of' : 'into'} the circuit` : ''}`;
  };
  /** The edges of the circuit that is being put together. */
  const listed = () => (circuit && measure !== 'member' ? circuit.text.split(/[\s,;]+/).filter(Boolean) : names.filter((_, edge) => grid.panels.some(({ counts }) => counts?.[edge])));
  const isIn = (/** @type {string} */ name) => listed().includes(name);
  const toggle = (/** @type {string} */ name) => circuit?.set((isIn(name) ? listed().filter((own) => own !== name) : [...listed(), name]).join(' '));

  const graphs = grid.panels.map((panel, index) => {
    const leave = () => {
      stage.hover.publish(null);
      stage.tip.hide();
    };
    const open = (/** @type {string} */ node) => {
      const { layer, head } = placeOf(node);
      if (layer !== undefined && head !== undefined) stage.actions.onHead?.({ layer, head, group: panel.group });
    };
    return new EdgeGraph(`${grid.title}, ${panel.name}`, names, layout, {
      onEdge: (edge, anchor) => {
        stage.hover.publish(placeOf(edges[edge].from));
        stage.tip.show(describe(index, edge), anchor);
      },
      onNode: (node, anchor) => {
        stage.hover.publish(placeOf(node));
        stage.tip.show(shownName(node), anchor);
      },
      onLeave: leave,
      // An edge into a head is about what that head reads; every other, about what writes.
      onClick: (edge, isShifted) => (isShifted ? toggle(names[edge]) : open(placeOf(edges[edge].to).head === undefined ? edges[edge].from : edges[edge].to)),
      onNodeClick: open,
      name: (edge) => describe(index, edge).replaceAll('\n', '; '),
    });
  });
  const heads = grid.panels.map(({ name: own }) => new PanelHead(own, layout.width));
  stage.hover.subscribe(stage.scope, (target) => {
    const isMarked = (/** @type {string} */ node) => target?.layer !== undefined && target.head !== undefined && placeOf(node).layer === target.layer && placeOf(node).head === target.head;
    for (const graph of graphs) graph.mark(isMarked);
  });
  place.append(...graphs.map(({ svg }, index) => h('div', { class: 'panel' }, heads[index].element, scrolling(stage, svg, { unit: layout.cell, what: 'head', start: 0 }))));

  const take = h('button', { type: 'button', class: 'quiet', hidden: !circuit || measure === 'member', on: { click: () => circuit?.set([...shown].map((edge) => names[edge]).join(' ')) } });
  const left = h('output', { class: 'hint' });
  /** What the edges shown leave of the logit difference, by themselves. They are named, so that none has to be scored for it. */
  const askWhatIsLeft = () => {
    left.textContent = '';
    // A preview has no numbers of single prompts.
    const isWhole = measure !== 'member' && shown.size > 0 && grid.panels.every((panel) => (valuesOf(panel, 0)?.prompts.length ?? 0) > 0);
    const asked = shown;
    stage.actions.onAsk?.('circuit', () => (isWhole ? { edges: [...asked].map((edge) => names[edge]).join(' '), curve: false } : null), ({ parts }) => {
      if (asked !== shown) return;
      const tables = parts.flatMap((one) => (one.kind === 'table' && one.title.startsWith('How faithful') ? [one] : []));
      const shares = tables.map(({ group, rows }) => `${percent(Number(rows[3]?.cells[1]))}${tables.length > 1 ? ` (${grid.panels.find((panel) => panel.group === group)?.name ?? ''})` : ''}`);
      left.textContent = shares.length > 0 ? `Alone, all others resampled, they leave ${shares.join(', ')} of the logit difference.` : '';
    });
  };
  /** @type {Set<number>} */
  let shown = new Set();
  const paint = () => {
    const n = Number(slider.value);
    count.textContent = `${n} of ${names.length}`;
    shown = new Set();
    const exact = grid.panels.map((panel) => numbersOf(panel, 1, picture.now) ?? []);
    const all = grid.panels.map((panel, index) => (numbersOf(panel, 0, picture.now) ?? []).map((value, edge) => exact[index][edge] ?? value));
    // All groups on one scale.
    const limit = all.flat().reduce((/** @type {number} */ largest, value) => Math.max(largest, Math.abs(value ?? 0)), 0) || 1;
    graphs.forEach((graph, index) => {
      heads[index].show(grid, grid.panels[index], picture.now);
      const known = all[index].flatMap((value, edge) => (typeof value === 'number' ? [{ edge, value, size: measure === 'member' ? (members > MANY ? 0 : 0.25) : Math.abs(value) / limit, isEstimate: isEstimate && typeof exact[index][edge] !== 'number' }] : []));
      const strongest = known.sort((a, b) => b.size - a.size).slice(0, n);
      strongest.forEach(({ edge }) => shown.add(edge));
      graph.paint(strongest.reverse());
    });
    askWhatIsLeft();
    take.textContent = `Take ${shown.size === 1 ? 'this edge' : `these ${shown.size} edges`} as the circuit`;
  };
  const figure = frame(part, stage, {
    controls: [promptChoice(grid, picture, paint), h('label', { class: 'edges-shown' }, 'edges ', slider, count)],
  }, h('div', { class: 'edges-actions' }, take, left), place, h('p', { class: 'hint' }, `${isEstimate ? 'Dashed edges are estimates. ' : ''}${measure !== 'member' ? 'Blue edges raise the logit difference, orange ones lower it, when they are replaced. ' : ''}Into a head, queries arrive on the left, keys in the middle, values on the right.`));
  paint();
  shownOf.set(figure, () => [...shown].map((edge) => names[edge]));
  keepAlive(figure, { repaint: paint, update: (next) => {
    if (next.kind !== 'edges' || !sameShape(grid, next) || membersOf(next) !== members) return false;
    grid = next;
    paint();
    return true;
  } });
  return figure;
}

/** @param {number} share */
function percent(share) {
  return `${String(Math.round(100 * share)).replace('-', '\u2212')} %`;
}

/** What each picture shows. @type {WeakMap<HTMLElement, () => string[]>} */
const shownOf = new WeakMap();

/** The names of the edges that a picture shows in any of its panels. @param {HTMLElement} figure */
export function shownEdges(figure) {
  const [shown] = [figure, ...figure.querySelectorAll('*')].flatMap((element) => shownOf.get(/** @type {HTMLElement} */ (element)) ?? []);
  return shown?.() ?? [];
}

/** How many edges any group may have a number for. @param {Grid} grid */
function membersOf({ columns, panels }) {
  return Math.max(0, ...panels.map(({ counts }) => (counts ? counts.filter((count) => count > 0).length : columns.ticks.length)));
}
