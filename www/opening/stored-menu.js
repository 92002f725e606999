// The menu of stored weights: their size, how to delete them, and the fp16 option.

import { h } from '../dom.js';
import { env } from '../env.js';
import { formatBytes } from '../numbers.js';
import { keepHalf, keepsHalf } from './half.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { StoredModel } from '../types/engine.js' */

/** The effect of fp16, measured on random weights of GPT-2 small's shape (docs/hosting.md). */
const HALF_EFFECT = 'changes logit differences and log-probabilities by up to 0.01';

/** @param {HTMLElement} menu @param {Engine} engine @param {(text: string) => void} say tells a screen reader */
export async function fillStoredMenu(menu, engine, say) {
  const title = h('h2', { id: 'stored-title', tabindex: -1 }, 'Weights kept in this browser');
  const room = h('p', { class: 'hint' });
  const list = h('ul', { class: 'stored-list' });
  const fault = h('p', { class: 'field-error', role: 'alert', hidden: true });
  menu.replaceChildren(title, list, fault, room, halfChoice());
  title.focus();

  const draw = async () => {
    list.setAttribute('aria-busy', 'true');
    if (list.childElementCount === 0) list.replaceChildren(h('li', { class: 'stored-none' }, 'Looking\u2026'));
    try {
      const models = await engine.call('stored', {});
      list.replaceChildren(...(models.length > 0 ? models.map(row) : [h('li', { class: 'stored-none' }, 'None yet. Models are stored here as they are downloaded, and then open without the network.')]));
    } catch (error) {
      tell('The stored weights cannot be listed', error);
      list.replaceChildren();
    }
    list.removeAttribute('aria-busy');
    room.textContent = await roomInWords();
  };
  /** @param {string} what @param {unknown} error */
  const tell = (what, error) => {
    fault.textContent = `${what}: ${error instanceof Error ? error.message : error}`;
    fault.hidden = false;
  };
  /** @param {StoredModel} model */
  const row = (model) => {
    let sure = false;
    const button = h('button', { type: 'button', class: 'quiet stored-delete', on: {
      click: async () => {
        if (!sure) {
          // Not every browser focuses a button that is clicked, and without the focus there is no blur.
          button.focus();
          return ask(true);
        }
        button.disabled = true;
        fault.hidden = true;
        try {
          await engine.call('forget', { base: model.base });
          say(`The stored weights of ${model.name} were deleted.`);
          title.focus();
        } catch (error) {
          tell(`The weights of ${model.name} could not be deleted`, error);
        }
        await draw();
      },
      blur: () => ask(false),
    } });
    const ask = (/** @type {boolean} */ asked) => {
      sure = asked;
      button.classList.toggle('is-asking', asked);
      button.textContent = asked ? `Delete ${formatBytes(model.bytes)}?` : 'Delete';
      button.setAttribute('aria-label', asked ? `Press again to delete the stored weights of ${model.name}` : `Delete the stored weights of ${model.name}`);
    };
    ask(false);
    return h('li', { class: 'stored-model', data: { base: model.base } },
      h('div', { class: 'stored-text' },
        h('p', { class: 'stored-name' }, model.name),
        h('p', { class: 'stored-facts' }, [formatBytes(model.bytes), model.complete ? 'complete' : 'partly downloaded: opening it resumes the download', model.half && 'as fp16'].filter(Boolean).join(' \u00b7 ')),
        h('p', { class: 'stored-base' }, model.base)),
      button);
  };
  await draw();
}

function halfChoice() {
  const box = h('input', { type: 'checkbox', id: 'keep-half', checked: keepsHalf(), 'aria-describedby': 'keep-half-hint', on: { change: () => keepHalf(box.checked) } });
  return h('div', { class: 'stored-half' },
    h('label', { class: 'check', for: 'keep-half' }, box, 'Keep weights as fp16 (half the space)'),
    h('p', { class: 'hint', id: 'keep-half-hint' }, `For weights downloaded from now on; the download itself is no smaller. Rounding ${HALF_EFFECT}.`));
}

/** How much this browser stores for the page, and whether it may evict it. */
async function roomInWords() {
  try {
    const [{ usage, quota } = {}, lasts] = await Promise.all([env.storage?.estimate(), env.storage?.persisted?.() ?? false]);
    const words = usage === undefined ? '' : `This site takes up about ${formatBytes(usage)}${quota ? ` of the ${formatBytes(quota)} that this browser allows it` : ''}. `;
    return `${words}${lasts ? 'It is kept until you delete it.' : 'The browser may clear it when the disk is nearly full.'}`;
  } catch {
    return 'This browser does not say how much space there is.';
  }
}
