// A download of weights: progress, speed, time left, what is holding it up, and a pause button.

import { h } from '../dom.js';
import { formatBytes, formatSeconds } from '../numbers.js';
import { Rate } from './rate.js';

/** @import { Progress } from '../types/engine.js' */

/** Below this many bytes per second, the user is told that the connection is slow. */
const SLOW = 150_000;
const SLOW_NOTE = 'The connection or the host is slow. What has been downloaded is kept: you can pause, or come back another time.';
const TICK_MS = 1000;

export class Transfer {
  text = h('span', { class: 'work-text' }, 'starting\u2026');
  button = h('button', { type: 'button', class: 'link', id: 'pause-opening', hidden: true, on: { click: () => this.#pause(!this.#paused) } }, 'Pause');
  note = h('p', { class: 'work-note', role: 'status' });
  #onPause;
  #rate = new Rate();
  /** @type {Progress | null} */
  #last = null;
  #paused = false;
  #timer;

  /** @param {((paused: boolean) => void) | null} onPause null if the weights come from disk */
  constructor(onPause) {
    this.#onPause = onPause;
    // A stalled connection sends no progress events to trigger a redraw.
    this.#timer = setInterval(() => {
      if (!this.#last || this.#paused || this.#last.unit !== 'bytes') return;
      this.#rate.add(this.#last.done);
      this.#draw(this.#last);
    }, TICK_MS);
  }

  /** Ends the display, whatever the outcome. */
  end() {
    clearInterval(this.#timer);
    if (this.#paused) this.#onPause?.(false);
    this.#paused = false;
  }

  /** @param {Progress} progress */
  progress(progress) {
    this.#last = progress;
    if (progress.unit === 'bytes') this.#rate.add(progress.done);
    this.#draw(progress);
  }

  /** @param {boolean} paused */
  #pause(paused) {
    this.#paused = paused;
    this.button.textContent = paused ? 'Continue' : 'Pause';
    this.#rate.clear();
    this.#onPause?.(paused);
    if (this.#last) this.#draw(this.#last);
  }

  /** @param {Progress} progress */
  #draw({ stage, done, total, unit, note }) {
    const isOn = unit === 'bytes' && done < total;
    this.button.hidden = !isOn || !this.#onPause;
    if (unit !== 'bytes') {
      this.text.textContent = stage;
      this.#note(note);
      return;
    }
    const speed = this.#rate.perSecond;
    const left = this.#rate.secondsFor(total - done);
    const words = [this.#paused ? 'Paused' : stage, `${formatBytes(done)} of ${formatBytes(total)}`];
    if (speed && !this.#paused) words.push(`${formatBytes(speed)}/s`);
    if (left !== null && isOn && !this.#paused) words.push(`${formatSeconds(left)} left`);
    this.text.textContent = words.filter(Boolean).join(' \u00b7 ');
    Object.assign(this.text.dataset, { done: String(done), total: String(total) });
    this.#note(this.#paused ? null : note ?? (isOn && this.#isSlow ? SLOW_NOTE : null));
  }

  get #isSlow() {
    const speed = this.#rate.perSecond;
    return this.#onPause !== null && this.#rate.isSettled && speed !== null && speed < SLOW;
  }

  /** Changes the text only when needed, because screen readers announce every change. @param {string | null} text */
  #note(text) {
    if ((text ?? '') !== this.note.textContent) this.note.textContent = text;
  }
}
