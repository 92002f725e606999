// The models one can open, and how the address bar names them: `?model=`, `?weights=`, `?device=`.

import { keepsHalf } from './half.js';

/** @import { DevicePreference } from '../types/engine.js' */

/**
 * What the user chose. `gpt2` and `demo` have fixed names; the other two say what they are.
 * @typedef {{ kind: 'demo' } | { kind: 'gpt2' } | { kind: 'address', base: string } | { kind: 'files', files: File[] }} Choice
 */

/**
 * A choice as the engine understands it; docs/protocol.md.
 * `beside`: a folder that is taken instead if there is a model in it. `reference`: beside the weights are numbers of
 * PyTorch, with which the checks compare. `half`: fp32 weights are kept as fp16.
 * @typedef {{ from: 'address', name: string, base: string, beside?: string, tokenizer?: 'gpt2', reference?: true, half?: true } | { from: 'files', name: string, files: File[] }} ModelChoice
 */

/** The demo model's name says what it is wherever it stands, in reports and in exported files too. */
export const DEMO_NAME = 'demo model, trained on synthetic sentences, not GPT-2';
const GPT2_REPOSITORY = 'openai-community/gpt2';
/** What is fetched of GPT-2 small: the file without its causal-mask buffers. */
export const GPT2_SIZE = '498 MB';

/** @param {URLSearchParams} query @returns {Choice} */
export function choiceFromQuery(query) {
  const model = query.get('model') ?? 'demo';
  if (model === 'demo' || model === 'gpt2') return { kind: model };
  return { kind: 'address', base: model };
}

/** @param {URLSearchParams} query @returns {DevicePreference} */
export function deviceFromQuery(query) {
  const device = query.get('device');
  return device === 'cpu' || device === 'wgpu' ? device : 'auto';
}

/**
 * The address bar's query for a choice. Files cannot be part of a link.
 *
 * @param {URLSearchParams} query the present one, whose other parameters stay
 * @param {Choice} choice
 * @param {DevicePreference} device
 */
export function queryFor(query, choice, device) {
  const next = new URLSearchParams(query);
  if (choice.kind === 'address') next.set('model', choice.base);
  else if (choice.kind === 'gpt2') next.set('model', 'gpt2');
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
 * @throws {Error} in words, if an address is none
 */
export function toModelChoice(choice, query) {
  switch (choice.kind) {
    case 'demo':
      return { from: 'address', name: DEMO_NAME, base: new URL('www/models/demo/', document.baseURI).href, tokenizer: 'gpt2', reference: true };
    case 'gpt2': {
      const given = query.get('weights');
      const configured = document.querySelector('meta[name="patchlab-weights"]')?.getAttribute('content');
      // Whoever hosts a copy may have put the weights beside it.
      const beside = given === null ? { beside: new URL('www/models/gpt2/', document.baseURI).href } : {};
      return { from: 'address', name: 'GPT-2 small', base: folder(given ?? configured ?? ''), ...beside, tokenizer: 'gpt2', ...half() };
    }
    case 'address': {
      const base = folder(choice.base);
      return { from: 'address', name: nameOf(base), base, ...half() };
    }
    case 'files':
      return { from: 'files', name: 'checkpoint from disk', files: choice.files };
  }
}

/** @returns {{ half?: true }} */
function half() {
  return keepsHalf() ? { half: true } : {};
}

/**
 * What Python calls the checkpoint and its tokenizer. What has no name there is a folder that whoever runs the notebook
 * has to put in its place.
 *
 * @param {Choice} choice
 * @returns {{ model: string, tokenizer: string }}
 */
export function namesInPython(choice) {
  if (choice.kind === 'gpt2') return { model: GPT2_REPOSITORY, tokenizer: GPT2_REPOSITORY };
  const repository = choice.kind === 'address' ? hubRepository(folder(choice.base)) : null;
  return repository ? { model: repository, tokenizer: repository } : { model: 'path/to/checkpoint', tokenizer: GPT2_REPOSITORY };
}

/** The repository that an address on huggingface.co is in. @param {string} base */
function hubRepository(base) {
  const { hostname, pathname } = new URL(base);
  return hostname === 'huggingface.co' ? (/^\/([^/]+\/[^/]+)\/resolve\//.exec(pathname)?.[1] ?? null) : null;
}

/** The address of a folder: absolute, with a slash at its end. @param {string} text */
function folder(text) {
  let url;
  try {
    url = new URL(text.trim(), document.baseURI);
  } catch {
    throw new Error(`"${text}" is not an address. It should look like https://example.org/models/gpt2/.`);
  }
  if (!/^https?:$/.test(url.protocol)) throw new Error(`"${text}" is not an http or https address.`);
  // The folder's files are asked for, so an address that names one of them means the folder.
  url.pathname = url.pathname.replace(/(model\.safetensors|config\.json)$/, '');
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

/** A short name for a base address: the repository on a hub, else host and path. @param {string} base */
function nameOf(base) {
  const url = new URL(base);
  const hub = /^\/([^/]+\/[^/]+)\/resolve\//.exec(url.pathname);
  return hub ? hub[1] : `${url.host}${url.pathname.replace(/\/$/, '')}`;
}

/** How a choice is called while it is being opened. @param {Choice} choice */
export function label(choice) {
  switch (choice.kind) {
    case 'demo':
      return DEMO_NAME;
    case 'gpt2':
      return 'GPT-2 small';
    case 'address':
      return choice.base;
    case 'files':
      return choice.files.map((file) => file.name).join(', ');
  }
}
