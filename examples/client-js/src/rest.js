import { ConnectionError, ProblemError, StagehouseError } from './errors.js';

/** The REST calls of the API. Every one rejects with a ProblemError where the server says no. */
export class Rest {
  #base;
  #token;
  #timeoutMs;

  /** @param {{ url: string, token?: string | (() => string | Promise<string>), timeoutMs: number }} options the url ends in a slash */
  constructor({ url, token, timeoutMs }) {
    this.#base = url;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    const agent = (/** @type {string} */ id, rest = '') => `api/agents/${encodeURIComponent(id)}${rest}`;
    this.agents = {
      list: (query = {}) => this.#get('api/agents', query),
      get: (/** @type {string} */ id) => this.#get(agent(id)),
      update: (/** @type {string} */ id, /** @type {object} */ patch, /** @type {{ ifRevision?: number }} */ { ifRevision } = {}) =>
        this.#call('PUT', agent(id), { body: patch, headers: ifRevision === undefined ? {} : { 'If-Match': `"${ifRevision}"` } }),
      start: (/** @type {string} */ id) => this.#call('POST', agent(id, '/start'), { repeatable: true }),
      stop: (/** @type {string} */ id) => this.#call('POST', agent(id, '/stop'), { repeatable: true }),
    };
    this.conversations = {
      list: (query = {}) => this.#get('api/chat/conversations', query),
      get: (/** @type {string} */ id, query = {}) => this.#get(`api/chat/conversations/${encodeURIComponent(id)}`, query),
    };
    this.memory = {
      store: (/** @type {object} */ memory) => this.#call('POST', 'api/memory/store', { body: memory }),
      search: (/** @type {{ q: string }} */ query) => this.#get('api/memory/search', query),
      get: (/** @type {string} */ agentId, /** @type {string} */ id) => this.#get(agent(agentId, `/memories/${encodeURIComponent(id)}`)),
    };
  }

  /**
   * Sends a message and waits for the reply, without a socket.
   *
   * @param {{ message: string, agentId?: string, conversationId?: string, context?: object }} order
   * @param {{ timeoutMs?: number }} [options] the server waits two minutes for the reply, unless it is told otherwise
   */
  send(order, { timeoutMs = 130_000 } = {}) {
    return this.#call('POST', 'api/chat/send', { body: order, timeoutMs });
  }

  /**
   * @param {string} path
   * @param {Record<string, any>} [query]
   */
  #get(path, query = {}) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
    return this.#call('GET', search.size ? `${path}?${search}` : path, { repeatable: true });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: object, headers?: Record<string, string>, repeatable?: boolean, timeoutMs?: number }} options
   *   repeatable: nothing is the worse for it if it happens twice
   */
  async #call(method, path, { body, headers, repeatable = false, timeoutMs = this.#timeoutMs }) {
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token;
    let response, text;
    try {
      response = await fetch(new URL(path, this.#base), {
        method,
        headers: { ...(token && { Authorization: `Bearer ${token}` }), ...(body && { 'Content-Type': 'application/json' }), ...headers },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw broken(`${method} ${path}`, repeatable, cause);
    }
    return answer(response, text);
  }
}

/**
 * Words the failure of a request to which there was no answer.
 *
 * @param {string} what
 * @param {boolean} repeatable
 * @param {unknown} cause
 */
function broken(what, repeatable, cause) {
  const why = `There was no answer to ${what}: ${/** @type {Error} */ (cause).message}.`;
  if (repeatable) return new ConnectionError('unavailable', `${why} Try again.`, { retryable: true, cause });
  return new ConnectionError('unknown_outcome', `${why} It may have been carried out; look before you try again.`, { cause });
}

/**
 * @param {Response} response
 * @param {string} text
 */
function answer(response, text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new StagehouseError('internal', `The answer (status ${response.status}) is not JSON. Is ${response.url} a stagehouse server?`);
  }
  if (response.ok) return body;
  const seconds = Number(response.headers.get('Retry-After') ?? 0);
  throw new ProblemError({ status: response.status, code: 'internal', ...body, retryAfterMs: seconds * 1000 });
}
