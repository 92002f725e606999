// Draws the `tokens` part: prompts as rows of tokens.

import { h } from '../dom.js';
import { tokenChip } from './token.js';

/** @import { TokenRows } from '../types/engine.js' */

/** @param {TokenRows} part */
export function drawTokens(part) {
  return h(
    'figure',
    { class: 'part part-tokens' },
    part.title && h('figcaption', {}, h('span', { class: 'part-title' }, part.title)),
    ...part.rows.map((row) =>
      h(
        'div',
        { class: 'token-row' },
        row.label && h('span', { class: 'token-row-label' }, row.label),
        h('div', { class: 'token-line', role: 'group', 'aria-label': `tokens of ${row.label || part.title}` },
          ...row.tokens.map((token) => tokenChip(token))),
      ),
    ),
  );
}
