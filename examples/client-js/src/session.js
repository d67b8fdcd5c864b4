import { ProblemError } from './errors.js';
import { Filter } from './filter.js';
import { Place } from './place.js';

/**
 * What goes from socket to socket: the place in the log, the subscriptions and the turns.
 *
 * Every socket begins with one subscribe that names the place: with since, and wide enough for everything that is to go on, or,
 * if there is nothing, for no event at all, which still tells where the log is. The server replays only for that first one. The
 * subscriptions that are new then follow, each by itself, so that one which is refused is nobody else's trouble, and the messages whose
 * turns are not over.
 */
export class Session {
  #place = new Place();
  #turns;
  #emit;
  /** @type {Set<import('./subscription.js').Subscription>} */
  #confirmed = new Set();
  /** @type {Set<import('./subscription.js').Subscription>} not confirmed yet */
  #asked = new Set();
  /** @type {Set<import('./subscription.js').Subscription>} of those, whose answer is to come on this socket */
  #asking = new Set();
  /** @type {import('./connection.js').Connection | undefined} */
  #connection;
  /** @type {import('./socket.js').Socket | undefined} the one that has resumed */
  #socket;

  /**
   * @param {import('./turns.js').Turns} turns
   * @param {(name: string, value: unknown) => void} emit
   */
  constructor(turns, emit) {
    this.#turns = turns;
    this.#emit = emit;
  }

  /** The place up to which everything has been given out; "" before there is one. */
  get place() {
    return this.#place.id;
  }

  /** @param {import('./connection.js').Connection} connection */
  attach(connection) {
    this.#connection = connection;
  }

  /**
   * @param {import('./subscription.js').Subscription} subscription
   * @param {string} [since] a place from which it is to go on; only for the first one
   */
  subscribe(subscription, since) {
    if (since) this.#place.take(since);
    (since ? this.#confirmed : this.#asked).add(subscription);
    this.flush();
  }

  /**
   * The socket goes on sending what other subscriptions may need; the last one to go turns it off.
   *
   * @param {import('./subscription.js').Subscription} subscription
   */
  unsubscribe(subscription) {
    this.#confirmed.delete(subscription);
    this.#asked.delete(subscription);
    if (this.#confirmed.size || this.#asked.size) return;
    this.#socket?.request({ type: 'unsubscribe' }, () => {}, () => {});
  }

  /**
   * Resumes on a new socket.
   *
   * @param {import('./socket.js').Socket} socket
   */
  begin(socket) {
    const filters = [...this.#confirmed].map((s) => s.filter);
    const since = filters.length ? this.#place.id : '';
    const command = { type: 'subscribe', ...Filter.union(filters).lists(), ...(since && { since }) };
    socket.request(command, (answer) => this.#resumed(socket, since, answer), (error) => this.#refused(socket, error));
  }

  /**
   * Takes a frame that is no answer. Of a turn that was asked for again, frames may come that are no place in the log.
   *
   * @param {any} frame
   */
  take(frame) {
    if (frame.prevSeq === undefined && frame.type !== 'gap') return this.#turns.take(frame);
    switch (this.#place.pass(frame)) {
      case 'again':
        return;
      case 'lost':
        return this.#connection?.again('an event was lost on the way');
    }
    this.#give(frame);
  }

  /**
   * Takes an error that is about no command.
   *
   * @param {ProblemError} error
   */
  complain(error) {
    if (error.runId) this.#turns.untold(error.runId, error);
  }

  /** The socket is no more. */
  ended() {
    this.#socket = undefined;
    this.#turns.lost();
  }

  /**
   * There will be no other one.
   *
   * @param {Error} [error]
   */
  end(error) {
    this.#socket = undefined;
    for (const s of [...this.#confirmed, ...this.#asked]) s.end(error);
    this.#turns.end(error);
  }

  /** Sends what waits for a socket, if there is one. */
  flush() {
    const socket = this.#socket;
    if (!socket) return;
    for (const s of this.#asked) if (!this.#asking.has(s)) this.#ask(socket, s);
    this.#turns.send(socket, { flush: () => this.flush(), again: (reason) => this.#connection?.again(reason) });
  }

  /** @param {any} event */
  #give(event) {
    const gap = event.type === 'gap';
    this.#turns.take(event);
    const takers = [...this.#confirmed].filter((s) => gap || s.filter.lets(event));
    for (const s of takers) s.push(event);
    if (gap || takers.length) this.#emit(event.type, event);
    if (gap && this.#turns.told) this.#connection?.again('events are gone that may have been the ends of turns');
  }

  /**
   * @param {import('./socket.js').Socket} socket
   * @param {string} since
   * @param {any} answer
   */
  #resumed(socket, since, answer) {
    if (!since) this.#place.take(answer.head);
    else if (!answer.recovered) this.#place.breaks();
    for (const s of this.#confirmed) s.confirm(answer);
    this.#socket = socket;
    this.#connection?.ready();
    this.flush();
    this.#emit('open', { ...(since && { recovered: answer.recovered }) });
  }

  /**
   * The server does not let the client resume. Later it may; or what was asked for can never be.
   *
   * @param {import('./socket.js').Socket} socket
   * @param {Error} error
   */
  #refused(socket, error) {
    if (this.#retry(error)) return;
    if (!this.#confirmed.size) return this.#connection?.stop(error);
    for (const s of this.#confirmed) s.end(error);
    this.#confirmed.clear();
    this.begin(socket);
  }

  /**
   * @param {import('./socket.js').Socket} socket
   * @param {import('./subscription.js').Subscription} s
   */
  #ask(socket, s) {
    const answered = (/** @type {any} */ answer) => {
      this.#asking.delete(s);
      this.#place.reach(answer.head);
      if (!this.#asked.delete(s)) return this.unsubscribe(s); // it was closed meanwhile
      this.#confirmed.add(s);
      s.confirm(answer);
    };
    const refused = (/** @type {Error} */ error) => {
      this.#asking.delete(s);
      if (this.#retry(error)) return;
      this.#asked.delete(s);
      s.end(error);
    };
    this.#asking.add(s);
    socket.request({ type: 'subscribe', ...s.filter.lists() }, answered, refused);
  }

  /**
   * Comes again on another socket if an error is one that passes. It reports whether it is.
   *
   * @param {Error} error
   */
  #retry(error) {
    if (!(error instanceof ProblemError)) return true; // the socket has ended, and there will be another one
    if (error.retryable) this.#connection?.again(error.message, error.retryAfterMs);
    return error.retryable;
  }
}
