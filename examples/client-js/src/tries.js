import { Backoff } from './backoff.js';
import { ProblemError } from './errors.js';

/** How often one thing is asked for while the server says that it can do it later, and while it says that something is wrong with it. */
const MAX_TRIES = 8;
const MAX_INTERNAL = 3;

/** Codes that leave open whether the very request that they answer was carried out. */
const UNSURE = ['internal', 'unavailable', 'deadline_exceeded', 'cancelled'];

/** Codes that come before the server looks whether the request was carried out before; all but these and the unsure ones tell that. */
const BEFORE_THE_KEY = ['unauthenticated', 'permission_denied', 'rate_limited', 'too_large'];

/** Keeps account of one thing that is asked for, with the same key, until it is known what came of it. */
export class Tries {
  #backoff;
  #refusals = 0;
  /** How many have failed. */
  count = 0;
  /** Whether one of them may have been carried out, and nothing has said yet whether it was. */
  open = false;

  /** @param {{ baseMs: number, maxMs: number }} retry */
  constructor(retry) {
    this.#backoff = new Backoff(retry);
  }

  /**
   * Takes account of a try that came to nothing.
   *
   * @param {unknown} error
   * @param {boolean} [left] whether the server may have had all of what was sent, if it is no answer
   */
  note(error, left = true) {
    this.count++;
    if (!(error instanceof ProblemError)) return void (this.open ||= left);
    this.#refusals++;
    if (isUnsure(error)) this.open = true;
    else if (!BEFORE_THE_KEY.includes(error.code)) this.open = false;
  }

  /**
   * Returns whether it makes sense to ask again.
   *
   * @param {unknown} error
   */
  goOn(error) {
    if (!(error instanceof ProblemError)) return this.count < MAX_TRIES;
    if (error.code === 'internal') return this.#refusals < MAX_INTERNAL;
    return error.retryable && this.#refusals < MAX_TRIES && this.count < MAX_TRIES;
  }

  /** The wait before the next one. @param {unknown} error */
  next(error) {
    return (error instanceof ProblemError ? error.retryAfterMs : 0) + this.#backoff.next();
  }

  /** Begins anew, after something went well. */
  reset() {
    this.#backoff.reset();
    this.#refusals = this.count = 0;
    this.open = false;
  }
}

/** Reports whether an error leaves open if the request that it answers was carried out. @param {ProblemError} error */
export function isUnsure(error) {
  return UNSURE.includes(error.code);
}

/** Returns an idempotency key that nobody else has; a page that is not served over TLS has no crypto.randomUUID. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
