// Draws the `tokens` part: prompts as rows of tokens.

import { h } from '../dom.js';
import { frame } from './frame.js';
import { tokenChip } from './token.js';

/** @import { Part } from '../types/engine.js' */
/** @import { Stage } from './stage.js' */

/** @param {Extract<Part, { kind: 'tokens' }>} part @param {Stage} stage */
export function drawTokens(part, stage) {
  return frame(
    part,
    stage,
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
