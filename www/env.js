// What this browser has of what the page can do without. requirements.js says what it cannot do without.

export const env = {
  /** Text fields that grow with their text by style alone. */
  growsFields: CSS.supports('field-sizing', 'content'),
  /** Not over HTTP, and not in some private windows: the page then comes from its host each time. */
  serviceWorker: navigator.serviceWorker ?? null,
  /** How much may be stored, and for how long. Not over HTTP. */
  storage: navigator.storage ?? null,
};
