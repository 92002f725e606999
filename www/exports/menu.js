// The save menu on every figure.

import { h } from '../dom.js';
import { choicesMenu } from './choices-menu.js';
import { download, fileName } from './download.js';

/** @import { Part, WriteCircuit } from '../types/engine.js' */

const FORMATS = [
  { format: 'svg', name: 'SVG', note: 'vector picture, for papers' },
  { format: 'png', name: 'PNG', note: 'picture at double size' },
  { format: 'csv', name: 'CSV', note: 'every number, in full, for pandas and R' },
  { format: 'sheet', name: 'CSV for spreadsheets', note: 'the same, with a byte order mark' },
];

const CIRCUIT = { format: 'circuit', name: 'Circuit', note: 'the edges shown, as EAP-IG reads them' };

/**
 * @param {HTMLElement} figure
 * @param {Part} part
 * @param {(text: string) => void} fail tells why it could not be saved
 * @param {(circuit: WriteCircuit) => Promise<string>} write makes a circuit file
 */
export function saveMenu(figure, part, fail, write) {
  /** @param {string} format */
  const choose = async (format) => {
    try {
      if (format === 'circuit') download(await (await import('./circuit.js')).circuitOf(figure, part, write), fileName(part.title, 'json'));
      else download(await contentOf(figure, part, format), fileName(part.title, format === 'sheet' ? 'csv' : format));
    } catch (error) {
      fail(`The picture could not be saved as ${format.toUpperCase()}: ${error instanceof Error ? error.message : error}`);
    }
  };
  const { button, menu } = choicesMenu({ text: 'Save', label: `Save ${part.title}`, buttonClass: 'save', menuClass: 'menu-save', choices: part.kind === 'edges' ? [...FORMATS, CIRCUIT] : FORMATS, width: 220, onChoose: choose });
  return h('span', { class: 'save-place', data: { screen: true } }, button, menu);
}

/** @param {HTMLElement} figure @param {Part} part @param {string} format @returns {Promise<Blob>} */
async function contentOf(figure, part, format) {
  // Exporters are loaded on demand.
  if (format === 'csv' || format === 'sheet') return (await import('./csv.js')).csvOf(part, { forSpreadsheets: format === 'sheet' });
  const { pictureOf } = await import('./picture.js');
  const picture = pictureOf(figure, part.title);
  return format === 'png' ? (await import('./png.js')).pngOf(picture) : new Blob([picture.svg], { type: 'image/svg+xml' });
}
