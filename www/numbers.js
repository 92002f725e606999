// Number formatting. Every figure formats its numbers here, so that a quantity looks the same everywhere.

/** @import { Problem, Quantity } from './types/engine.js' */

const MINUS = '\u2212';

/**
 * Formats a number by its quantity: four decimals for logits, a percentage with two decimals for probabilities.
 *
 * @param {number} value
 * @param {Quantity} quantity
 * @returns {string}
 */
export function formatQuantity(value, quantity) {
  if (!Number.isFinite(value)) return String(value).replace('-', MINUS);
  switch (quantity) {
    case 'probability':
      // "0.00%" would read as impossible.
      if (value > 0 && value < 0.00005) return '<0.01%';
      // And "100.00%" as certain.
      if (value < 1 && value >= 0.99995) return '>99.99%';
      return `${(100 * value).toFixed(2)}%`;
    case 'logit-difference':
    case 'share':
      return signed(value, 4);
    case 'logit':
    case 'log-probability':
    case 'activation':
    case 'loss':
    case 'score':
      return fixed(value, 4);
    case 'attention':
      return fixed(value, 3);
    case 'error':
      // "0.0000" would read as no error at all.
      return value === 0 ? '0' : value.toExponential(1).replaceAll('-', MINUS);
    default:
      // A mean of ranks may be fractional.
      return fixed(value, Number.isInteger(value) ? 0 : 2);
  }
}

/** @param {number} value @param {number} digits */
export function fixed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** @param {number} value @param {number} digits */
export function signed(value, digits) {
  const text = fixed(value, digits);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** Five significant digits, for tooltips: more than a table has, and no more than a difference between devices leaves. @param {number} value */
export function precise(value) {
  return full(Number.isFinite(value) ? Number(value.toPrecision(5)) : value);
}

/** All digits, for whoever points at a number of a table. @param {number} value */
export function full(value) {
  return String(value).replaceAll('-', MINUS);
}

/** A tick label, with just enough decimals for ticks `step` apart. @param {number} value @param {number} step */
export function tickText(value, step) {
  if (value === 0 || Math.abs(value) < step / 1e6) return '0';
  if (step < 1e-4 || Math.abs(value) >= 1e6) return value.toExponential(1).replaceAll('-', MINUS);
  return fixed(value, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

/** Bytes in decimal units, as hosts and file managers count them. @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  if (bytes < 999_500) return `${(bytes / 1e3).toFixed(0)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} count */
export function formatCount(count) {
  if (count < 1e6) return String(Math.round(count));
  return `${(count / 1e6).toFixed(count < 1e7 ? 2 : 1)} M`;
}

/** A remaining time, rounded to what matters while waiting. @param {number} seconds */
export function formatSeconds(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A measured duration. @param {number} milliseconds */
export function formatDuration(milliseconds) {
  return milliseconds < 999.5 ? `${Math.max(1, Math.round(milliseconds))} ms` : `${(milliseconds / 1000).toFixed(milliseconds < 9950 ? 2 : 1)} s`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** What was left out, and whether the experiment is to blame. @param {string} words @param {Problem[]} problems */
export function leftOut(words, problems) {
  const count = problems.filter(({ place }) => place !== null).length;
  return count === 0 ? words : `${words}: ${plural(count, 'problem')} in the experiment`;
}
