import { Deferred } from './deferred.js';
import { TurnError } from './errors.js';
import { Filter } from './filter.js';
import { Stream } from './stream.js';

/** Begins the ids of conversations that are made here. */
const OWN_CONVERSATION = 'js-';

/** Begins the ids of conversations that the server makes. */
const SERVER_CONVERSATION = 'conv_';

/**
 * One message and what comes of it. It outlives the socket that it was sent on.
 *
 * @implements {AsyncIterable<string>}
 */
export class Turn {
  #accepted = new Deferred();
  #reply = new Deferred();
  #settle;
  #over = false;

  /** Of the turn, once it is accepted. */
  runId = '';

  /**
   * @param {{ agentId?: string, message: string, conversationId?: string, context?: object }} order
   * @param {{ limit: number, onSettle: (turn: Turn) => void }} options onSettle is called once, when it is over
   */
  constructor({ agentId, message, conversationId, context }, { limit, onSettle }) {
    this.agentId = agentId ?? '';
    this.conversationId = conversationId ?? newConversation();
    this.deltas = new Stream({ limit });
    this.#settle = onSettle;
    this.command = {
      type: agentId ? 'chat:message' : 'chat:route', message, conversationId: this.conversationId,
      ...(agentId && { agentId }), ...(context && { context }),
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

  /** The pieces of the reply, as they are formed. */
  [Symbol.asyncIterator]() {
    return this.deltas;
  }

  /** @param {{ runId: string, agentId: string, conversationId: string, route?: object }} ack */
  accept({ runId, agentId, conversationId, route }) {
    this.runId = runId;
    this.agentId = agentId;
    this.conversationId = conversationId;
    this.#accepted.resolve({ runId, agentId, conversationId, ...(route && { route }) });
  }

  /**
   * Takes a chat event of this turn.
   *
   * @param {any} event
   */
  take(event) {
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
   * Fails a turn of which nobody here can say any more what becomes of it.
   *
   * @param {string} why
   * @param {unknown} [cause]
   */
  lose(why, cause) {
    const { runId, conversationId } = this;
    const what = runId ? 'The message was accepted; its reply will be in the conversation' : 'The message may have been accepted. Look into the conversation before you send it again';
    this.fail(new TurnError('unknown_outcome', `${why} ${what}.`, { cause, runId, conversationId }));
  }

  /**
   * Reports whether an event says that this message, whose ack was lost, was accepted. The id of its conversation is nobody
   * else's; so it could only be another one if the same words were sent there twice at that moment.
   *
   * @param {any} event
   */
  isQueuedBy(event) {
    const unmistakable = this.conversationId.startsWith(OWN_CONVERSATION) || this.conversationId.startsWith(SERVER_CONVERSATION);
    return unmistakable && event.conversationId === this.conversationId && event.message?.content === this.command.message;
  }

  /** What a new socket must let through for this turn: the server does not know that it is ours. */
  filter() {
    return new Filter({ agents: this.agentId ? [this.agentId] : undefined, events: ['chat:*'] });
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

/** An id that nobody else has; a page that is not served over TLS has no crypto.randomUUID. */
function newConversation() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return OWN_CONVERSATION + Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
