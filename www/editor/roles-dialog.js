// The dialog for a group's roles: names for some tokens of its prompts, found by rules, or marked by clicking tokens. What the rules
// find is shown in the prompts below them, by the engine.

import { h, iconButton } from '../dom.js';
import { plural } from '../numbers.js';
import { visibleText } from '../reports/token.js';
import { ANCHORS } from '../store/experiment.js';

/** @import { FullGroup } from '../store/experiment.js' */
/** @import { Checked, Experiment, PairTokens, Role } from '../types/engine.js' */

const PAUSE_MS = 150;
/** More than a prompt has tokens: the engine reads 32 bits, and would refuse the whole experiment. */
const LONGEST = 100_000;
/** Prompts that are shown. */
const SHOWN = 12;

/** Where a role is looked for, in words. @type {Record<string, string>} */
const WORDS = { first: 'the first token', last: 'the last token', changed: 'what differs', answer: 'the answer', distractor: 'the distractor', text: 'this text:' };

/**
 * @param {object} options
 * @param {FullGroup} options.group
 * @param {boolean} options.bos whether <|endoftext|> is prepended
 * @param {(experiment: Experiment) => Promise<Checked | null>} options.check
 * @param {(group: FullGroup) => void} options.onSave
 */
export function openRolesDialog({ group: given, bos, check, onSave }) {
  const group = structuredClone(given);
  /** The role that a clicked token is marked as. */
  let chosen = 0;
  let checks = 0;
  /** @type {{ pair: number, token: number } | null} where the last mark was made */
  let anchor = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const rules = h('div', { class: 'roles-rules' });
  const prompts = h('div', { class: 'roles-prompts', 'aria-live': 'polite' });
  const form = h('form', { method: 'dialog' },
    h('h2', { class: 'dialog-title', id: 'roles-title' }, `Roles of ${group.name || 'this group'}`),
    h('p', { class: 'hint' }, 'A role names some tokens of every prompt: S1, IO, end. Maps by position can then be by role, over prompts of any length. Rules look for whole words; a click on a token below marks it in that prompt alone (Shift+click: up to it).'),
    rules,
    h('div', { class: 'adds' }, h('button', { type: 'button', class: 'add', on: { click: () => add() } }, 'Add a role')),
    prompts,
    h('div', { class: 'dialog-foot' }, h('button', { type: 'button', class: 'quiet', on: { click: () => dialog.close() } }, 'Cancel'), h('button', { type: 'submit', class: 'primary', id: 'roles-save' }, 'Save')));
  const dialog = h('dialog', { class: 'dialog', id: 'roles-dialog', 'aria-labelledby': 'roles-title' }, form);

  const add = () => {
    group.roles.push({ name: freeRole(group), at: 'last' });
    chosen = group.roles.length - 1;
    drawRules();
    /** @type {HTMLInputElement | null} */ (rules.querySelector('.roles-rule:last-child input[type=text]'))?.select();
  };
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE_MS);
  };
  const drawRules = () => {
    rules.replaceChildren(...group.roles.map((role, index) => ruleOf(role, index)));
    changed();
  };
  /** @param {Role} role @param {number} index */
  const ruleOf = (role, index) => {
    const id = `role-${index}`;
    const name = h('input', { type: 'text', class: 'setting-short', value: role.name, autocomplete: 'off', spellcheck: 'false', 'aria-label': `Name of role ${index + 1}`, on: { input: () => rename(index, name.value) } });
    const pick = h('input', { type: 'radio', name: 'role', id, 'aria-label': `Mark tokens as ${role.name}`, on: { change: () => { chosen = index; } } });
    pick.checked = index === chosen;
    const text = h('input', { type: 'text', class: 'roles-text', value: typeof role.at === 'object' ? role.at.text : '', autocomplete: 'off', spellcheck: 'false', 'aria-label': `Text of role ${index + 1}`, on: { input: () => set({ at: { text: text.value } }) } });
    text.hidden = typeof role.at !== 'object';
    const at = h('select', { 'aria-label': `Where role ${index + 1} is looked for`, on: { change: () => {
      text.hidden = at.value !== 'text';
      set({ at: /** @type {Role['at']} */ (at.value === 'text' ? { text: text.value } : at.value) });
    } } }, ...[...ANCHORS, 'text'].map((anchor) => h('option', { value: anchor }, WORDS[anchor])));
    at.value = typeof role.at === 'object' ? 'text' : role.at;
    const set = (/** @type {Partial<Role>} */ change) => {
      group.roles[index] = { ...group.roles[index], ...change };
      changed();
    };
    const number = (/** @type {'nth' | 'offset'} */ key, /** @type {number} */ usual, /** @type {string} */ label) => {
      const input = h('input', { type: 'number', class: 'roles-number', value: role[key] ?? usual, step: 1, 'aria-label': `${label} of role ${index + 1}`, on: { input: () => set({ [key]: wholeNumber(input.value) }) } });
      return input;
    };
    return h('div', { class: 'roles-rule' }, pick, name, at, text,
      h('label', { tip: 'Which occurrence: 1 the first, 2 the second, -1 the last.' }, 'nth', number('nth', 1, 'Occurrence')),
      h('label', { tip: 'Instead of what was found, the token so many after it, or before it: S1+1 is offset 1.' }, 'offset', number('offset', 0, 'Offset')),
      iconButton('cross', `Remove role ${role.name}`, () => remove(index)));
  };
  /** @param {number} index @param {string} name */
  const rename = (index, name) => {
    const before = group.roles[index].name;
    group.roles[index] = { ...group.roles[index], name };
    for (const pair of group.pairs) pair.roles = pair.roles.map((role) => (role.name === before ? { ...role, name } : role));
    changed();
  };
  /** @param {number} index */
  const remove = (index) => {
    const [{ name }] = group.roles.splice(index, 1);
    for (const pair of group.pairs) pair.roles = pair.roles.filter((role) => role.name !== name);
    chosen = Math.max(0, Math.min(chosen, group.roles.length - 1));
    drawRules();
  };
  const read = async () => {
    const mine = (checks += 1);
    const checked = await check({ groups: [{ ...group, pairs: group.pairs.slice(0, SHOWN) }], prepend_bos: bos });
    if (mine !== checks || !checked) return;
    const more = group.pairs.length - SHOWN;
    prompts.replaceChildren(
      ...(checked.groups[0] ?? []).map((tokens, pair) => promptOf(tokens, pair)),
      ...(more > 0 ? [h('p', { class: 'hint' }, `and ${plural(more, 'more pair')}`)] : []));
  };
  /** @param {PairTokens} tokens @param {number} pair */
  const promptOf = (tokens, pair) => h('div', { class: 'roles-prompt' }, ...tokens.clean.map((token, index) => {
    const names = tokens.roles.filter(({ start, end }) => start <= index && index < end).map(({ name }) => name);
    return h('button', { type: 'button', class: names.length > 0 ? 'roles-token marked' : 'roles-token', 'aria-label': `${names.join(' ')} ${token.text}, token ${index} of prompt ${pair + 1}`.trim(), on: { click: (/** @type {MouseEvent} */ event) => mark(tokens, pair, index, event.shiftKey) } },
      h('span', { class: 'roles-names' }, names.join(' ')), h('span', { class: 'token-text' }, ...visibleText(token.text)));
  }));
  /** @param {PairTokens} tokens @param {number} pair @param {number} index @param {boolean} isRange */
  const mark = (tokens, pair, index, isRange) => {
    const name = group.roles[chosen]?.name;
    if (name === undefined) return;
    const from = isRange && anchor?.pair === pair ? Math.min(anchor.token, index) : index;
    const to = isRange && anchor?.pair === pair ? Math.max(anchor.token, index) : index;
    anchor = { pair, token: index };
    const own = group.pairs[pair];
    own.roles = [...own.roles.filter((role) => role.name !== name), markedAs(name, tokens, from, to, bos ? 1 : 0)];
    void read();
  };
  form.addEventListener('submit', () => onSave({ ...group, roles: group.roles.filter(({ name }) => name.trim() !== '') }));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  if (group.roles.length === 0) add();
  else drawRules();
}

