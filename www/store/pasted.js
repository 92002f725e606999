// Parses pasted pairs: one per line, with fields separated by tabs, as copied from spreadsheets, or by |.

/** @import { Pair } from '../types/engine.js' */

/**
 * @typedef {object} PastedLine
 * @property {number} line counted from 1
 * @property {string} text
 * @property {Pair | null} pair null if the line is not a pair
 * @property {string} message what is wrong, or which fields were taken from the pair before; may be empty
 */

/**
 * Spaces are kept: " are" and "are" are different tokens. A header row is skipped. A missing answer or distractor is taken
 * from the line before, or from `like`.
 *
 * @param {string} text
 * @param {Pair | null} like
 * @returns {PastedLine[]}
 */
export function linesOf(text, like) {
  let before = like;
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '') return [];
    const fields = (line.includes('\t') ? line.split('\t') : line.split('|')).map(unquoted);
    if (/^\s*clean\s*$/i.test(fields[0]) && /^\s*corrupted\s*$/i.test(fields[1] ?? '')) return [];
    const read = pairOf(fields, before);
    if (read.pair) before = read.pair;
    return [{ line: index + 1, text: line, ...read }];
  });
}

/** @param {string[]} fields @param {Pair | null} before @returns {Omit<PastedLine, 'line' | 'text'>} */
function pairOf([clean = '', corrupted, answer, distractor, ...more], before) {
  if (corrupted === undefined) return { pair: null, message: 'There is only one field. Separate the prompts, the answer and the distractor with tabs or with |.' };
  if (more.some((field) => field !== '')) return { pair: null, message: `There are ${4 + more.length} fields. A pair has four: clean, corrupted, answer, distractor.` };
  const filled = { clean, corrupted, answer: answer ?? before?.answer ?? '', distractor: distractor ?? before?.distractor ?? '' };
  const taken = [answer === undefined && 'answer', distractor === undefined && 'distractor'].filter(Boolean);
  return { pair: filled, message: taken.length > 0 && before ? `Its ${taken.join(' and ')} ${taken.length > 1 ? 'are' : 'is'} taken from the pair before.` : '' };
}

/** Unquotes a cell that a spreadsheet has quoted. @param {string} cell */
function unquoted(cell) {
  return /^".*"$/.test(cell) && cell.slice(1, -1).replaceAll('""', '').includes('"') === false && cell.includes('""') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
}
