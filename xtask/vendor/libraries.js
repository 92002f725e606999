// The library functions that the page imports: d3's ticks, curves and CSV, and signals, which hold the page's state. The bundle
// contains only these; this file is also its type declaration.

export { batch, computed, effect, signal, untracked } from '@preact/signals-core';
export { ticks } from 'd3-array';
export { csvFormatRow } from 'd3-dsv';
export { area, line } from 'd3-shape';
