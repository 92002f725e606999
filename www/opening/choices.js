// The models that can be opened, and how the address bar names them: `?model=`, `?weights=`, `?device=`.

import { folderOf, hubRepository, nameOf } from './addresses.js';
import { keepsHalf } from './half.js';

/** @import { DevicePreference } from '../types/engine.js' */

/** The planted models, which are part of the site (docs/planted.md). @typedef {'induction' | 'ioi' | 'conjunction'} PlantName */
const PLANTED = /^planted-(induction|ioi|conjunction)$/;

/**
 * The user's choice of model.
 * @typedef {{ kind: 'demo' } | { kind: 'gpt2' } | { kind: 'planted', name: PlantName } | { kind: 'address', base: string } | { kind: 'files', files: File[] }} Choice
 */

/**
 * A choice as the engine understands it, see docs/protocol.md.
 * `beside`: a folder that is used instead if it contains a model. `reference`: beside the weights there is a
 * `reference.json` with PyTorch's values for `checks`. `truth`: there is a `truth.json` with the edges of a planted circuit. `half`: fp32
 * weights are stored as fp16.
 * @typedef {{ from: 'address', name: string, base: string, beside?: string, tokenizer?: 'gpt2', reference?: true, truth?: true, half?: true } | { from: 'files', name: string, files: File[] }} ModelChoice
 */

/** The demo model's name says what it is wherever it appears, including reports and exported files. */
const DEMO_NAME = 'demo model, trained on synthetic sentences, not GPT-2';
const GPT2_REPOSITORY = 'openai-community/gpt2';
/** Download size of GPT-2 small: the file without its causal-mask buffers. */
export const GPT2_SIZE = '498 MB';

/** @param {URLSearchParams} query @returns {Choice} */
export function choiceFromQuery(query) {
  const model = query.get('model') ?? 'demo';
  if (model === 'demo' || model === 'gpt2') return { kind: model };
  const plant = PLANTED.exec(model)?.[1];
  return plant ? { kind: 'planted', name: /** @type {PlantName} */ (plant) } : { kind: 'address', base: model };
}

/** @param {URLSearchParams} query @returns {DevicePreference} */
export function deviceFromQuery(query) {
  const device = query.get('device');
  return device === 'cpu' || device === 'wgpu' ? device : 'auto';
}

/**
 * The address bar's query for a choice. Files cannot be part of a link.
 *
 * @param {URLSearchParams} query the current one, whose other parameters are kept
 * @param {Choice} choice
 * @param {DevicePreference} device
 */
export function queryFor(query, choice, device) {
  const next = new URLSearchParams(query);
  if (choice.kind === 'address') next.set('model', choice.base);
  else if (choice.kind === 'gpt2') next.set('model', 'gpt2');
  else if (choice.kind === 'planted') next.set('model', `planted-${choice.name}`);
  else next.delete('model');
  if (device === 'auto') next.delete('device');
  else next.set('device', device);
  const text = next.toString();
  return text ? `?${text}` : '';
}

/**
 * The choice as the engine understands it.
 *
 * @param {Choice} choice
 * @param {URLSearchParams} query
 * @returns {ModelChoice}
 * @throws {Error} with a message for the user, if an address is not valid
 */
export function toModelChoice(choice, query) {
  switch (choice.kind) {
    case 'demo':
      return { from: 'address', name: DEMO_NAME, base: beside('demo'), tokenizer: 'gpt2', reference: true };
    case 'planted':
      return { from: 'address', name: label(choice, query), base: beside(`planted-${choice.name}`), truth: true };
    case 'gpt2': {
      const given = query.get('weights');
      // The host of this page may have put a mirror of the weights beside it.
      const mirror = given === null ? { beside: beside('gpt2') } : {};
      return { from: 'address', name: label(choice, query), base: folderOf(given ?? configured()), ...mirror, tokenizer: 'gpt2', ...half() };
    }
    case 'address': {
      const base = folderOf(choice.base);
      return { from: 'address', name: nameOf(base), base, ...half() };
    }
    case 'files':
      return { from: 'files', name: 'checkpoint from disk', files: choice.files };
  }
}

/** A folder of the site. @param {string} name */
function beside(name) {
  return new URL(`www/models/${name}/`, document.baseURI).href;
}

/** @returns {{ half?: true }} */
function half() {
  return keepsHalf() ? { half: true } : {};
}

/** Where this page's own settings say that GPT-2 small is. */
function configured() {
  return document.querySelector('meta[name="patchlab-weights"]')?.getAttribute('content') || './';
}

/** Whether the weights that a link names in place of GPT-2 small's are others, for all the page knows. @param {URLSearchParams} query */
function areOthers(query) {
  const given = query.get('weights');
  return given !== null && folderOf(given) !== folderOf(configured());
}

/**
 * The origin of a host that neither this page nor its settings name; null if there is none.
 *
 * @param {Choice} choice
 * @param {URLSearchParams} query
 * @returns {string | null}
 */
export function foreignOrigin(choice, query) {
  if (choice.kind !== 'gpt2' && choice.kind !== 'address') return null;
  const { origin } = new URL(folderOf(choice.kind === 'address' ? choice.base : query.get('weights') ?? configured()));
  return [location.origin, new URL(folderOf(configured())).origin].includes(origin) ? null : origin;
}

/**
 * The names of the checkpoint and its tokenizer for Python: a hub repository, or else a placeholder folder that whoever
 * runs the notebook has to provide.
 *
 * @param {Choice} choice
 * @param {URLSearchParams} query
 * @returns {{ model: string, tokenizer: string }}
 */
export function namesInPython(choice, query) {
  if (choice.kind === 'gpt2' && !areOthers(query)) return { model: GPT2_REPOSITORY, tokenizer: GPT2_REPOSITORY };
  if (choice.kind === 'planted') return { model: 'path/to/checkpoint', tokenizer: 'path/to/checkpoint' };
  const base = choice.kind === 'address' ? folderOf(choice.base) : '';
  // Another revision, or a folder of the repository, has no name there.
  const repository = base.endsWith('/resolve/main/') ? hubRepository(base) : null;
  return repository ? { model: repository, tokenizer: repository } : { model: 'path/to/checkpoint', tokenizer: GPT2_REPOSITORY };
}

/** The name shown for a choice: what it is, not what a link says that it is. @param {Choice} choice @param {URLSearchParams} query */
export function label(choice, query) {
  switch (choice.kind) {
    case 'demo':
      return DEMO_NAME;
    case 'planted':
      return `planted model \u201c${choice.name}\u201d, built, not trained`;
    case 'gpt2':
      return areOthers(query) ? nameOf(folderOf(query.get('weights') ?? '')) : 'GPT-2 small';
    case 'address':
      return choice.base;
    case 'files':
      return choice.files.map((file) => file.name).join(', ');
  }
}
