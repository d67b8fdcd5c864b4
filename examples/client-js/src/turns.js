import { ConnectionError, ProblemError, StagehouseError, TurnError } from './errors.js';
import { Tries } from './tries.js';
import { Turn } from './turn.js';

/** How many messages may wait for a connection. */
const MAX_WAITING = 256;

/**
 * The turns that are not over. A message waits until there is a socket, and is sent on every one that there is until its turn is
 * over: its key has it accepted once, and every socket told of its turn.
 */
export class Turns {
  #options;
  /** @type {Set<Turn>} in the order of their beginning */
  #all = new Set();
  /** @type {Map<Turn, ReturnType<typeof setTimeout>>} what happens to a turn next, if nothing does before */
  #timers = new Map();
  /** @type {Map<string, Turn>} by run, those that were accepted */
  #running = new Map();
  /** @type {Set<Turn>} those that this socket tells of */
  #told = new Set();
  /** @type {Set<string>} runs of those that this socket has told of, or tells of, which were sent with a key of the caller's */
  #named = new Set();
  /** @type {Map<string, any[]>} by run, what came of turns that may be those of messages whose ack is to come */
  #early = new Map();
  #flush = () => {};

  /**
   * @param {object} options
   * @param {number} options.timeoutMs until a message is sent, and then until it is answered
   * @param {number} options.buffer deltas that may wait for a reader
   * @param {{ baseMs: number, maxMs: number }} options.retry
   * @param {boolean} options.withoutRetry
   * @param {{ cancel: (id: string) => Promise<any>, wait: (id: string) => Promise<any> }} options.runs
   */
  constructor(options) {
    this.#options = options;
  }

