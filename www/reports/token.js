// A token as shown everywhere on the page: its text, with spaces and line breaks made visible.

import { h } from '../dom.js';

/** @import { Token } from '../types/engine.js' */

/** Glyphs drawn over invisible characters. The text itself is unchanged, so that copying gives the token. */
const DRAWN = new Map([[' ', 'space'], ['\u00a0', 'space'], ['\n', 'newline'], ['\r', 'newline'], ['\t', 'tab']]);

/** @param {string} text @returns {(Node | string)[]} */
export function visibleText(text) {
  return [...text].map((character) => {
    const drawn = DRAWN.get(character);
    return drawn ? h('span', { class: `glyph glyph-${drawn}` }, character) : character;
  });
}

/**
 * @param {Token} token
 * @param {{ id?: boolean, class?: string }} [options]
 */
export function tokenChip(token, { id = true, class: extra = '' } = {}) {
  const special = token.text.startsWith('<|') && token.text.endsWith('|>');
  return h(
    'span',
    { class: `token ${special ? 'token-special' : ''} ${extra}`, data: { id: token.id }, tip: `${JSON.stringify(token.text)}\ntoken id ${token.id}` },
    h('span', { class: 'token-text' }, ...visibleText(token.text)),
    id && h('span', { class: 'token-id' }, token.id),
  );
}
