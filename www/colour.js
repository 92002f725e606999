// The diverging RdBu scale of the notebooks people come from: centred at 0, blue positive.

/** ColorBrewer's RdBu with 11 classes, from the most negative to the most positive. */
const RDBU = [
  [103, 0, 31], [178, 24, 43], [214, 96, 77], [244, 165, 130], [253, 219, 199], [247, 247, 247],
  [209, 229, 240], [146, 197, 222], [67, 147, 195], [33, 102, 172], [5, 48, 97],
];

/**
 * The colour of `value` on a scale from `-limit` to `limit`.
 *
 * @param {number} value
 * @param {number} limit
 * @returns {string}
 */
export function diverging(value, limit) {
  const span = limit > 0 ? Math.max(-1, Math.min(1, value / limit)) : 0;
  const place = ((span + 1) / 2) * (RDBU.length - 1);
  const left = Math.min(Math.floor(place), RDBU.length - 2);
  const mix = [0, 1, 2].map((i) => Math.round(RDBU[left][i] + (place - left) * (RDBU[left + 1][i] - RDBU[left][i])));
  return `rgb(${mix.join(' ')})`;
}
