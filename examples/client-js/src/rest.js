import { Caller } from './caller.js';
import { ProblemError, TurnError } from './errors.js';
import { newKey } from './tries.js';
import { untilEnd } from './wait.js';

const AGENTS = 'api/agents';
const CONVERSATIONS = 'api/chat/conversations';
const RUNS = 'api/runs';

/** How long one request for a reply may take: the server waits two minutes, unless it is told otherwise. */
const REPLY_MS = 130_000;

/** The routes of the API. types/index.d.ts says what each promises. */
export class Rest {
  #caller;

  /** @param {ConstructorParameters<typeof Caller>[0]} options */
  constructor(options) {
    this.#caller = new Caller(options);
    this.agents = agents(this.#caller);
    this.conversations = conversations(this.#caller);
    this.memory = memory(this.#caller);
    this.runs = runs(this.#caller);
    this.usage = usage(this.#caller);
  }

  /**
   * @param {string} message
   * @param {object} [context]
   */
  route(message, context) {
    return this.#caller.call('POST', 'api/chat/route', { body: { message, context }, reads: true });
  }

  /**
   * Sends a message, once, and waits for the reply: the server does so for a while only, and then the next request waits for the
   * same turn.
   *
   * @param {{ message: string, idempotencyKey?: string, agentId?: string, conversationId?: string, context?: object, onBusy?: string, onDisconnect?: string }} order
   * @param {{ waitMs?: number, timeoutMs?: number }} [options]
   */
  async send({ idempotencyKey = newKey(), ...body }, { waitMs, timeoutMs = Infinity } = {}) {
    /** @type {Record<string, string>} */
    const headers = waitMs === undefined ? {} : { Prefer: waitMs < 1000 ? 'respond-async' : `wait=${Math.floor(waitMs / 1000)}` };
    const goesOn = async (/** @type {ProblemError} */ error) => {
      const run = await this.runs.get(error.runId);
      return !over(run) || run.status === 'completed'; // the reply came while nobody could see it: the same request has it
    };
    const until = Date.now() + timeoutMs;
    /** @type {any} */
    let took;
    for (;;) {
      const options = { body, headers, key: idempotencyKey, tryMs: REPLY_MS, timeoutMs: until - Date.now(), goesOn };
      const answer = await this.#caller.call('POST', 'api/chat/send', options).catch((error) => {
        if (!took || error instanceof ProblemError) throw error;
        throw new TurnError('deadline_exceeded', `There was no reply in ${timeoutMs} ms; the turn goes on.`, { ...took, cause: error });
      });
      if (answer.reply || waitMs !== undefined) return answer;
      took = answer;
    }
  }
}

/** @param {{ status: string }} run */
function over({ status }) {
  return ['completed', 'failed', 'cancelled'].includes(status);
}

/** @param {Caller} caller */
function runs(caller) {
  const path = (/** @type {string} */ id, rest = '') => `${RUNS}/${encodeURIComponent(id)}${rest}`;
  const get = (/** @type {string} */ id) => caller.get(path(id));
  const list = (query = {}) => caller.get(RUNS, query);
  return {
    get, list,
    all: (query = {}) => each(list, query, 'runs'),
    cancel: (/** @type {string} */ id) => caller.call('POST', path(id, '/cancel')),
    wait: async (/** @type {string} */ id, /** @type {{ signal?: AbortSignal }} */ { signal } = {}) => {
      for (;;) {
        signal?.throwIfAborted();
        const run = await get(id);
        if (over(run)) return run;
        await untilEnd(caller, id, signal);
      }
    },
  };
}

/** @param {Caller} caller */
function agents(caller) {
  const path = (/** @type {string} */ id, rest = '') => `${AGENTS}/${encodeURIComponent(id)}${rest}`;
  const list = (query = {}) => caller.get(AGENTS, query);
  return {
    list,
    all: (query = {}) => each(list, query, 'agents'),
    get: (/** @type {string} */ id) => caller.get(path(id)),
    create: (/** @type {object} */ agent) => caller.call('POST', AGENTS, { body: agent }),
    update: (/** @type {string} */ id, /** @type {object} */ patch, /** @type {Condition} */ condition = {}) =>
      caller.call('PATCH', path(id), { body: patch, headers: ifMatch(condition) }),
    delete: (/** @type {string} */ id, /** @type {Condition} */ condition = {}) => caller.call('DELETE', path(id), { headers: ifMatch(condition) }),
    start: (/** @type {string} */ id) => caller.call('POST', path(id, '/start')),
    stop: (/** @type {string} */ id) => caller.call('POST', path(id, '/stop')),
  };
}

/** @param {Caller} caller */
function conversations(caller) {
  const path = (/** @type {string} */ id) => `${CONVERSATIONS}/${encodeURIComponent(id)}`;
  const get = (/** @type {string} */ id, query = {}) => caller.get(path(id), query);
  const list = (query = {}) => caller.get(CONVERSATIONS, query);
  return {
    get, list,
    all: (query = {}) => each(list, query, 'conversations'),
    messages: (/** @type {string} */ id, query = {}) => messages((q) => get(id, q), query),
    create: (conversation = {}) => caller.call('POST', CONVERSATIONS, { body: conversation }),
    update: (/** @type {string} */ id, /** @type {object} */ patch, /** @type {Condition} */ condition = {}) =>
      caller.call('PATCH', path(id), { body: patch, headers: ifMatch(condition) }),
    delete: (/** @type {string} */ id, /** @type {Condition} */ condition = {}) => caller.call('DELETE', path(id), { headers: ifMatch(condition) }),
  };
}

/** @param {Caller} caller */
function memory(caller) {
  const path = (/** @type {string} */ agentId, /** @type {string} */ id) =>
    agentId ? `${AGENTS}/${encodeURIComponent(agentId)}/memories/${encodeURIComponent(id)}` : `api/memory/${encodeURIComponent(id)}`;
  return {
    store: (/** @type {object} */ memory) => caller.call('POST', 'api/memory/store', { body: memory }),
    search: (/** @type {Record<string, any>} */ { tags, metadata = {}, ...query }) =>
      caller.get('api/memory/search', { ...query, tag: tags, ...Object.fromEntries(Object.entries(metadata).map(([k, v]) => [`metadata.${k}`, v])) }),
    get: (/** @type {string} */ agentId, /** @type {string} */ id) => caller.get(path(agentId, id)),
    delete: (/** @type {string} */ agentId, /** @type {string} */ id) => caller.call('DELETE', path(agentId, id)),
  };
}

/** @param {Caller} caller */
function usage(caller) {
  const time = (/** @type {string | Date | undefined} */ t) => (t === undefined ? undefined : new Date(t).toISOString());
  const report = (/** @type {Record<string, any>} */ { since, until, ...query } = {}) =>
    caller.get('api/usage', { ...query, since: time(since), until: time(until) });
  return { report, all: (query = {}) => each(report, query, 'groups') };
}

/** @typedef {{ ifRevision?: number }} Condition */

/**
 * @param {Condition} condition
 * @returns {Record<string, string>}
 */
function ifMatch({ ifRevision }) {
  return ifRevision === undefined ? {} : { 'If-Match': `"${ifRevision}"` };
}

/**
 * Yields what is on one page after the other.
 *
 * @param {(query: object) => Promise<any>} list
 * @param {object} query
 * @param {string} member of a page that has the things
 */
async function* each(list, query, member) {
  for (let page, more = {}; !page || page.nextCursor; more = { cursor: page.nextCursor }) {
    page = await list({ ...query, ...more });
    yield* page[member];
  }
}

/**
 * Yields messages: the newest first, or those after since, in order.
 *
 * @param {(query: object) => Promise<any>} get
 * @param {{ since?: string }} query
 */
async function* messages(get, { since, ...query }) {
  let page = await get({ ...query, since });
  for (;;) {
    yield* since ? page.messages : page.messages.reverse();
    const cursor = since ? page.prevCursor : page.nextCursor;
    if (!cursor) return;
    page = await get({ ...query, cursor });
  }
}
