// Tracks which section is being read: the last whose heading has passed the upper third of the window.

/** @param {() => { id: string, element: HTMLElement }[]} sections @param {(id: string) => void} onRead */
export function watchReading(sections, onRead) {
  let read = '';
  let due = false;
  const look = () => {
    due = false;
    const line = innerHeight / 3;
    const above = sections().filter(({ element }) => element.getBoundingClientRect().top < line);
    const now = scrollY < 80 ? '' : (above.at(-1)?.id ?? '');
    if (now === read) return;
    read = now;
    onRead(now);
  };
  addEventListener('scroll', () => {
    if (due) return;
    due = true;
    requestAnimationFrame(look);
  }, { passive: true });
}
