// The strip below the header: the open model and its device, the progress of opening one, or why that failed.

import { h, icon } from '../dom.js';
import { formatBytes, formatCount } from '../numbers.js';
import { Transfer } from './transfer.js';

/** @import { Choice } from './choices.js' */
/** @import { ModelInfo, Opened, Progress } from '../types/engine.js' */

/** Whether a model has the sizes of GPT-2 small, of which other programs’ values come with the page (www/recorded). @param {ModelInfo} model */
export function hasPublished({ n_layers, n_heads, d_model, d_mlp, d_vocab }) {
  return [n_layers, n_heads, d_model, d_mlp, d_vocab].join() === '12,12,768,3072,50257';
}

export class OpeningPanel {
  #root;
  #facts = h('div', { class: 'facts' });
  #work = h('div', { class: 'work', hidden: true });
  #failure = h('div', { class: 'failure', hidden: true, role: 'alert' });
  /** @type {{ transfer: Transfer, bar: HTMLProgressElement } | null} */
  #shown = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    root.append(this.#facts, this.#work, this.#failure);
    this.#state('none');
    this.#facts.replaceChildren(h('span', { class: 'fact' }, 'No model is open yet.'));
  }

  /** @param {'none' | 'asking' | 'opening' | 'open' | 'failed'} state */
  #state(state) {
    this.#root.dataset.state = state;
  }

  /**
   * @param {string} name
   * @param {object} about
   * @param {() => void} about.onCancel
   * @param {((paused: boolean) => void) | null} about.onPause null if nothing can be paused
   * @param {string} [about.why] why it is being opened, if the user did not ask for it
   */
  opening(name, { onCancel, onPause, why = '' }) {
    // The strip keeps its height, so that the page below does not move.
    this.#root.style.setProperty('min-height', `${this.#root.offsetHeight}px`);
    this.#end();
    this.#state('opening');
    this.#failure.hidden = true;
    const bar = h('progress', { 'aria-label': `Opening ${name}` });
    const transfer = new Transfer(onPause);
    const cancel = () => {
      onCancel();
      // A paused download would not notice the cancellation.
      transfer.end();
    };
    this.#shown = { transfer, bar };
    this.#work.replaceChildren(
      h('div', { class: 'work-line' }, why ? h('span', { class: 'work-why' }, why) : h('span', { class: 'work-name' }, `Opening ${name}`), bar),
      h('div', { class: 'work-line' }, transfer.text, transfer.button, h('button', { type: 'button', class: 'link', id: 'cancel-opening', on: { click: cancel } }, 'Cancel')),
      transfer.note);
    this.#work.hidden = false;
  }

  /** Asks whether weights may be fetched from a host that a link has named. @param {string} host @param {{ onYes: () => void, onNo: () => void }} about */
  ask(host, { onYes, onNo }) {
    this.#end();
    this.#state('asking');
    this.#failure.hidden = true;
    this.#work.replaceChildren(
      h('p', { class: 'work-ask', role: 'status' }, 'The link that you followed asks for weights from ', h('strong', {}, host), ', which is not a host of this page. Nothing has been fetched from there.'),
      h('div', { class: 'work-line' },
        h('button', { type: 'button', class: 'primary', id: 'trust-host', on: { click: onYes } }, `Fetch them from ${host}`),
        h('button', { type: 'button', class: 'quiet', id: 'refuse-host', on: { click: onNo } }, 'Do not')));
    this.#work.hidden = false;
  }

  /** @param {Progress} progress */
  progress(progress) {
    if (!this.#shown) return;
    const { bar, transfer } = this.#shown;
    if (progress.total > 0) {
      bar.max = progress.total;
      bar.value = progress.done;
    }
    transfer.progress(progress);
  }

  /** Removes the progress display. */
  #end() {
    this.#shown?.transfer.end();
    this.#shown = null;
    this.#work.hidden = true;
  }

  /**
   * @param {Opened} opened
   * @param {{ kind: Choice['kind'], why: string | null, isLast: boolean }} about `why`: the reason for this device, if it is unexpected;
   *   `isLast`: nothing else is being opened
   */
  opened({ model, bytes }, { kind, why, isLast }) {
    if (isLast) {
      this.#end();
      this.#state('open');
      this.#root.style.removeProperty('min-height');
      this.#failure.hidden = true;
    }
    const size = [
      `${model.n_layers} layers`, `${model.n_heads} heads`, `d_model ${model.d_model}`, `d_mlp ${model.d_mlp}`, `n_ctx ${model.n_ctx}`,
      `${formatCount(model.parameters)} parameters`,
    ];
    this.#facts.replaceChildren(
      h('span', { class: kind === 'demo' || kind === 'planted' ? 'fact fact-name fact-demo' : 'fact fact-name', data: { hook: 'model-name' } }, model.name),
      h('span', { class: 'fact fact-size' }, size.join(' \u00b7 ')),
      h('span', { class: 'fact-break' }),
      h('span', { class: 'fact', data: { hook: 'device', device: model.device.kind } }, h('strong', {}, model.device.name), why ? h('span', { class: 'fact-warning' }, `: ${why}`) : `: ${model.device.reason}`),
      h('span', { class: 'fact', data: { hook: 'source', network: bytes.network, storage: bytes.storage, total: bytes.total } }, sourceOf(bytes)),
      ...(kind === 'planted' ? [h('a', { class: 'fact', href: '#circuit' }, 'Find its circuit, and see your score')] : []),
      ...(hasPublished(model) ? [h('a', { class: 'fact', href: '#recorded', data: { hook: 'published' } }, 'Compare with published values')] : []),
      ...(model.note ? [h('span', { class: 'fact fact-warning', data: { hook: 'note' } }, model.note)] : []),
      ...(bytes.unkept ? [h('span', { class: 'fact fact-warning', data: { hook: 'unkept' } }, `not kept in this browser: ${bytes.unkept}`)] : []),
    );
  }

  /**
   * @param {string} message
   * @param {{ code: string, kept: string | null, retry: { label: string, click: () => void } | null }} about `kept`: the model that stays open
   */
  failed(message, { code, kept, retry }) {
    this.#end();
    this.#state('failed');
    this.#failure.dataset.code = code;
    this.#failure.replaceChildren(
      icon('alert'),
      h('div', { class: 'failure-text' }, h('p', {}, message), h('p', { class: 'failure-kept' }, kept ? `Still open: ${kept}.` : 'No model is open.')),
      ...(retry ? [h('button', { type: 'button', class: 'quiet', id: 'retry-opening', on: { click: retry.click } }, retry.label)] : []),
      h('button', { type: 'button', class: 'link', on: { click: () => this.dismiss(kept !== null) } }, 'Dismiss'),
    );
    this.#failure.hidden = false;
    if (kept === null) this.#facts.replaceChildren(h('span', { class: 'fact' }, 'No model is open. Choose one above.'));
  }

  /** Restores what was shown before. @param {boolean} open whether a model is open */
  dismiss(open) {
    this.#end();
    this.#failure.hidden = true;
    this.#state(open ? 'open' : 'none');
    if (!open) this.#facts.replaceChildren(h('span', { class: 'fact' }, 'No model is open. Choose one above.'));
  }
}

/** @param {Opened['bytes']} bytes */
function sourceOf({ total, network, storage }) {
  if (network > 0 && storage > 0) return `${formatBytes(storage)} from this browser\u2019s storage, ${formatBytes(network)} from the network`;
  if (storage > 0) return `${formatBytes(storage)} from this browser\u2019s storage`;
  if (network > 0) return `${formatBytes(network)} from the network`;
  return `${formatBytes(total)} from disk`;
}
