// The contents list in the rail: the sections with their states, "Run all", and the time that everything takes.

import { effect, untracked } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';
import { formatSeconds } from '../numbers.js';

/** @import { Study } from '../study/study.js' */
/** @import { RunState } from '../study/run.js' */

/** @type {Record<RunState, string>} */
const WORDS = { idle: 'not run', queued: 'waiting', running: 'running', fresh: 'done', outdated: 'out of date', stale: 'out of date', failed: 'stopped' };

/** @param {HTMLElement} root @param {Study} study @param {{ onGo: (section: string) => void }} actions */
export function startContents(root, study, { onGo }) {
  const list = h('ol', { class: 'contents-list' });
  const run = h('button', { type: 'button', class: 'primary', id: 'run-all', on: { click: () => study.runAll() } }, 'Run all');
  const cancel = h('button', { type: 'button', class: 'quiet', id: 'cancel-all', on: { click: () => study.cancelAll() } }, 'Cancel');
  const bar = h('progress', { 'aria-label': 'Progress of all figures', max: 1, value: 0 });
  const text = h('span', { class: 'contents-time', id: 'run-time' });
  root.replaceChildren(list, h('div', { class: 'contents-run' }, run, cancel, h('div', { class: 'contents-progress' }, text, bar)));

  /** @type {Map<string, { link: HTMLAnchorElement, dot: HTMLElement, count: HTMLElement, word: HTMLElement }>} */
  const items = new Map();
  effect(() => {
    items.clear();
    list.replaceChildren(...study.sections.value.map(({ entry }) => {
      const dot = h('span', { class: 'dot-state', 'aria-hidden': 'true' });
      const word = h('span', { class: 'visually-hidden' });
      const count = h('span', { class: 'contents-count' });
      const link = h('a', {
        href: `#section-${entry.id}`,
        data: { section: entry.id },
        on: { click: (event) => {
          // The fragment is taken: it holds the experiment.
          event.preventDefault();
          onGo(entry.id);
        } },
      }, dot, h('span', { class: 'contents-number', 'aria-hidden': 'true' }, entry.number), h('span', { class: 'contents-title' }, entry.title), word, count);
      items.set(entry.id, { link, dot, count, word });
      return h('li', {}, link);
    }));
  });

  effect(() => {
    for (const section of study.sections.value) {
      const item = items.get(section.entry.id);
      if (!item) continue;
      const state = section.state.value;
      const { done, total } = section.counts.value;
      item.dot.dataset.state = state;
      item.link.dataset.state = state;
      item.word.textContent = `, ${WORDS[state]}`;
      item.count.textContent = done > 0 && done < total ? `${done}/${total}` : '';
    }
  });

  /** @type {ReturnType<typeof setInterval> | undefined} */
  let clock;
  const draw = () => {
    const { busy, left, done, total } = study.overall();
    cancel.disabled = busy === 0;
    root.dataset.busy = String(busy > 0);
    bar.value = total > 0 ? done / total : 0;
    text.textContent = busy > 0 ? `${done} of ${total} figures, ${formatSeconds(left)} left` : `${done} of ${total} figures`;
    clearInterval(clock);
    // Time passes without an event.
    if (busy > 0) clock = setInterval(() => untracked(draw), 1000);
  };
  effect(draw);

  return {
    /** Marks the section that is being read. @param {string} section */
    mark(section) {
      for (const [id, { link }] of items) {
        if (id === section) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    },
  };
}
