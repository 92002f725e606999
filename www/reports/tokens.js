// Draws the `tokens` part: prompts as rows of tokens.

import { h } from '../dom.js';
import { frame } from './frame.js';
import { tokenChip } from './token.js';

/** @import { Part } from '../types/engine.js' */

/** @param {Extract<Part, { kind: 'tokens' }>} part */
export function drawTokens(part) {
  return frame(
    part,
    {},
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
