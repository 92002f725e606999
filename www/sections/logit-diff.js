// Section 1: the logit difference of every prompt, and its mean for each group.

import { h } from '../dom.js';
import { Figure } from './figure.js';

/** @import { FigureOptions } from './figure.js' */

/**
 * @param {Pick<FigureOptions, 'describe' | 'goTo' | 'onReport' | 'onCancel' | 'onRetry'> & { onDot: (group: number, label: string) => void }} options
 */
export function logitDiffSection({ onDot, ...options }) {
  /** @type {Figure} */
  const figure = new Figure({
    ...options,
    id: 'logit-diff',
    number: '1',
    title: 'Does the model do it?',
    prose: [
      'The ', h('em', {}, 'logit difference'), ': the logit of the answer minus the logit of the distractor at the last position of the prompt. ',
      'Above 0 the model prefers the answer, and an excess of 1 means that it is ', h('em', {}, 'e'), ' times as likely. Each dot is a prompt; click one to see what else the model considers.',
    ],
    waiting: 'The logit differences appear here once a model is open.',
    actions: {
      onDot,
      onSeries: (_, name) => {
        const fold = [...figure.element.querySelectorAll('details')].find((candidate) => candidate.dataset.title === name);
        if (!fold) return;
        fold.open = true;
        fold.scrollIntoView({ block: 'nearest' });
        fold.querySelector('summary')?.focus();
      },
    },
  });
  return figure;
}
