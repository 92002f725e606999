// The dialog for pasting many pairs at once; it shows how each line is parsed before anything is added.

import { h } from '../dom.js';
import { plural } from '../numbers.js';
import { visibleText } from '../reports/token.js';
import { FIELDS } from '../store/experiment.js';
import { inWords, mended, mendsOf } from '../store/mends.js';
import { linesOf } from '../store/pasted.js';

/** @import { FullGroup } from '../store/experiment.js' */
/** @import { Checked, Experiment, Pair } from '../types/engine.js' */
/** @import { PastedLine } from '../store/pasted.js' */

const PAUSE_MS = 150;

/**
 * @param {object} options
 * @param {string} options.where a sentence that says where the pairs go
 * @param {FullGroup | null} options.like the group they are added to
 * @param {(experiment: Experiment) => Promise<Checked | null>} options.check
 * @param {(pairs: Pair[]) => void} options.onAdd
 * @param {number} options.room how many more pairs the experiment takes
 * @param {string} [options.pasted] what was pasted already
 */
export function openPasteDialog({ where, like, check, onAdd, room, pasted = '' }) {
  /** @type {PastedLine[]} */
  let lines = [];
  let checks = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const text = h('textarea', { id: 'paste-text', rows: 8, class: 'paste-text', spellcheck: 'false', autocomplete: 'off', 'aria-describedby': 'paste-hint', placeholder: 'We\u0027re helping our friend when they\tWe are helping our friend when they\t\u0027re\t are' });
  const preview = h('div', { class: 'paste-preview', id: 'paste-preview', 'aria-live': 'polite' });
  const add = h('button', { type: 'submit', class: 'primary', disabled: true, id: 'paste-add' }, 'Add');
  const full = h('p', { class: 'field-error', hidden: true });
  const odd = h('span', {});
  const mendAll = h('p', { class: 'hint', id: 'paste-mend', hidden: true }, odd, ' ', h('button', { type: 'button', class: 'link', on: { click: () => {
    text.value = lines.map(({ pair, text: line }) => (pair ? FIELDS.map((field) => mended(pair)[field]).join('\t') : line)).join('\n');
    void read();
  } } }, 'Mend'));
  const form = h('form', { method: 'dialog' },
    h('h2', { class: 'dialog-title', id: 'paste-title' }, 'Paste pairs'),
    h('p', { class: 'hint', id: 'paste-hint' }, 'One pair a line: clean, corrupted, answer, distractor, separated by tabs (as a spreadsheet copies them) or by |. Spaces are kept: most answers begin with one. Answer and distractor may be left out after the first line.'),
    h('label', { for: 'paste-text' }, 'pairs'), text, full, mendAll, preview,
    h('div', { class: 'dialog-foot' }, h('span', { class: 'hint' }, where), h('button', { type: 'button', class: 'quiet', on: { click: () => dialog.close() } }, 'Cancel'), add));
  const dialog = h('dialog', { class: 'dialog', id: 'paste-dialog', 'aria-labelledby': 'paste-title' }, form);

  /** @param {Map<number, string[]>} faults messages by index among the pairs */
  const draw = (faults) => {
    const good = lines.filter(({ pair }) => pair);
    add.disabled = good.length === 0 || good.length > room;
    full.hidden = good.length <= room;
    full.textContent = `The experiment takes ${plural(room, 'more pair')}. Paste fewer, or import several files one after the other.`;
    add.textContent = good.length > 0 ? `Add ${plural(good.length, 'pair')}` : 'Add';
    const strange = good.filter(({ pair }) => pair && mendsOf(pair).length > 0).length;
    mendAll.hidden = strange === 0;
    odd.textContent = `${plural(strange, 'pair')} ${strange === 1 ? 'looks' : 'look'} as if a phone, a word processor or a spreadsheet had changed ${strange === 1 ? 'it' : 'them'}.`;
    let place = -1;
    preview.replaceChildren(...(lines.length === 0 ? [] : [h('table', { class: 'paste-table' },
      h('caption', { class: 'visually-hidden' }, 'How each line is read'),
      h('thead', {}, h('tr', {}, ...['line', 'clean', 'corrupted', 'answer', 'distractor'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, ...lines.flatMap(({ line, pair, message }) => {
        if (pair) place += 1;
        const said = [message, ...(pair ? [inWords(mendsOf(pair)), ...faults.get(place) ?? []] : [])].filter(Boolean).join(' ');
        const bad = !pair || faults.has(place);
        return [
          h('tr', { data: { line, bad } }, h('td', {}, line), ...(pair ? [pair.clean, pair.corrupted, pair.answer, pair.distractor].map((field) => h('td', {}, ...visibleText(field))) : [h('td', { colspan: 4 })])),
          ...(said ? [h('tr', { class: 'paste-said' }, h('td', {}), h('td', { colspan: 4, class: bad ? 'field-error' : 'hint' }, said))] : []),
        ];
      })))]));
  };
  const read = async () => {
    lines = linesOf(text.value, like?.pairs.at(-1) ?? null);
    draw(new Map());
    const pairs = lines.flatMap(({ pair }) => pair ?? []);
    if (pairs.length === 0) return;
    const mine = (checks += 1);
    const checked = await check({ groups: [{ name: 'pasted', symmetric: like?.symmetric ?? true, pairs }] });
    if (mine !== checks || !checked) return;
    /** @type {Map<number, string[]>} */
    const faults = new Map();
    for (const { place, message } of checked.problems) if (typeof place?.pair === 'number') faults.set(place.pair, [...(faults.get(place.pair) ?? []), message]);
    draw(faults);
  };
  text.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE_MS);
  });
  form.addEventListener('submit', () => onAdd(linesOf(text.value, like?.pairs.at(-1) ?? null).flatMap(({ pair }) => pair ?? [])));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  text.focus();
  text.value = pasted;
  if (pasted) void read();
}
