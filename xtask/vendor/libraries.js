// What the page uses of other projects: ticks, curves and CSV of d3, and signals, of which the page's state is made. The bundle
// holds this and nothing else; it is also the bundle's type declaration.

export { batch, computed, effect, signal, untracked } from '@preact/signals-core';
export { ticks } from 'd3-array';
export { csvFormatRow } from 'd3-dsv';
export { area, line } from 'd3-shape';
