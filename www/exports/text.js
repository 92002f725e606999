// The text of a figure, broken into lines as the browser laid it out.

import { s } from '../svg.js';
import { opaque } from './colours.js';

/** @typedef {{ text: SVGTextElement, box: DOMRect }} Line */

/** Glyphs drawn for invisible characters. */
const SEEN = { 'glyph-space': '\u00b7', 'glyph-newline': '\u21b5', 'glyph-tab': '\u21e5' };

/** @type {CanvasRenderingContext2D | null} */
let context = null;

/**
 * @param {Text} node
 * @param {CSSStyleDeclaration} style of its element
 * @param {string} fonts
 * @param {{ x: number, y: number }} origin
 * @returns {Line[]}
 */
export function textsOf(node, style, fonts, { x, y }) {
  const content = node.data;
  if (content === '' || (content.trim() === '' && !style.whiteSpace.startsWith('pre'))) return [];
  const owner = node.parentElement;
  const seen = Object.entries(SEEN).find(([name]) => owner?.classList.contains(name));
  const isMono = style.fontFamily.includes('mono') || style.fontFamily.includes('Mono');
  // A newline glyph is as wide as its element; the character itself has no width.
  const lines = owner && seen ? [{ text: seen[1], box: owner.getBoundingClientRect() }] : linesOf(node);
  return lines.map(({ text, box }) => {
    const anchor = style.textAlign === 'right' || style.textAlign === 'end' ? 'end' : style.textAlign === 'center' ? 'middle' : 'start';
    const left = anchor === 'end' ? box.right : anchor === 'middle' ? box.left + box.width / 2 : box.left;
    const fill = opaque(style.color);
    return {
      box,
      text: s('text', {
        x: left - x,
        y: box.top - y + ascent(style, box.height),
        'text-anchor': anchor === 'start' ? null : anchor,
        'font-family': isMono ? '"DejaVu Sans Mono", Menlo, Consolas, monospace' : fonts,
        'font-size': parseFloat(style.fontSize),
        'font-weight': style.fontWeight === '400' ? null : style.fontWeight,
        fill: fill.colour,
        'xml:space': 'preserve',
      }, text),
    };
  });
}

/** From the top of a line's box down to its baseline. @param {CSSStyleDeclaration} style @param {number} height */
function ascent(style, height) {
  context ??= document.createElement('canvas').getContext('2d');
  if (!context) return 0.8 * height;
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = context.measureText('x');
  return (height * up) / (up + down);
}

/** @param {Text} node @returns {{ text: string, box: DOMRect }[]} */
function linesOf(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
  if (boxes.length === 0) return [];
  const isOneLine = boxes.every((box) => Math.abs(box.top - boxes[0].top) < 2);
  if (isOneLine) return [{ text: node.data, box: range.getBoundingClientRect() }];
  // Word by word, joined again into lines by vertical position.
  /** @type {{ text: string, box: DOMRect }[]} */
  const lines = [];
  for (const match of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].trimEnd().length);
    const box = range.getBoundingClientRect();
    const last = lines.at(-1);
    if (last && Math.abs(last.box.top - box.top) < 2) {
      last.text += match[0];
      last.box = new DOMRect(last.box.left, last.box.top, box.right - last.box.left, last.box.height);
    } else {
      lines.push({ text: match[0], box });
    }
  }
  return lines;
}
