// A section of the article: heading, introduction and figures.

import { computed } from '../vendor/dist/libraries.js';
import { h } from '../dom.js';

/** @import { SectionEntry } from './sections.js' */
/** @import { Run, RunState } from './run.js' */

/** What a section's dot tells, if one of its figures is in it. @type {RunState[]} */
const TELLING = ['running', 'queued', 'failed', 'stale', 'outdated'];

export class Section {
  /** @type {HTMLElement} */
  element;
  entry;
  runs;
  /** The state of the section's dot: the most important of its figures' states. */
  state;
  counts;
  #content = h('div', { class: 'section-content' });

  /** @param {SectionEntry} entry @param {Run[]} runs @param {() => RunState} [own] the state of content that is not a figure */
  constructor(entry, runs, own) {
    this.entry = entry;
    this.runs = runs;
    const id = `section-${entry.id}`;
    this.element = h(
      'section',
      { class: 'section', id, 'aria-labelledby': `${id}-title` },
      h('h2', { id: `${id}-title`, class: 'section-title', tabindex: -1 }, entry.number && h('span', { class: 'section-number' }, entry.number), entry.title),
      h('p', { class: 'prose section-prose' }, entry.prose),
      this.#content,
    );
    this.state = computed(() => own?.() ?? stateOf(runs.map((run) => run.state.value)));
    this.counts = computed(() => ({ done: runs.filter((run) => run.state.value === 'fresh').length, total: runs.length }));
  }

  /** @param {Node} child */
  append(child) {
    this.#content.append(child);
  }
}

/** @param {RunState[]} states @returns {RunState} */
function stateOf(states) {
  return TELLING.find((state) => states.includes(state)) ?? (states.length > 0 && states.every((state) => state === 'fresh') ? 'fresh' : 'idle');
}
