import { Deferred } from './deferred.js';
import { StagehouseError } from './errors.js';
import { Filter } from './filter.js';
import { Stream } from './stream.js';

/**
 * Events that somebody has asked for, as an async iterator: each once and in order, over any number of sockets. A loop that is
 * left ends the subscription.
 *
 * @extends {Stream<any>}
 */
export class Subscription extends Stream {
  #ready = new Deferred();

  /**
   * @param {{ agents?: string[], events?: string[] }} lists
   * @param {{ limit: number, onClose: (s: Subscription) => void }} options
   */
  constructor(lists, { limit, onClose }) {
    super({ limit, onReturn: () => onClose(this) });
    this.filter = new Filter(lists);
  }

  /** Resolves with the server's answer; the events that happen from then on are in the subscription. */
  get ready() {
    return this.#ready.promise;
  }

  /** @param {{ agents: string[], events: string[], head: string, recovered?: boolean }} answer */
  confirm({ agents, events, head, recovered }) {
    this.#ready.resolve({ agents, events, head, recovered });
  }

  /**
   * Ends it, from the server's side.
   *
   * @param {Error} [error]
   */
  end(error) {
    super.end(error);
    this.#ready.reject(error ?? new StagehouseError('closed', 'The subscription was closed.')); // unless it is resolved
  }

  /** Ends it, from the reader's side: what was not read is let go. */
  close() {
    void this.return();
  }
}
