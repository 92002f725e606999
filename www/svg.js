// Creating SVG elements. All styling is in attributes, with colours such as `var(--ink)`, so that a saved file looks the
// same: exports/ replaces the variables with their light-theme values.

const SVG = 'http://www.w3.org/2000/svg';

/** Text in figures. */
const FONT = { 'font-family': 'var(--sans)', 'font-size': 11 };

let ids = 0;

/** An id that is unique on the page. @param {string} what */
export function newId(what) {
  return `${what}-${(ids += 1)}`;
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes] `false`, `null` and `undefined` omit the attribute
 * @param {...(Node | string | false | null | undefined)} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The pattern of what has not been computed. @param {string} id */
export function hatching(id) {
  return s('defs', {}, s('pattern', { id, width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
    s('rect', { width: 5, height: 5, fill: 'var(--panel)' }), s('line', { y2: 5, stroke: 'var(--line-strong)', 'stroke-width': 1.5 })));
}

/** @param {string} text @param {number} x @param {number} y @param {Record<string, string | number | boolean | null | undefined>} [attributes] */
export function label(text, x, y, attributes = {}) {
  return s('text', { x, y, fill: 'var(--ink-soft)', ...FONT, ...attributes }, text);
}

/** Rounds to a tenth of a pixel: more digits only make paths longer. @param {number} value */
export function px(value) {
  return Math.round(value * 10) / 10;
}
