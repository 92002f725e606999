// A figure as one self-contained SVG file: laid out again in light colours at the width of a page, then written as
// rectangles, lines and text. SVGs inside the figure are embedded as they are.

import { s } from '../svg.js';
import { opaque } from './colours.js';
import { atOnce } from './in-slices.js';
import { textsOf } from './text.js';

/** @typedef {{ svg: string, width: number, height: number }} Picture */

const PADDING = 12;
/** Attributes that may hold CSS variables or `light-dark()` colours. */
const STYLED = ['fill', 'stroke', 'stop-color'];
/** Available in every program that opens SVG. */
const FONTS = 'Helvetica, Arial, "Liberation Sans", sans-serif';

/** @param {HTMLElement} figure @param {string} title @returns {Picture} */
export function pictureOf(figure, title) {
  const svg = atOnce(drawPicture(figure, title));
  return { svg: new XMLSerializer().serializeToString(svg), width: svg.width.baseVal.value, height: svg.height.baseVal.value };
}

/**
 * The figure as an SVG element, built in steps.
 *
 * @param {HTMLElement} figure
 * @param {string} title
 * @returns {Generator<undefined, SVGSVGElement>}
 */
export function* drawPicture(figure, title) {
  const stage = document.createElement('div');
  stage.className = 'export-stage';
  stage.setAttribute('aria-hidden', 'true');
  stage.inert = true;
  // The user may scroll while the figure is being exported.
  stage.style.setProperty('position', 'fixed');
  const copy = /** @type {HTMLElement} */ (figure.cloneNode(true));
  stage.append(copy);
  document.body.append(stage);
  try {
    return yield* write(copy, title);
  } finally {
    stage.remove();
  }
}

/** @param {HTMLElement} figure @param {string} title @returns {Generator<undefined, SVGSVGElement>} */
function* write(figure, title) {
  const origin = figure.getBoundingClientRect();
  /** @type {Drawing} */
  const drawing = { elements: [], right: 0, bottom: 0, x: origin.left - PADDING, y: origin.top - PADDING };
  yield* walk(figure, drawing);
  const width = Math.ceil(drawing.right + PADDING);
  const height = Math.ceil(drawing.bottom + PADDING);
  return s('svg', { width, height, viewBox: `0 0 ${width} ${height}` }, s('title', {}, title), s('rect', { width, height, fill: '#ffffff' }), ...drawing.elements);
}

/** @typedef {{ elements: SVGElement[], right: number, bottom: number, x: number, y: number }} Drawing the elements so far, their right and bottom extent, and the corner's position in the window */

/** @param {Element} element @param {Drawing} drawing @returns {Generator<undefined, void>} */
function* walk(element, drawing) {
  yield;
  const style = getComputedStyle(element);
  if (style.display === 'none' || style.visibility === 'hidden' || element.classList.contains('visually-hidden') || element.hasAttribute('data-screen')) return;
  if (element instanceof SVGSVGElement) {
    const box = element.getBoundingClientRect();
    if (box.width > 0) add(drawing, box, [yield* embedded(element, box, drawing)]);
    return;
  }
  add(drawing, element.getBoundingClientRect(), boxOf(element, style, drawing));
  for (const node of element.childNodes) {
    if (node instanceof Element) yield* walk(node, drawing);
    else if (node instanceof Text) {
      for (const { text, box } of textsOf(node, style, FONTS, drawing)) add(drawing, box, [text]);
    }
  }
}

/** @param {Drawing} drawing @param {DOMRect} box @param {SVGElement[]} elements */
function add(drawing, box, elements) {
  if (elements.length === 0) return;
  drawing.elements.push(...elements);
  drawing.right = Math.max(drawing.right, box.right - drawing.x);
  drawing.bottom = Math.max(drawing.bottom, box.bottom - drawing.y);
}

/** An SVG inside the figure, with its CSS variables resolved. @param {SVGSVGElement} svg @param {DOMRect} box @param {Drawing} drawing @returns {Generator<undefined, SVGSVGElement>} */
function* embedded(svg, box, { x, y }) {
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const originals = [svg, ...svg.querySelectorAll('*')];
  for (const [index, element] of [copy, ...copy.querySelectorAll('*')].entries()) {
    if (index % 50 === 0) yield;
    for (const name of STYLED) {
      if (/var\(|light-dark\(/.test(element.getAttribute(name) ?? '')) {
        const { colour, opacity } = opaque(getComputedStyle(originals[index]).getPropertyValue(name));
        element.setAttribute(name, colour);
        if (opacity < 1 && !element.hasAttribute(`${name}-opacity`)) element.setAttribute(`${name}-opacity`, String(opacity));
      }
    }
    if (element.hasAttribute('font-family')) element.setAttribute('font-family', FONTS);
    for (const { name } of [...element.attributes]) {
      // Accessible names and tab stops make sense only on the page.
      if (name.startsWith('aria-') || ['role', 'tabindex', 'class', 'style'].includes(name)) element.removeAttribute(name);
    }
  }
  for (const element of copy.querySelectorAll('[data-screen], [display="none"]')) element.remove();
  copy.setAttribute('x', String(box.left - x));
  copy.setAttribute('y', String(box.top - y));
  return copy;
}

/** The background and borders of an element. @param {Element} element @param {CSSStyleDeclaration} style @param {Drawing} drawing @returns {SVGElement[]} */
function boxOf(element, style, { x, y }) {
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.height === 0) return [];
  const [left, top] = [box.left - x, box.top - y];
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.height / 2);
  const background = opaque(style.backgroundColor);
  /** @type {SVGElement[]} */
  const elements = [];
  if (background.opacity > 0) {
    elements.push(s('rect', { x: left, y: top, width: box.width, height: box.height, rx: radius || null, fill: background.colour, 'fill-opacity': background.opacity < 1 ? background.opacity : null }));
  }
  const sides = /** @type {const} */ (['Top', 'Right', 'Bottom', 'Left']).map((side) => {
    const width = style[`border${side}Style`] === 'none' ? 0 : parseFloat(style[`border${side}Width`]) || 0;
    return { width, ...opaque(style[`border${side}Color`]) };
  });
  if (sides.every((side) => side.width > 0 && side.opacity > 0 && side.colour === sides[0].colour)) {
    const { width, colour, opacity } = sides[0];
    elements.push(s('rect', { x: left + width / 2, y: top + width / 2, width: box.width - width, height: box.height - width, rx: radius || null, fill: 'none', stroke: colour, 'stroke-opacity': opacity < 1 ? opacity : null, 'stroke-width': width }));
    return elements;
  }
  const [right, bottom] = [left + box.width, top + box.height];
  const ends = [[left, top, right, top], [right, top, right, bottom], [left, bottom, right, bottom], [left, top, left, bottom]];
  sides.forEach(({ width, colour, opacity }, index) => {
    if (width === 0 || opacity === 0) return;
    const [x1, y1, x2, y2] = ends[index];
    elements.push(s('line', { x1, y1, x2, y2, stroke: colour, 'stroke-opacity': opacity < 1 ? opacity : null, 'stroke-width': width }));
  });
  return elements;
}
