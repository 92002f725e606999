// A circuit as a file: the edges that a picture of edges shows, of its first group.

import { valuesOf } from '../reports/grid-view.js';
import { shownEdges } from '../reports/edges/index.js';

/** @import { Part, WriteCircuit } from '../types/engine.js' */

/** @param {HTMLElement} figure @param {Part} part @param {(circuit: WriteCircuit) => Promise<string>} write */
export async function circuitOf(figure, part, write) {
  if (part.kind !== 'edges' || part.panels.length === 0) throw new Error('there are no edges');
  // Where edges were named, their numbers are no scores.
  const scores = part.measures[0].name === 'member' ? [] : valuesOf(part.panels[0], 0)?.mean ?? [];
  return new Blob([await write({ edges: shownEdges(figure), scores })], { type: 'application/json' });
}
