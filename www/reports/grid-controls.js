// Controls of a grid: the measure, a single prompt instead of the mean, the colour scale. They take effect without a run,
// because the report holds every measure and every prompt.

import { choice, segmented } from './frame.js';
import { measureOf, promptCount, visible } from './grid-view.js';
import { tickText } from '../numbers.js';

/** @import { Grid, Measure } from '../types/engine.js' */
/** @import { Picture } from './stage.js' */

/** @param {{ measures: Measure[] }} part @param {Picture} picture @param {() => void} changed */
export function measureSwitch(part, picture, changed) {
  if (part.measures.length < 2) return null;
  // Short names save room; the full label is beside the scale.
  const options = part.measures.map(({ name, label }) => ({ value: name, text: name.replaceAll('-', ' '), tip: label }));
  return segmented('Measure', options, part.measures[measureOf(part, picture.now)].name, (name) => {
    picture.set({ measure: name });
    changed();
  });
}

/** @param {Grid} grid @param {Picture} picture @param {() => void} changed */
export function promptChoice(grid, picture, changed) {
  const count = promptCount(grid);
  if (count < 2) return null;
  // With several groups a prompt's text depends on the panel, which shows it.
  const texts = grid.panels.length === 1 ? grid.panels[0].prompts.map((prompt) => ` ${visible(prompt)}`) : [];
  const options = ['mean over prompts', ...Array.from({ length: count }, (_, i) => (texts.length > 0 ? `${i + 1}: ${texts[i]}` : `only prompt ${i + 1}`))];
  return choice('show', options, Math.min(picture.now.prompt, count - 1) + 1, (index) => {
    picture.set({ prompt: index - 1 });
    changed();
  });
}

/**
 * A switch between the measure's fixed scale and one fitted to the values. It says what the scale is for the measure that is
 * shown; without a fixed one there is nothing to choose.
 *
 * @param {Grid} grid
 * @param {Picture} picture
 * @param {() => void} changed
 * @returns {(HTMLElement & { refresh: () => void }) | null} `refresh` follows a change of the measure; null if no measure has a fixed scale
 */
export function scaleSwitch(grid, picture, changed) {
  if (grid.measures.every((measure) => measure.range === null)) return null;
  const element = segmented('Colour scale', [
    { value: false, text: '', tip: 'A fixed scale: the same colour is the same number in every figure' },
    { value: true, text: 'fit', tip: 'A scale fitted to the numbers' },
  ], picture.now.fit, (fit) => {
    picture.set({ fit });
    changed();
  });
  const [fixed, fitted] = /** @type {Iterable<HTMLButtonElement>} */ (element.children);
  const refresh = () => {
    const { range } = grid.measures[measureOf(grid, picture.now)];
    fixed.hidden = range === null;
    fixed.textContent = range ? range.map((end) => tickText(end, 0.1).replace(/\.0$/, '')).join(' to ') : '';
    fitted.textContent = range ? 'fit' : 'scale fitted';
    fitted.disabled = range === null;
    element.show(range === null || picture.now.fit);
  };
  refresh();
  return Object.assign(element, { refresh });
}
