// The model and device controls in the header, and files dropped on the page.

import { byId, h } from '../dom.js';
import { GPT2_SIZE } from './choices.js';

/** @import { Choice } from './choices.js' */
/** @import { DevicePreference } from '../types/engine.js' */

/**
 * @param {object} actions
 * @param {(choice: Choice) => void} actions.onModel
 * @param {(device: DevicePreference) => void} actions.onDevice
 * @param {(file: File) => void} actions.onDocument an experiment document was dropped
 */
export function modelChooser({ onModel, onDevice, onDocument }) {
  const picker = byId('model-files', HTMLInputElement);
  picker.addEventListener('change', () => {
    const files = [...(picker.files ?? [])];
    picker.value = '';
    if (files.length > 0) onModel({ kind: 'files', files });
  });

  const address = h('input', { type: 'text', inputmode: 'url', id: 'own-address', placeholder: 'distilbert/distilgpt2 or https://example.org/models/gpt2/', autocomplete: 'off', spellcheck: 'false', required: true });
  const form = h('form', { class: 'menu menu-form', id: 'address-menu', popover: 'auto' },
    h('label', { for: 'own-address' }, 'A repository of the Hugging Face hub, or the address of a folder with config.json and model.safetensors'),
    h('div', { class: 'menu-row' }, address, h('button', { type: 'submit', class: 'primary' }, 'Open')),
    h('p', { class: 'hint' }, 'Any checkpoint of GPT-2\u2019s architecture, of the hub also with a revision (owner/name@revision). Another server must allow requests from this page (CORS) and answer range requests.'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    form.hidePopover();
    onModel({ kind: 'address', base: address.value });
  });

  // The planted models stand among the presets: each comes with its prompts.
  /** @type {Record<Exclude<Choice['kind'], 'planted'>, HTMLButtonElement>} */
  const buttons = {
    demo: h('button', { type: 'button', data: { model: 'demo' }, tip: 'demo model, trained on synthetic sentences, not GPT-2', on: { click: () => onModel({ kind: 'demo' }) } }, 'Demo'),
    gpt2: h('button', { type: 'button', data: { model: 'gpt2' }, tip: 'Fetched once, then kept in this browser', on: { click: () => onModel({ kind: 'gpt2' }) } }, 'GPT-2 small', h('span', { class: 'segment-note' }, ` ${GPT2_SIZE}`)),
    files: h('button', { type: 'button', data: { model: 'files' }, tip: 'Choose model.safetensors and config.json, or drop them on the page', on: { click: () => picker.click() } }, 'From disk\u2026'),
    address: h('button', { type: 'button', data: { model: 'address' }, popovertarget: 'address-menu' }, 'Address\u2026'),
  };
  byId('model-choices', HTMLElement).append(...Object.values(buttons));
  document.body.append(form);
  form.addEventListener('beforetoggle', () => {
    const box = buttons.address.getBoundingClientRect();
    form.style.setProperty('--menu-top', `${box.bottom + 4}px`);
    form.style.setProperty('--menu-left', `${Math.max(8, Math.min(box.left, innerWidth - 428))}px`);
  });

  const device = byId('device', HTMLSelectElement);
  device.addEventListener('change', () => onDevice(/** @type {DevicePreference} */ (device.value)));
  acceptDrops({ onModel, onDocument });

  return {
    /** @param {Choice | null} choice the one that is open */
    showModel(choice) {
      for (const [kind, button] of Object.entries(buttons)) button.setAttribute('aria-pressed', String(kind === choice?.kind));
    },
    /** @param {DevicePreference} wish */
    showDevice(wish) {
      device.value = wish;
    },
  };
}

/** @param {{ onModel: (choice: Choice) => void, onDocument: (file: File) => void }} actions */
function acceptDrops({ onModel, onDocument }) {
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.classList.add('dropping');
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.classList.remove('dropping');
  });
  document.addEventListener('drop', (event) => {
    document.body.classList.remove('dropping');
    if (!hasFiles(event)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    const [only] = files;
    if (files.length === 1 && only.name.endsWith('.json') && only.name !== 'config.json') onDocument(only);
    else if (files.length > 0) onModel({ kind: 'files', files });
  });
}
