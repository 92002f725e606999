// What the page's text fields have in common: they are as tall as their text, and Enter runs.

/** Where the browser can do it by itself (`field-sizing`), the style sheet does. */
const SIZES_ITSELF = CSS.supports('field-sizing', 'content');

/** Fits a text area to its text, now and while it is typed in. @param {HTMLTextAreaElement} area */
export function growWithText(area) {
  if (SIZES_ITSELF) return;
  const fit = () => {
    area.style.setProperty('height', 'auto');
    area.style.setProperty('height', `${area.scrollHeight + 2}px`);
  };
  if (!area.dataset.grows) {
    area.dataset.grows = 'yes';
    area.addEventListener('input', fit);
  }
  requestAnimationFrame(fit);
}

/**
 * Lets Enter act instead of beginning a line: a line end inside a prompt is rare and a stray one is hard to find, so it
 * takes Shift.
 *
 * @param {HTMLElement} field
 * @param {() => void} act
 */
export function actOnEnter(field, act) {
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    act();
  });
}
