// Finding what had the focus again, after the picture that it stood in was drawn anew.

const CELLS = '[role="gridcell"], [role="option"]';
const FOCUSABLE = 'button, select, input, textarea, [tabindex]';

/**
 * @param {Element} element
 * @returns {() => Element | null} the element, or the one at its place in a new drawing of its figure
 */
export function placeOf(element) {
  const figure = element.closest('.figure');
  if (!figure) return () => (element.isConnected ? element : null);
  const selector = element.matches(CELLS) ? CELLS : `${FOCUSABLE}, svg`;
  const index = [...figure.querySelectorAll(selector)].indexOf(element);
  return () => (element.isConnected ? element : figure.querySelectorAll(selector)[index] ?? null);
}

/** Focuses an element without scrolling to it. @param {Element | null} element */
export function focusOn(element) {
  if (!(element instanceof HTMLElement || element instanceof SVGElement)) return;
  if (element.matches(CELLS)) element.setAttribute('tabindex', '0');
  element.focus({ preventScroll: true });
}
