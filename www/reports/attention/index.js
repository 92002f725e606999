// Draws the `attention` part: thumbnails of all heads, and one head enlarged.

import { blues, diverging } from '../../colour.js';
import { h } from '../../dom.js';
import { formatQuantity, signed } from '../../numbers.js';
import { colourBar } from '../colour-bar.js';
import { choice, frame, segmented } from '../frame.js';
import { visible } from '../grid-view.js';
import { headView } from './head-view.js';
import { thumbnail } from './matrix.js';

/** @import { AttentionHead, AttentionPrompt, Part, Quantity } from '../../types/engine.js' */
/** @import { Hover } from '../hover.js' */
/** @import { Stage } from '../stage.js' */

const THUMBNAIL = 64;

/** @param {Extract<Part, { kind: 'attention' }>} part @param {Stage} stage @param {string} name of the picture's view */
export function drawAttention(part, stage, name) {
  const picture = stage.picture(name);
  const scale = scaleOf(part);
  const heads = h('div', { class: 'heads', role: 'group', 'aria-label': 'Heads' });
  const large = h('div', { class: 'head-place' });

  const shown = () => Math.max(0, Math.min(picture.now.shown, part.prompts.length - 1));
  const prompt = () => part.prompts[shown()];
  /** @param {AttentionPrompt} from */
  const chosen = (from) => from.heads.find((head) => head.name === picture.now.head) ?? from.heads[0];

  const drawLarge = () => {
    const from = prompt();
    const head = chosen(from);
    large.replaceChildren(...(head ? [h('p', { class: 'panel-name' }, `${head.name}   `, h('span', { class: 'panel-line' }, from.label)), headView(from, head, part.quantity, scale, picture, stage)] : []));
    for (const button of heads.children) button.setAttribute('aria-pressed', String(/** @type {HTMLElement} */ (button).dataset.head === head?.name));
  };
  const drawHeads = () => {
    const from = prompt();
    heads.replaceChildren(...from.heads.map((head) => headButton(head, scale, stage.hover, () => {
      picture.set({ head: head.name });
      drawLarge();
      stage.actions.onHead?.({ layer: head.layer, head: head.head, group: from.group });
    })));
    drawLarge();
  };
  stage.hover.subscribe(stage.scope, (target) => {
    const from = prompt();
    [...heads.children].forEach((button, index) => button.classList.toggle('is-marked', isHead(from.heads[index], target)));
  });

  const figure = frame(
    part,
    stage,
    {
      controls: [
        part.prompts.length > 1 && choice('prompt', part.prompts.map((item) => visible(item.label)), shown(), (index) => {
          picture.set({ shown: index, token: null });
          drawHeads();
        }),
        segmented('Direction', [{ value: false, text: 'what a token attends to' }, { value: true, text: 'who attends to it' }], picture.now.fromSource, (fromSource) => {
          picture.set({ fromSource, token: null });
          drawLarge();
        }),
      ],
    },
    colourBar(LABELS[part.quantity] ?? 'attention', { ...scale, middle: null, below: false, above: false }, scale.colour),
    heads,
    large,
  );
  if (part.prompts.length > 0) drawHeads();
  return figure;
}

/** Of numbers that are not attention itself. @type {Partial<Record<Quantity, string>>} */
const LABELS = { score: 'attention score, before the softmax', activation: 'attention \u00d7 length of what the value writes' };

/** Weights lie between 0 and 1; scores are signed, and weighted attention is not, on a scale to their largest magnitude. @param {Extract<Part, { kind: 'attention' }>} part */
function scaleOf(part) {
  if (part.quantity === 'attention') return { low: 0, high: 1, colour: blues };
  let limit = 0;
  for (const prompt of part.prompts) for (const head of prompt.heads) for (const row of head.rows) for (const value of row) limit = Math.max(limit, Math.abs(value));
  if (part.quantity !== 'score') return { low: 0, high: limit || 1, colour: (/** @type {number} */ value) => blues(value / (limit || 1)) };
  return { low: -limit || -1, high: limit || 1, colour: (/** @type {number} */ value) => diverging(value, limit) };
}

/** @param {AttentionHead} head @param {import('./matrix.js').Scale} scale @param {Hover} hover @param {() => void} choose */
function headButton(head, scale, hover, choose) {
  const target = { layer: head.layer, head: head.head };
  const attribution = head.attribution === null ? '' : formatQuantity(head.attribution, 'logit-difference');
  return h(
    'button',
    {
      type: 'button', class: 'head-button', data: { head: head.name }, tip: attribution && `${head.name}: attribution ${attribution}`,
      on: { click: choose, pointerenter: () => hover.publish(target), pointerleave: () => hover.publish(null), focus: () => hover.publish(target), blur: () => hover.publish(null) },
    },
    h('span', { class: 'head-name' }, head.name),
    thumbnail(head.rows, scale, THUMBNAIL),
    head.attribution !== null && h('span', { class: head.attribution < 0 ? 'head-share is-negative' : 'head-share' }, signed(head.attribution, 3)),
  );
}

/** @param {AttentionHead | undefined} head @param {import('../hover.js').Target | null} target */
function isHead(head, target) {
  return head !== undefined && target?.layer === head.layer && target.head === head.head;
}
