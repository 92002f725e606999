// A pair's tokens under its fields: clean above corrupted, column by column, with differing positions marked.

import { h } from '../dom.js';
import { tokenChip } from '../reports/token.js';

/** @import { PairTokens, Token } from '../types/engine.js' */

/** @param {PairTokens} tokens @param {boolean} symmetric */
export function drawPairTokens(tokens, symmetric) {
  const length = Math.max(tokens.clean.length, tokens.corrupted.length);
  const differing = new Set(tokens.differing);
  const columns = Array.from({ length }, (_, position) => {
    const clean = tokens.clean.at(position);
    const corrupted = tokens.corrupted.at(position);
    const isAlone = tokens.corrupted.length === 0;
    const differs = differing.has(position) || (!isAlone && (!clean || !corrupted));
    return h(
      'div',
      { class: differs ? 'column differs' : 'column', role: 'listitem', 'aria-label': [describeColumn(position, clean, corrupted, differs), ...rolesAt(tokens, position)].join(', ') },
      h('span', { class: 'column-position', 'aria-hidden': 'true' }, position, ...rolesAt(tokens, position).map((name) => h('span', { class: 'column-role' }, name))),
      clean ? tokenChip(clean) : missing(),
      isAlone ? null : corrupted ? tokenChip(corrupted) : missing(),
    );
  });
  if (columns.length === 0) return [];
  return [
    h('div', { class: 'columns-legend', 'aria-hidden': 'true' }, h('span', {}, ''), h('span', {}, 'clean'), h('span', {}, symmetric ? 'other' : 'corr.')),
    h('div', { class: 'token-columns', role: 'list', 'aria-label': 'Tokens by position' }, ...columns),
  ];
}

/** The roles of a token of the clean prompt. @param {PairTokens} tokens @param {number} position */
function rolesAt({ roles }, position) {
  return roles.filter(({ start, end }) => start <= position && position < end).map(({ name }) => name);
}

function missing() {
  return h('span', { class: 'token token-missing', tip: 'no token at this position' }, h('span', { class: 'token-text' }, '\u2013'));
}

/** @param {number} position @param {Token | undefined} clean @param {Token | undefined} corrupted @param {boolean} differs */
function describeColumn(position, clean, corrupted, differs) {
  const say = (/** @type {Token | undefined} */ token) => (token ? `${JSON.stringify(token.text)} id ${token.id}` : 'no token');
  return differs
    ? `position ${position} differs: clean ${say(clean)}, corrupted ${say(corrupted)}`
    : `position ${position}: ${say(clean)}`;
}

/** An answer's tokens beside its field; more than one is marked as wrong. @param {Token[]} tokens */
export function drawAnswerTokens(tokens) {
  return tokens.map((token) => tokenChip(token, { class: tokens.length === 1 ? '' : 'token-wrong' }));
}
