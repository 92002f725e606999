// Roving tab index for cells that are elements: one tab stop for all of them, arrow keys between them, and delegated
// listeners.

/**
 * @param {HTMLElement} area
 * @param {HTMLElement[][]} cells rows of cells, which may differ in length
 * @param {{ onPoint: (row: number, column: number, cell: HTMLElement) => void, onLeave: () => void, onClick?: (row: number, column: number) => void }} hooks
 */
export function roveOver(area, cells, { onPoint, onLeave, onClick }) {
  /** @type {Map<Element, [number, number]>} */
  const places = new Map(cells.flatMap((row, r) => row.map((cell, c) => /** @type {[Element, [number, number]]} */ ([cell, [r, c]]))));
  let stop = cells[0]?.[0];
  stop?.setAttribute('tabindex', '0');
  /** @type {Element | null} */
  let pointed = null;

  /** @param {EventTarget | null} target */
  const cellAt = (target) => {
    let element = target instanceof Element ? target : null;
    while (element && element !== area && !places.has(element)) element = element.parentElement;
    return element && places.has(element) ? /** @type {HTMLElement} */ (element) : null;
  };
  /** @param {HTMLElement | null} cell */
  const point = (cell) => {
    if (cell === pointed) return;
    pointed = cell;
    const place = cell && places.get(cell);
    if (cell && place) onPoint(...place, cell);
    else onLeave();
  };
  /** @param {HTMLElement} cell @param {boolean} focus */
  const moveTo = (cell, focus) => {
    // Only if it is another cell: removing its tabindex would blur the focused cell.
    if (cell !== stop) stop?.removeAttribute('tabindex');
    stop = cell;
    cell.setAttribute('tabindex', '0');
    if (focus) cell.focus();
  };

  area.addEventListener('pointerover', (event) => point(cellAt(event.target)));
  area.addEventListener('pointerleave', () => point(null));
  area.addEventListener('focusin', (event) => {
    const cell = cellAt(event.target);
    if (cell?.matches(':focus-visible')) point(cell);
  });
  area.addEventListener('focusout', () => point(null));
  area.addEventListener('click', (event) => {
    const cell = cellAt(event.target);
    const place = cell && places.get(cell);
    if (!cell || !place) return;
    moveTo(cell, false);
    onClick?.(...place);
  });
  area.addEventListener('keydown', (event) => {
    const place = stop && places.get(stop);
    if (!place || cellAt(event.target) !== stop) return;
    const [r, c] = place;
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowRight: [r, c + 1], ArrowLeft: [r, c - 1], ArrowDown: [r + 1, c], ArrowUp: [r - 1, c], Home: [r, 0], End: [r, cells[r].length - 1] };
    const move = moves[event.key];
    if (move) {
      const row = cells[Math.max(0, Math.min(cells.length - 1, move[0]))];
      moveTo(row[Math.max(0, Math.min(row.length - 1, move[1]))], true);
    } else if ((event.key === 'Enter' || event.key === ' ') && onClick) {
      onClick(r, c);
    } else {
      return;
    }
    event.preventDefault();
  });
}
