// A section of the article: heading, introduction and figures.

import { h } from '../dom.js';

/** @import { Child } from '../dom.js' */
/** @import { SectionEntry } from './sections.js' */
/** @import { Run, RunState } from './run.js' */

export class Section {
  /** @type {HTMLElement} */
  element;
  entry;
  /** @type {Run[]} */
  runs = [];
  #content = h('div', { class: 'section-content' });

  /** @param {SectionEntry} entry */
  constructor(entry) {
    this.entry = entry;
    const id = `section-${entry.id}`;
    this.element = h(
      'section',
      { class: 'section', id, 'aria-labelledby': `${id}-title` },
      h('h2', { id: `${id}-title`, class: 'section-title', tabindex: -1 }, entry.number && h('span', { class: 'section-number' }, entry.number), entry.title),
      h('p', { class: 'prose section-prose' }, entry.prose),
      this.#content,
    );
  }

  /** @param {...Child} children */
  append(...children) {
    for (const child of children) if (child instanceof Node) this.#content.append(child);
  }

  /** The state of content that is not a figure. @type {(() => RunState) | null} */
  own = null;

  /** The state of the section's dot: the most important of its figures' states. @returns {RunState} */
  get state() {
    if (this.own) return this.own();
    const states = this.runs.map((run) => run.state);
    for (const telling of /** @type {const} */ (['running', 'queued', 'failed', 'stale'])) if (states.includes(telling)) return telling;
    return states.length > 0 && states.every((state) => state === 'fresh') ? 'fresh' : 'idle';
  }

  get counts() {
    return { done: this.runs.filter((run) => run.state === 'fresh').length, total: this.runs.length };
  }
}
