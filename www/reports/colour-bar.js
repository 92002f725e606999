// The colour scale and its tick labels.

import { shades } from '../colour.js';
import { h } from '../dom.js';
import { tickText } from '../numbers.js';
import { linear } from '../scale.js';
import { label, newId, px, s } from '../svg.js';

/** @import { Domain } from './grid-view.js' */

const WIDTH = 200;
const SIDE = 22;
const STOPS = 20;

/**
 * @param {string} name the label beside the scale
 * @param {Domain} domain
 * @param {(value: number) => string} [colour]
 */
export function colourBar(name, domain, colour = shades(domain)) {
  const scale = linear([domain.low, domain.high], [SIDE, SIDE + WIDTH]);
  const inner = scale.ticks(4);
  const step = inner.length > 1 ? inner[1] - inner[0] : domain.high - domain.low;
  // The ends are always labelled: without them the scale cannot be read.
  const ticks = [domain.low, ...inner.filter((tick) => Math.abs(scale(tick) - SIDE) > 34 && Math.abs(scale(tick) - SIDE - WIDTH) > 34), domain.high];
  const gradient = newId('scale');
  const svg = s(
    'svg',
    { width: WIDTH + 2 * SIDE, height: 32, class: 'colour-bar', role: 'img', 'aria-label': `Colour scale: ${name}, ${tickText(domain.low, step / 10)} to ${tickText(domain.high, step / 10)}` },
    s('defs', {}, s('linearGradient', { id: gradient }, ...Array.from({ length: STOPS + 1 }, (_, i) =>
      s('stop', { offset: `${(100 * i) / STOPS}%`, 'stop-color': colour(domain.low + (i / STOPS) * (domain.high - domain.low)) })))),
    s('rect', { x: SIDE, y: 1, width: WIDTH, height: 11, fill: `url(#${gradient})`, stroke: 'var(--line-strong)', 'stroke-width': 0.5 }),
    // Arrowheads if values lie beyond the ends, as in matplotlib.
    domain.below && s('path', { d: `M${SIDE - 2} 1v11l-8-5.500z`, fill: colour(domain.low) }),
    domain.above && s('path', { d: `M${SIDE + WIDTH + 2} 1v11l8-5.500z`, fill: colour(domain.high) }),
    ...ticks.map((tick) => s('g', {},
      s('line', { x1: px(scale(tick)), x2: px(scale(tick)), y1: 12, y2: 15, stroke: 'var(--ink-soft)' }),
      label(endText(tick, domain, step), px(scale(tick)), 27, { 'text-anchor': 'middle' }))),
  );
  return h('div', { class: 'scale' }, h('span', { class: 'scale-name' }, name), svg);
}

/** @param {number} tick @param {Domain} domain @param {number} step */
function endText(tick, domain, step) {
  const isEnd = tick === domain.low || tick === domain.high;
  const text = isEnd ? shortened(tickText(tick, step / 10)) : tickText(tick, step);
  if (tick === domain.low && domain.below) return `\u2264 ${text}`;
  if (tick === domain.high && domain.above) return `\u2265 ${text}`;
  return text;
}

/** Without trailing zeros. @param {string} text */
function shortened(text) {
  return text.includes('.') && !text.includes('e') ? text.replace(/\.?0+$/, '') : text;
}
