// Linked hover: what is hovered or focused in one figure is marked in every other.

/** @import { Scope } from '../scope.js' */

/**
 * What a mark refers to: a head (layer and head), a neuron (layer and neuron), a cell of a residual-stream map (layer and
 * position), or a named component of the residual stream.
 *
 * @typedef {object} Target
 * @property {number} [layer]
 * @property {number} [head]
 * @property {number} [neuron]
 * @property {number} [position]
 * @property {string} [component]
 */

/** @typedef {(target: Target | null) => void} Mark */

export class Hover {
  /** @type {Set<Mark>} */
  #marks = new Set();
  #current = '';

  /** Announces what is hovered or focused now; null for nothing. @param {Target | null} target */
  publish(target) {
    const key = target ? JSON.stringify(target) : '';
    if (key === this.#current) return;
    this.#current = key;
    for (const mark of this.#marks) mark(target);
  }

  /** Calls `mark` for every target until the scope ends. @param {Scope} scope @param {Mark} mark */
  subscribe(scope, mark) {
    this.#marks.add(mark);
    scope.add(() => this.#marks.delete(mark));
  }

  /** How many pictures listen. */
  get size() {
    return this.#marks.size;
  }
}
