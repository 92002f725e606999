// The "Export" menu in the header: the experiment, or the whole study as a report, as data or as a notebook.

import { h } from '../dom.js';
import { plural } from '../numbers.js';
import { withoutDefaults } from '../store/experiment.js';
import { choicesMenu } from './choices-menu.js';
import { download } from './download.js';
import { studyFileName, takeStudy } from './study-source.js';

/** @import { Engine } from '../engine/client.js' */
/** @import { Messages } from '../messages.js' */
/** @import { Study, StudySource } from './study-source.js' */

const CHOICES = [
  { format: 'html', name: 'Report', note: 'HTML: every figure and its numbers on one page, to read, print and send' },
  { format: 'json', name: 'Study', note: 'JSON: experiment, settings and every number; this page opens it again' },
  { format: 'ipynb', name: 'Notebook', note: 'IPYNB: the same analyses in Python, with TransformerLens' },
  { format: 'experiment', name: 'Experiment', note: 'JSON: the prompts alone' },
];
/** Exports that finish sooner show no progress. */
const QUIET_MS = 300;

/**
 * @param {StudySource} source
 * @param {Engine} engine
 * @param {Messages} messages
 * @returns {HTMLElement}
 */
export function studyMenu(source, engine, messages) {
  const place = h('div', { class: 'exporting', hidden: true });
  let busy = false;

  /** @param {string} format @param {(work: Work) => Promise<string>} save resolves to the final message */
  const run = async (format, save) => {
    if (busy) return messages.toast('Another export is still running.');
    busy = true;
    const work = new Work(place, CHOICES.find((choice) => choice.format === format)?.name ?? '');
    try {
      messages.toast(await save(work));
    } catch (error) {
      if (work.signal.aborted) messages.say('The export was cancelled.');
      else messages.toast(error instanceof Error ? error.message : String(error));
    } finally {
      work.end();
      busy = false;
    }
  };
  /** @param {string} format */
  const choose = (format) => {
    if (format === 'experiment') {
      download(new Blob([`${JSON.stringify(withoutDefaults(source.experiment()), null, 2)}\n`], { type: 'application/json' }), 'patchlab-experiment.json');
      messages.say('The experiment was exported.');
      return;
    }
    void run(format, async (work) => {
      const study = await takeStudy(source);
      const { file, more } = await make(format, study, work);
      const what = { html: 'report', json: 'study', ipynb: 'notebook' }[format] ?? format;
      download(file, studyFileName(what, study.experiment, study.made, format));
      return [`The ${what} was saved, with ${plural(study.figures.length, 'figure')}.`, more, missing(study)].filter(Boolean).join(' ');
    });
  };
  /** @param {string} format @param {Study} study @param {Work} work @returns {Promise<{ file: Blob, more?: string }>} */
  const make = async (format, study, work) => {
    // Exporters are loaded on demand.
    if (format === 'html') {
      const { studyReport } = await import('./study-report.js');
      return { file: await studyReport(study, { signal: work.signal, onProgress: (...progress) => work.progress(...progress) }) };
    }
    if (format === 'json') {
      const { studyJson } = await import('./study-json.js');
      return { file: await studyJson(study, { signal: work.signal }) };
    }
    const { studyNotebook } = await import('./study-notebook.js');
    const { file, leftOut } = await studyNotebook(study, source.python(), engine);
    return { file, more: leftOut > 0 ? `${plural(leftOut, 'pair')} that cannot be run ${leftOut === 1 ? 'is' : 'are'} not in it.` : '' };
  };

  const { button, menu } = choicesMenu({ text: 'Export', label: 'Export', buttonId: 'export', buttonClass: 'quiet', menuClass: 'menu-export', choices: CHOICES, width: 300, onChoose: choose });
  return h('span', { class: 'export-place' }, button, menu, place);
}

/** The figures that were not exported, in one sentence. @param {Study} study */
function missing({ missing: titles }) {
  if (titles.length === 0) return '';
  if (titles.length > 3) return `${titles.length} figures have not been computed and are not included.`;
  return `Not included, because not computed: ${titles.join(', ')}.`;
}

/** An export in progress: its progress bar and its cancel button. */
class Work {
  #controller = new AbortController();
  #place;
  #text = h('span', { class: 'exporting-text' });
  #bar = h('progress', {});
  #timer;

  /** @param {HTMLElement} place @param {string} name */
  constructor(place, name) {
    this.#place = place;
    this.#text.textContent = `${name}\u2026`;
    this.#bar.setAttribute('aria-label', `Progress of the ${name.toLowerCase()}`);
    const cancel = h('button', { type: 'button', class: 'link', 'aria-label': `Cancel the ${name.toLowerCase()}`, on: { click: () => this.#controller.abort() } }, 'Cancel');
    place.replaceChildren(this.#text, this.#bar, cancel);
    this.#timer = setTimeout(() => { place.hidden = false; }, QUIET_MS);
  }

  get signal() {
    return this.#controller.signal;
  }

  /** @param {number} done @param {number} total @param {string} title */
  progress(done, total, title) {
    this.#bar.max = total;
    this.#bar.value = done;
    this.#text.textContent = `${done} of ${plural(total, 'figure')}${title ? `: ${title}` : ''}`;
  }

  end() {
    clearTimeout(this.#timer);
    this.#place.hidden = true;
    this.#place.replaceChildren();
  }
}
