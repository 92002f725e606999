// Pictures whose code is fetched when the first one is drawn.

import { h } from '../dom.js';
import { keepAlive, repaintPart, updatePart } from './update.js';

/** @import { Part } from '../types/engine.js' */
/** @import { Stage } from './stage.js' */

/** @param {Extract<Part, { kind: 'edges' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawLater(part, stage, name) {
  let latest = part;
  /** @type {HTMLElement | null} */
  let figure = null;
  const place = h('div', { class: 'part part-later', data: { title: part.title } });
  const done = import('./edges/index.js').then(({ drawEdges }) => {
    figure = drawEdges(latest, stage, name);
    place.replaceChildren(figure);
  }, (error) => place.replaceChildren(h('p', { class: 'field-error' }, `This picture could not be fetched: ${error.message}. Reload the page.`)));
  keepAlive(place, {
    slices: { done },
    repaint: () => figure && repaintPart(figure),
    update: (next) => {
      if (next.kind !== 'edges') return false;
      latest = next;
      return figure === null || updatePart(figure, next);
    },
  });
  return place;
}
