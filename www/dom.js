// Creating elements. Styles are set through the CSSOM, because the page's Content-Security-Policy forbids style
// attributes.

/** @typedef {Node | string | number | false | null | undefined} Child */

/**
 * @typedef {object} Properties
 * @property {string} [class]
 * @property {Record<string, string | number | boolean | null | undefined>} [data] `data-*` attributes
 * @property {Record<string, string>} [style] custom properties and styles
 * @property {{ [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void }} [on] event listeners
 * @property {string} [tip] tooltip text
 */

/**
 * Creates an element. Properties other than those in `Properties` become attributes: `false`, `null` and `undefined`
 * omit the attribute, `true` sets it to the empty string.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Properties & Record<string, unknown>} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'data') {
      for (const [key, item] of Object.entries(/** @type {NonNullable<Properties['data']>} */ (value))) {
        if (item !== null && item !== undefined && item !== false) element.dataset[key] = String(item);
      }
    } else if (name === 'style') {
      for (const [key, item] of Object.entries(/** @type {Record<string, string>} */ (value))) {
        element.style.setProperty(key, item);
      }
    } else if (name === 'on') {
      for (const [key, item] of Object.entries(/** @type {Record<string, EventListener>} */ (value))) {
        element.addEventListener(key, item);
      }
    } else if (name === 'tip') {
      element.dataset.tip = String(value);
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.flat().filter(isShown).map(asNode));
  return element;
}

/** @param {string} text words between asterisks are emphasised */
export function emphasised(text) {
  return text.split('*').map((words, index) => (index % 2 === 1 ? h('em', {}, words) : words));
}

/** @param {Child} child @returns {child is Node | string | number} */
function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

/** @param {Node | string | number} child */
function asNode(child) {
  return typeof child === 'number' ? String(child) : child;
}

/**
 * The element with this id, which index.html must contain.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{ new (): T }} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Line icons on a 16 x 16 grid, in the text colour. */
const ICONS = {
  chevron: 'M6 4l4 4-4 4',
  plus: 'M8 3v10M3 8h10',
  cross: 'M4 4l8 8M12 4l-8 8',
  copy: 'M6 5.5h7v8H6zM3.5 10.5v-8h7',
  undo: 'M6 3.5L3 6.5l3 3M3 6.5h6.5a3.5 3.5 0 010 7H7',
  redo: 'M10 3.5l3 3-3 3M13 6.5H6.5a3.5 3.5 0 000 7H9',
  moon: 'M13 9.5A5.5 5.5 0 016.5 3a5.5 5.5 0 106.5 6.5z',
  sun: 'M8 5a3 3 0 100 6 3 3 0 000-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  alert: 'M8 2l6.5 11.5h-13zM8 6.5v3.5M8 11.800v.2',
  arrow: 'M3 8h10M9 4l4 4-4 4',
};

/** @param {keyof typeof ICONS} name @returns {Node} */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * An icon-only button; `label` is its accessible name and its tooltip.
 *
 * @param {keyof typeof ICONS} name
 * @param {string} label
 * @param {() => void} click
 * @param {Properties & Record<string, unknown>} [properties]
 */
export function iconButton(name, label, click, properties = {}) {
  return h('button', { type: 'button', class: 'quiet icon-only', 'aria-label': label, tip: label, on: { click }, ...properties }, icon(name));
}

/**
 * Calls back in the frame after an element's size has changed: what changes sizes within the same frame is an error to the browser.
 *
 * @param {Element} element
 * @param {() => void} act
 * @returns {() => void} stops it
 */
export function whenResized(element, act) {
  let due = 0;
  const observer = new ResizeObserver(() => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(act);
  });
  observer.observe(element);
  return () => {
    observer.disconnect();
    cancelAnimationFrame(due);
  };
}
