import { ConnectionError, ProblemError, StagehouseError } from './errors.js';
import { Turn } from './turn.js';

/** How many messages may wait for a connection. */
const MAX_WAITING = 256;

/**
 * The turns that are not over. A message waits until there is a socket, is sent once, and never again: if its ack is lost
 * with the socket, it is adrift until the log, read anew, has told whether it was accepted.
 */
export class Turns {
  #options;
  /** @type {Set<Turn>} */
  #waiting = new Set();
  /** @type {Set<Turn>} */
  #sent = new Set();
  /** @type {Set<Turn>} */
  #adrift = new Set();
  /** @type {Map<string, Turn>} */
  #running = new Map();

  /**
   * @param {object} options
   * @param {number} options.timeoutMs until a message is accepted
   * @param {number} options.buffer deltas that may wait for a reader
   * @param {(id: string) => Promise<any>} options.conversation reads one
   */
  constructor(options) {
    this.#options = options;
  }

  /**
   * @param {{ agentId?: string, message: string, conversationId?: string, context?: object, signal?: AbortSignal }} order
   */
  begin({ signal, ...order }) {
    const late = setTimeout(() => this.#late(turn), this.#options.timeoutMs);
    const abort = () => turn.fail(signal?.reason);
    const turn = new Turn(order, {
      limit: this.#options.buffer,
      onSettle: () => {
        clearTimeout(late);
        signal?.removeEventListener('abort', abort);
        this.#forget(turn);
      },
    });
    turn.accepted.then(() => clearTimeout(late), () => {});
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    else if (this.#waiting.size >= MAX_WAITING) turn.fail(new StagehouseError('busy', `${MAX_WAITING} messages wait for a connection already; send this one later.`, { retryable: true }));
    else this.#waiting.add(turn);
    return turn;
  }

  /**
   * Sends what waits.
   *
   * @param {import('./socket.js').Socket} socket
   */
  send(socket) {
    for (const turn of this.#waiting) {
      this.#waiting.delete(turn);
      this.#sent.add(turn);
      socket.request(turn.command, (ack) => this.#accepted(turn, ack), (error) => this.#refused(turn, error));
    }
  }

  /**
   * Takes an event, if it is of one of the turns.
   *
   * @param {any} event
   */
  take(event) {
    if (!event.runId || !event.type.startsWith('chat:')) return;
    if (event.type === 'chat:queued' && !this.#running.has(event.runId)) this.#find(event);
    this.#running.get(event.runId)?.take(event);
  }

  /** What a new socket must let through. */
  filters() {
    return [...this.#adrift, ...this.#running.values()].map((turn) => turn.filter());
  }

  /** The log has told all there is: what is adrift may have been accepted or not. */
  settle() {
    for (const turn of [...this.#adrift]) turn.lose('The connection was lost before the server had said that it accepted the message.');
  }

  /** Events are gone that may have been the ends of turns; whether they had replies stands in their conversations. */
  async lookUp() {
    await Promise.all([...this.#running.values()].map(async (turn) => {
      try {
        const { messages } = await this.#options.conversation(turn.conversationId);
        const reply = messages.find((/** @type {any} */ m) => m.role === 'agent' && m.runId === turn.runId);
        if (reply) turn.finish(reply);
        else turn.lose('Events of the turn are no longer in the log, and there is no reply yet.');
      } catch (error) {
        turn.lose('Events of the turn are no longer in the log.', error);
      }
    }));
  }

  /**
   * Nothing more will come.
   *
   * @param {Error} [error]
   */
  end(error) {
    const closed = error ?? new ConnectionError('closed', 'The client was closed.');
    for (const turn of [...this.#waiting]) turn.fail(closed);
    for (const turn of [...this.#sent, ...this.#adrift, ...this.#running.values()]) turn.lose(closed.message, closed);
  }

  /**
   * @param {Turn} turn
   * @param {any} ack
   */
  #accepted(turn, ack) {
    this.#sent.delete(turn);
    this.#adrift.delete(turn);
    if (turn.over) return;
    turn.accept(ack);
    this.#running.set(ack.runId, turn);
  }

  /**
   * @param {Turn} turn
   * @param {Error} error
   */
  #refused(turn, error) {
    this.#sent.delete(turn);
    if (turn.over) return;
    if (error instanceof ConnectionError) return void this.#adrift.add(turn);
    if (!(error instanceof ProblemError && error.runId)) return turn.fail(error);
    turn.lose(`The server could not say whether it accepted the message (${error.code}).`, error);
  }

  /** @param {any} event */
  #find(event) {
    for (const turn of this.#adrift) {
      if (turn.isQueuedBy(event)) return this.#accepted(turn, event);
    }
  }

  /** @param {Turn} turn */
  #late(turn) {
    if (!this.#waiting.has(turn)) return turn.lose(`The server has not said in ${this.#options.timeoutMs} ms that it accepted the message.`);
    turn.fail(new ConnectionError('unavailable', `There was no connection for ${this.#options.timeoutMs} ms. The message was not sent.`, { retryable: true }));
  }

  /** @param {Turn} turn */
  #forget(turn) {
    this.#waiting.delete(turn);
    this.#sent.delete(turn);
    this.#adrift.delete(turn);
    if (this.#running.get(turn.runId) === turn) this.#running.delete(turn.runId);
  }
}
