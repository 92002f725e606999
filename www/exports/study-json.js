// The whole study as JSON (docs/study.md): the experiment, the view, and every report in full.

import { withoutDefaults } from '../store/experiment.js';
import { inSlices } from './in-slices.js';

/** @import { Study } from './study-source.js' */

/** Incremented when readers of the old format would misread the new one. */
export const VERSION = 1;
/** Numbers written between two pauses. */
const STEP = 5000;

/** @param {Study} study @param {{ signal?: AbortSignal }} [options] @returns {Promise<Blob>} */
export async function studyJson({ made, experiment, test, view, model, figures, link }, { signal } = {}) {
  const document = {
    patchlab: 'study',
    version: VERSION,
    made: made.toISOString(),
    link: link.address,
    model,
    experiment: withoutDefaults(experiment),
    test,
    view,
    // Without figures that the page derives from others: only the engine's reports.
    results: figures.filter((figure) => figure.info !== null).map(({ section, title, analysis, settings, groups, report }) => ({ section: section.id, title, analysis, settings, groups, report })),
  };
  /** @type {string[]} */
  const pieces = [];
  await inSlices(write(document, pieces, ''), signal);
  return new Blob([...pieces, '\n'], { type: 'application/json' });
}

/**
 * Writes JSON in steps, because a report may hold millions of numbers. Objects are indented; lists are on one line.
 *
 * @param {unknown} value
 * @param {string[]} pieces
 * @param {string} indent
 * @returns {Generator<undefined, void>}
 */
function* write(value, pieces, indent) {
  if (Array.isArray(value)) {
    if (value.length > 0 && value.every((item) => typeof item !== 'object' || item === null)) {
      for (let start = 0; start < value.length; start += STEP) {
        pieces.push(start === 0 ? '[' : ',', JSON.stringify(value.slice(start, start + STEP)).slice(1, -1));
        yield;
      }
      pieces.push(']');
      return;
    }
    pieces.push('[');
    for (const [index, item] of value.entries()) {
      if (index > 0) pieces.push(', ');
      yield* write(item, pieces, indent);
    }
    pieces.push(']');
  } else if (typeof value === 'object' && value !== null) {
    const inner = `${indent} `;
    let first = true;
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      pieces.push(first ? '{\n' : ',\n', inner, JSON.stringify(key), ': ');
      first = false;
      yield* write(item, pieces, inner);
    }
    pieces.push(first ? '{}' : `\n${indent}}`);
  } else {
    pieces.push(JSON.stringify(value) ?? 'null');
    yield;
  }
}
