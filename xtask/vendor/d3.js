// What the page uses of d3. The bundle holds this and nothing else; it is also the bundle's type declaration.

export { ticks } from 'd3-array';
export { csvFormatRow } from 'd3-dsv';
export { area, line } from 'd3-shape';
