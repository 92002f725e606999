// A picture that may be wider than its place: it scrolls by itself, never the page, and a cue at each end says how much is
// hidden there.

import { h, whenResized } from '../dom.js';
import { plural } from '../numbers.js';

/** @import { Stage } from './stage.js' */

/**
 * @param {Stage} stage
 * @param {Node} content
 * @param {object} about
 * @param {number} about.unit width of one of what is counted, in pixels
 * @param {string} about.what what is counted, in the singular
 * @param {number} [about.start] where it opens, in pixels from the left; the end if it is larger than the picture
 * @returns {HTMLElement}
 */
export function scrolling(stage, content, { unit, what, start = 0 }) {
  const place = h('div', { class: 'panel-scroll' }, content);
  const cue = (/** @type {'before' | 'after'} */ side) => h('button', {
    type: 'button', class: `scroll-cue is-${side}`, tabindex: -1, hidden: true, 'aria-hidden': 'true', data: { screen: true },
    on: { click: () => place.scrollBy({ left: (side === 'before' ? -0.8 : 0.8) * place.clientWidth, behavior: 'smooth' }) },
  });
  const before = cue('before');
  const after = cue('after');
  let opened = false;
  const look = () => {
    if (place.clientWidth === 0) return;
    const most = place.scrollWidth - place.clientWidth;
    if (!opened) {
      opened = true;
      place.scrollLeft = Math.min(start, most);
    }
    const hidden = (/** @type {number} */ pixels) => Math.ceil((pixels - 1) / unit);
    const [left, right] = [hidden(place.scrollLeft), hidden(most - place.scrollLeft)];
    before.hidden = left <= 0;
    after.hidden = right <= 0;
    before.textContent = `\u2039 ${plural(left, `more ${what}`)}`;
    after.textContent = `${plural(right, `more ${what}`)} \u203a`;
  };
  place.addEventListener('scroll', look, { passive: true });
  stage.scope.add(whenResized(place, look));
  return h('div', { class: 'panel-wide' }, place, h('div', { class: 'scroll-cues', data: { screen: true } }, before, after));
}
