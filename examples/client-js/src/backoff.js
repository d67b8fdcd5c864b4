/**
 * Waits between attempts: exponential, with full jitter, so that the clients of a server that comes back do not come all at
 * once.
 */
export class Backoff {
  #base;
  #max;
  #random;
  #attempt = 0;

  /** @param {{ baseMs: number, maxMs: number, random?: () => number }} options */
  constructor({ baseMs, maxMs, random = Math.random }) {
    this.#base = baseMs;
    this.#max = maxMs;
    this.#random = random;
  }

  /** How many waits there were since the last reset. */
  get attempt() {
    return this.#attempt;
  }

  /** Returns the next wait, in milliseconds. */
  next() {
    const ceiling = Math.min(this.#max, this.#base * 2 ** Math.min(this.#attempt++, 30));
    return Math.round(this.#random() * ceiling);
  }

  /** Begins anew, after something went well. */
  reset() {
    this.#attempt = 0;
  }
}
