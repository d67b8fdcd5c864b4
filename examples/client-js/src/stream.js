import { StagehouseError } from './errors.js';

/**
 * A queue with a bound between what comes from the server, which does not wait, and a loop that may be slow. It has one reader.
 *
 * When it is full, what it holds is let go and the reader is told so by an error: a loss must not look like silence.
 *
 * @template T
 * @implements {AsyncIterableIterator<T>}
 */
export class Stream {
  /** @type {T[]} */
  #items = [];
  /** @type {{ resolve: (r: IteratorResult<T>) => void, reject: (e: unknown) => void }[]} */
  #readers = [];
  /** @type {{ error?: unknown } | undefined} */
  #end;
  #limit;
  #onReturn;

  /** @param {{ limit: number, onReturn?: () => void }} options onReturn is called when the reader leaves its loop */
  constructor({ limit, onReturn = () => {} }) {
    this.#limit = limit;
    this.#onReturn = onReturn;
  }

  /** Whether nothing more will come into it. */
  get ended() {
    return this.#end !== undefined;
  }

  /** @param {T} item */
  push(item) {
    if (this.#end) return;
    const reader = this.#readers.shift();
    if (reader) return reader.resolve({ value: item, done: false });
    if (this.#items.length < this.#limit) return void this.#items.push(item);
    this.#items = [];
    this.end(new StagehouseError('overflow', `More than ${this.#limit} items were waiting to be read, and were let go. Read faster, or allow for more with the option buffer.`));
  }

  /**
   * Ends the stream behind what is in it. Only the first call counts.
   *
   * @param {unknown} [error] what the reader is to be told, if it is not a good end
   */
  end(error) {
    if (this.#end) return;
    this.#end = { error };
    for (const reader of this.#readers.splice(0)) this.#finish().then(reader.resolve, reader.reject);
  }

  /** @returns {Promise<IteratorResult<T>>} */
  next() {
    if (this.#items.length) return Promise.resolve({ value: /** @type {T} */ (this.#items.shift()), done: false });
    if (this.#end) return this.#finish();
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** @returns {Promise<IteratorResult<T>>} */
  return() {
    this.#items = [];
    this.end();
    this.#onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<T>>} the error once, and then the end */
  #finish() {
    const error = this.#end?.error;
    this.#end = {};
    return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
  }
}