  /**
   * @param {{ agentId?: string, message: string, conversationId?: string, context?: object, onBusy?: string, idempotencyKey?: string, signal?: AbortSignal }} order
   */
  begin({ signal, ...order }) {
    const abort = () => turn.fail(signal?.reason);
    const turn = new Turn(order, {
      limit: this.#options.buffer,
      tries: new Tries(this.#options.retry),
      cancel: this.#options.runs.cancel,
      onSettle: () => {
        signal?.removeEventListener('abort', abort);
        this.#forget(turn);
      },
    });
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    else if (this.#waiting >= MAX_WAITING) turn.fail(new StagehouseError('busy', `${MAX_WAITING} messages wait for a connection already; send this one later.`, { retryable: true }));
    else this.#wait(turn);
    return turn;
  }

  /**
   * Sends what was not sent on this socket yet.
   *
   * @param {import('./socket.js').Socket} socket
   * @param {{ flush: () => void, again: (reason: string) => void }} session
   */
  send(socket, { flush, again }) {
    this.#flush = flush;
    for (const turn of this.#all) {
      if (turn.sent || turn.pausing) continue;
      turn.sent = true;
      this.#after(turn, this.#options.timeoutMs, () => again(`the server has not answered a message in ${this.#options.timeoutMs} ms`));
      socket.request(turn.command, (ack) => this.#accepted(turn, ack), (error) => this.#refused(turn, error));
    }
  }

  /** The socket is no more: everything has to be sent again. */
  lost() {
    this.#told.clear();
    this.#named.clear();
    for (const turn of this.#all) {
      if (!turn.sent) continue;
      turn.tries.open ||= turn.doubtful;
      turn.sent = false;
      this.#wait(turn);
    }
  }

  /**
   * Takes an event, if it is of one of the turns.
   *
   * @param {any} event
   */
  take(event) {
    if (!event.runId || !event.type.startsWith('chat:')) return;
    const turn = this.#running.get(event.runId);
    if (turn) return turn.take(event);
    if (!this.#mayBeMine(event)) return;
    const early = this.#early.get(event.runId) ?? [];
    early.push(event);
    this.#early.set(event.runId, early);
  }

  /** Whether this socket tells of a turn, of which it would not tell again what it has left out. */
  get told() {
    return this.#told.size > 0;
  }

  /**
   * The server does not know any more what became of a run.
   *
   * @param {string} runId
   * @param {Error} error
   */
  untold(runId, error) {
    this.#running.get(runId)?.leave(error);
  }

  /**
   * Nothing more will come.
   *
   * @param {Error} [error]
   */
  end(error) {
    const closed = error ?? new ConnectionError('closed', 'The client was closed.');
    for (const turn of [...this.#all]) turn.leave(closed);
  }

  get #waiting() {
    return [...this.#all].filter((turn) => !turn.sent && !turn.runId).length;
  }

  /** @param {Turn} turn */
  #wait(turn) {
    this.#all.add(turn);
    if (turn.runId || turn.tries.open) return void this.#stopTimer(turn); // it waits for as long as it takes
    const late = new ConnectionError('unavailable', `There was no connection for ${this.#options.timeoutMs} ms. The message was not sent.`, { retryable: true });
    this.#after(turn, this.#options.timeoutMs, () => turn.fail(late));
  }

  /**
   * @param {Turn} turn
   * @param {any} ack
   */
  #accepted(turn, ack) {
    if (turn.over) return;
    this.#stopTimer(turn);
    if (turn.runId && turn.runId !== ack.runId) {
      return turn.leave(new TurnError('not_found', `The server does not know run ${turn.runId} any more, and has begun run ${ack.runId}: its log is another one.`));
    }
    turn.tries.reset();
    turn.accept(ack);
    if (this.#named.has(ack.runId)) return void this.#lookUp(turn);
    if (turn.named) this.#named.add(ack.runId);
    this.#running.set(ack.runId, turn);
    this.#told.add(turn);
    for (const event of this.#early.get(ack.runId) ?? []) turn.take(event);
    this.#tidy();
  }

  /**
   * @param {Turn} turn
   * @param {Error} error
   */
  #refused(turn, error) {
    if (turn.over) return;
    if (error instanceof ConnectionError) { // the socket is gone, and lost comes or has come
      if (this.#options.withoutRetry && !turn.runId) turn.leave(error);
      return;
    }
    turn.sent = false;
    if (!turn.runId) turn.tries.note(error);
    const passes = error instanceof ProblemError && (turn.runId ? error.retryable || error.code === 'internal' : turn.tries.goOn(error));
    if (!passes || (this.#options.withoutRetry && !turn.runId)) return turn.leave(error);
    turn.pausing = true;
    this.#after(turn, turn.tries.next(error), () => {
      turn.pausing = false;
      this.#wait(turn);
      this.#flush();
    });
  }

  /**
   * Waits for a turn of which another one here has the frames: this socket is not sent them twice.
   *
   * @param {Turn} turn
   */
  async #lookUp(turn) {
    try {
      turn.finishAs(await this.#options.runs.wait(turn.runId));
    } catch (error) {
      turn.leave(/** @type {Error} */ (error));
    }
  }

  /**
   * What comes of a message before its ack comes on a socket that was sent the message before, or by a subscription.
   *
   * @param {any} event
   */
  #mayBeMine(event) {
    for (const turn of this.#all) if (!turn.runId && turn.conversationId === event.conversationId) return true;
    return false;
  }

  /** Lets go of what is nobody's. */
  #tidy() {
    for (const [run, [event]] of this.#early) if (this.#running.has(run) || !this.#mayBeMine(event)) this.#early.delete(run);
  }

  /**
   * @param {Turn} turn
   * @param {number} ms
   * @param {() => void} act
   */
  #after(turn, ms, act) {
    this.#stopTimer(turn);
    this.#timers.set(turn, setTimeout(act, ms));
  }

  /** @param {Turn} turn */
  #stopTimer(turn) {
    clearTimeout(this.#timers.get(turn));
    this.#timers.delete(turn);
  }

  /** @param {Turn} turn */
  #forget(turn) {
    this.#stopTimer(turn);
    this.#all.delete(turn);
    this.#told.delete(turn);
    if (this.#running.get(turn.runId) === turn) this.#running.delete(turn.runId);
    this.#tidy();
  }
}
