// What a phone, a word processor or a spreadsheet does to a pair, and what was probably meant. Nothing is mended unasked: to a
// model, "they\u2019re" and "they're" are different texts, and either may be what somebody studies.

import { FIELDS } from './experiment.js';

/** @import { Field, Pair } from '../types/engine.js' */

/**
 * @typedef {object} Mend
 * @property {Field} field
 * @property {string} what what was found, as the beginning of a sentence
 * @property {string} text the field as it was probably meant
 */

/**
 * @typedef {object} Habit
 * @property {(text: string, field: Field, pair: Pair) => boolean} is
 * @property {string} what
 * @property {(text: string) => string} mended
 */

const isAnswer = (/** @type {Field} */ field) => field === 'answer' || field === 'distractor';

/** @type {Habit[]} */
const HABITS = [
  {
    is: (text) => /[\u2018\u2019\u02bc\u02b9\u2032\uff07]/.test(text),
    what: 'a curly apostrophe, for which GPT-2 has other tokens than for the straight one',
    mended: (text) => text.replaceAll(/[\u2018\u2019\u02bc\u02b9\u2032\uff07]/g, '\''),
  },
  {
    is: (text) => /[\u201c\u201d\u201e\u2033\uff02]/.test(text),
    what: 'curly quotation marks, for which GPT-2 has other tokens than for straight ones',
    mended: (text) => text.replaceAll(/[\u201c\u201d\u201e\u2033\uff02]/g, '"'),
  },
  {
    is: (text) => /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/.test(text),
    what: 'a space that is not an ordinary one',
    mended: (text) => text.replaceAll(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' '),
  },
  {
    is: (text) => /[\u200b\u2060\ufeff\u00ad]/.test(text),
    what: 'a character that cannot be seen',
    mended: (text) => text.replaceAll(/[\u200b\u2060\ufeff\u00ad]/g, ''),
  },
  {
    is: (text, field) => !isAnswer(field) && /\S {1,}$/.test(text),
    what: 'a space at its end, where GPT-2\u2019s next word brings its own',
    mended: (text) => text.trimEnd(),
  },
  {
    // Spreadsheets show and copy 're as re: there an apostrophe in front marks text.
    is: (text, field, pair) => isAnswer(field) && /^(?:re|ve|ll|s|m|d)$/.test(text) && /\p{L}$/u.test(pair.clean),
    what: 'no apostrophe, which spreadsheets drop in front of a text',
    mended: (text) => `'${text}`,
  },
  {
    is: (text, field, pair) => isAnswer(field) && /^\p{L}{2,}$/u.test(text) && !/^(?:re|ve|ll)$/.test(text) && /[\p{L}\p{N},.]$/u.test(pair.clean),
    what: 'no space in front, so that it would continue the prompt\u2019s last word',
    mended: (text) => ` ${text}`,
  },
];

/** What is odd about a pair, each with its mend. @param {Pair} pair @returns {Mend[]} */
export function mendsOf(pair) {
  return FIELDS.flatMap((field) => HABITS.filter(({ is }) => is(pair[field], field, pair)).map(({ what, mended }) => ({ field, what, text: mended(pair[field]) })));
}

/** The pair with everything mended. @template {Pair} T @param {T} pair @returns {T} */
export function mended(pair) {
  const better = { ...pair };
  // One mend may make room for another.
  for (const field of FIELDS) for (const { is, mended: mend } of HABITS) if (is(better[field], field, better)) better[field] = mend(better[field]);
  return better;
}

/** In a sentence: "The answer has no space in front". @param {Mend[]} mends */
export function inWords(mends) {
  return mends.map(({ field, what }) => `The ${field === 'clean' || field === 'corrupted' ? `${field} prompt` : field} has ${what}.`).join(' ');
}
