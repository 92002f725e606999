// An SVG as PNG.

/** @import { Picture } from './picture.js' */

/** Pixels per SVG unit: sharp in print and on high-density screens. */
const DENSITY = 2;

/** @param {Picture} picture @returns {Promise<Blob>} */
export async function pngOf({ svg, width, height }) {
  const address = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    // Not `decode()`, which waits for animation frames.
    await new Promise((done, fail) => {
      image.addEventListener('load', done, { once: true });
      image.addEventListener('error', () => fail(new Error('the browser cannot draw it')), { once: true });
      image.src = address;
    });
    const canvas = new OffscreenCanvas(Math.round(DENSITY * width), Math.round(DENSITY * height));
    const context = canvas.getContext('2d');
    if (!context) throw new Error('the picture is too large');
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: 'image/png' });
  } finally {
    URL.revokeObjectURL(address);
  }
}
