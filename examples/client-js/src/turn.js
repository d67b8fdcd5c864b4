import { Deferred } from './deferred.js';
import { TurnError } from './errors.js';
import { Stream } from './stream.js';
import { newKey } from './tries.js';

/**
 * One message and what comes of it. It outlives the socket that it was sent on: on every one that it is sent on again, with the same
 * key, the server tells of the turn from the beginning, and what has come before is left out here.
 *
 * @implements {AsyncIterable<string>}
 */
export class Turn {
  #accepted = new Deferred();
  #reply = new Deferred();
  #settle;
  #cancel;
  #over = false;
  #epoch = '';
  #seq = 0;

  /** Of the turn, once it is accepted. */
  runId = '';
  /** Whether the message was sent on the socket that there is. */
  sent = false;
  /** Whether it waits before it is sent again. */
  pausing = false;

  /**
   * @param {{ agentId?: string, message: string, conversationId?: string, context?: object, onBusy?: string, idempotencyKey?: string }} order
   * @param {{ limit: number, tries: import('./tries.js').Tries, cancel: (runId: string) => Promise<any>, onSettle: (turn: Turn) => void }} options
   *   onSettle is called once, when it is over
   */
  constructor({ agentId, message, conversationId, context, onBusy, idempotencyKey }, { limit, tries, cancel, onSettle }) {
    this.agentId = agentId ?? '';
    this.conversationId = conversationId ?? `js-${newKey()}`;
    this.deltas = new Stream({ limit });
    this.named = idempotencyKey !== undefined;
    this.tries = tries;
    this.#settle = onSettle;
    this.#cancel = cancel;
    this.command = {
      type: agentId ? 'chat:message' : 'chat:route', message, conversationId: this.conversationId,
      ...(agentId && { agentId }), ...(context && { context }), ...(onBusy && { onBusy }), idempotencyKey: idempotencyKey ?? newKey(),
    };
  }

  /** Resolves when the server has the message for good. */
  get accepted() {
    return this.#accepted.promise;
  }

  /** Resolves with the message that is the reply. */
  get reply() {
    return this.#reply.promise;
  }

  get over() {
    return this.#over;
  }

  /** Whether it may have been accepted, and nobody here knows. */
  get doubtful() {
    return !this.runId && (this.sent || this.tries.open);
  }

  /** The pieces of the reply, as they are formed. */
  [Symbol.asyncIterator]() {
    return this.deltas;
  }

  /** Ends the turn, once it is accepted, and resolves with its run. */
  async cancel() {
    const { runId } = await this.#accepted.promise;
    return this.#cancel(runId);
  }

  /** @param {{ runId: string, agentId: string, conversationId: string, route?: object }} ack */
  accept({ runId, agentId, conversationId, route }) {
    this.runId = runId;
    this.agentId = agentId;
    this.conversationId = conversationId;
    this.#accepted.resolve({ runId, agentId, conversationId, ...(route && { route }) });
  }

  /**
   * Takes a chat event of this turn. The last one need not have a place any more.
   *
   * @param {any} event
   */
  take(event) {
    if (event.id !== undefined && !this.#isNew(event)) return;
    switch (event.type) {
      case 'chat:delta':
        return this.deltas.push(event.delta);
      case 'chat:reply':
        return this.finish(event.reply);
      case 'chat:failed':
      case 'chat:cancelled':
        return this.fail(ended(event));
    }
  }

  /**
   * Ends as a run has ended, of which nothing has come here: the whole reply is one piece.
   *
   * @param {any} run
   */
  finishAs({ status, reason, error, reply }) {
    if (this.#over) return;
    if (status !== 'completed') return this.take({ type: `chat:${status}`, reason, error, runId: this.runId, conversationId: this.conversationId });
    this.deltas.push(reply.content);
    this.finish(reply);
  }

  /** @param {any} reply */
  finish(reply) {
    this.#reply.resolve(reply);
    this.#close();
  }

  /** @param {unknown} error */
  fail(error) {
    this.#accepted.reject(error);
    this.#reply.reject(error);
    this.#close(error);
  }

  /**
   * Fails a turn whose end will not be seen here: with the error, unless the message was accepted or may have been.
   *
   * @param {Error} error
   */
  leave(error) {
    const { runId, conversationId } = this;
    if (!runId && !this.doubtful) return this.fail(error);
    const what = runId ? 'The message was accepted, and the turn goes on' : 'The message may have been accepted; sent again with the same idempotencyKey, it is accepted once';
    this.fail(new TurnError(runId ? /** @type {any} */ (error).code : 'unknown_outcome', `${error.message} ${what}.`, { cause: error, runId, conversationId }));
  }

  /** @param {{ id: string, seq: number }} event */
  #isNew({ id, seq }) {
    const epoch = id.slice(0, id.lastIndexOf('-'));
    if (epoch === this.#epoch && seq <= this.#seq) return false;
    [this.#epoch, this.#seq] = [epoch, seq];
    return true;
  }

  /** @param {unknown} [error] */
  #close(error) {
    if (this.#over) return;
    this.#over = true;
    this.deltas.end(error);
    this.#settle(this);
  }
}

/**
 * Words the end of a turn that is no reply.
 *
 * @param {any} event
 */
function ended({ type, reason, error, runId, conversationId }) {
  const what = type === 'chat:cancelled' ? 'The turn was cancelled' : 'The turn failed';
  return new TurnError(codeOf(type, reason), `${what}: ${reason}.${error ? ` ${error}` : ''}`, { runId, conversationId, reason });
}

/**
 * The code that REST gives to such an end.
 *
 * @param {string} type
 * @param {string} reason
 */
function codeOf(type, reason) {
  if (reason === 'agent_stopped') return 'agent_not_running';
  if (reason === 'host_restarted' || reason === 'host_shutdown') return 'unavailable';
  return type === 'chat:cancelled' ? 'cancelled' : 'internal';
}
