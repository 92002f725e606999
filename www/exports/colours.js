// Converts computed colours to a form that every program understands: browsers give some as `color(srgb ...)`.

/** @typedef {{ colour: string, opacity: number }} Colour */

/** @type {Map<string, Colour>} */
const known = new Map();
/** @type {CanvasRenderingContext2D | null} */
let context = null;

/** A computed colour as `#rrggbb` and an opacity. @param {string} css @returns {Colour} */
export function opaque(css) {
  const found = known.get(css);
  if (found) return found;
  // A paint server (gradient or pattern), or no paint.
  if (css === '' || css === 'none' || css.startsWith('url(')) return { colour: css || 'none', opacity: 1 };
  context ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (!context) return { colour: css, opacity: 1 };
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
  const colour = { colour: `#${[r, g, b].map((part) => part.toString(16).padStart(2, '0')).join('')}`, opacity: Math.round((a / 255) * 1000) / 1000 };
  known.set(css, colour);
  return colour;
}