/** What was typed as a whole number; no prompt has more tokens. @param {string} text */
export function wholeNumber(text) {
  return Math.max(-LONGEST, Math.min(LONGEST, Math.trunc(Number(text)))) || 0;
}

/** @param {FullGroup} group */
function freeRole({ roles }) {
  const names = roles.map(({ name }) => name);
  const count = Array.from({ length: names.length + 1 }, (_, index) => `role ${index + 1}`);
  return count.find((name) => !names.includes(name)) ?? 'role';
}

/**
 * The rule that finds these tokens of this prompt: by their text where they are whole words, which survives edits, else by their
 * distance from the first.
 *
 * @param {string} name @param {PairTokens} tokens @param {number} from @param {number} to the last of them @param {number} bos @returns {Role}
 */
export function markedAs(name, { clean }, from, to, bos) {
  const textOf = (/** @type {number} */ start, /** @type {number} */ end) => clean.slice(start, end).map(({ text }) => text).join('');
  const before = textOf(bos, from);
  const word = textOf(from, to + 1).trim();
  const spaces = textOf(from, to + 1).length - textOf(from, to + 1).trimStart().length;
  const all = textOf(bos, clean.length);
  const places = wholeWords(all, word);
  const nth = places.indexOf(before.length + spaces) + 1;
  if (from >= bos && nth > 0) return { name, at: { text: word }, ...(nth > 1 ? { nth } : {}) };
  return { name, at: 'first', ...(from === bos ? {} : { offset: from - bos }) };
}

/** Where a text stands as a whole word. @param {string} text @param {string} word */
function wholeWords(text, word) {
  const isLetter = (/** @type {string | undefined} */ character) => character !== undefined && /[\p{L}\p{N}]/u.test(character);
  const places = [];
  for (let at = word ? text.indexOf(word) : -1; at >= 0; at = text.indexOf(word, at + 1)) {
    const starts = !isLetter(text[at - 1]) || !isLetter(word[0]);
    const ends = !isLetter(text[at + word.length]) || !isLetter(word.at(-1));
    if (starts && ends) places.push(at);
  }
  return places;
}
