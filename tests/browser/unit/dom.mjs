// A document for modules that draw, without a browser: jsdom, and stand-ins for what it lacks. Nothing is laid out, so every
// box is empty.

import { JSDOM } from 'jsdom';

const NAMES = [
  'document', 'HTMLElement', 'HTMLButtonElement', 'HTMLInputElement', 'HTMLSelectElement', 'HTMLTextAreaElement', 'HTMLDetailsElement', 'SVGSVGElement', 'Element', 'Node', 'Text', 'Event',
  'KeyboardEvent', 'MouseEvent', 'CustomEvent', 'XMLSerializer', 'DOMRect', 'localStorage', 'sessionStorage', 'navigator', 'location', 'history', 'getComputedStyle',
];

class Observer {
  observe() {}
  disconnect() {}
}

/** @type {{ target: Element, look: (entries: any[]) => void }[]} */
const watched = [];

class Intersections {
  /** @param {(entries: any[]) => void} look */
  constructor(look) {
    this.look = look;
  }

  /** @param {Element} target */
  observe(target) {
    watched.push({ target, look: this.look });
  }
}

/** Scrolls an element into view, or out of it. @param {Element | null} element @param {boolean} isIntersecting */
export function comeIntoView(element, isIntersecting = true) {
  for (const { target, look } of watched) if (target === element) look([{ isIntersecting, target }]);
}

/** Makes the globals that the page's modules expect. @param {string} [body] of the document */
export function makeDocument(body = '') {
  const { window } = new JSDOM(`<!doctype html><body>${body}</body>`, { url: 'https://patchlab.test/', pretendToBeVisual: true });
  for (const name of NAMES) Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
  Object.assign(globalThis, {
    IntersectionObserver: Intersections,
    ResizeObserver: Observer,
    CSS: { supports: () => true },
    reportError() {},
    matchMedia: () => ({ matches: false, addEventListener() {} }),
    addEventListener: window.addEventListener.bind(window),
    requestAnimationFrame: window.requestAnimationFrame.bind(window),
    cancelAnimationFrame: window.cancelAnimationFrame.bind(window),
    innerWidth: 1280, innerHeight: 900, scrollY: 0,
  });
  Object.assign(window.HTMLElement.prototype, { showPopover() {}, hidePopover() {}, scrollIntoView() {} });
  return window;
}

/** Lets promises and timers of no duration finish. */
export async function settle() {
  for (let i = 0; i < 8; i += 1) await new Promise((done) => setTimeout(done));
}
