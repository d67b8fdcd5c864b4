import { ConnectionError, ProblemError, StagehouseError } from './errors.js';
import { Tries, isUnsure, newKey } from './tries.js';

/** Errors of Node's that say that nothing was sent. A browser does not tell them apart. */
const NOT_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

/** What the status of something means that stands in front of the server, and answers in its place. */
const CODES = new Map([[429, 'rate_limited'], [502, 'unavailable'], [503, 'unavailable'], [504, 'deadline_exceeded']]);

/** Makes requests, again and again where that makes sense: what changes something has the same idempotency key every time. */
export class Caller {
  #options;

  /**
   * @param {object} options
   * @param {string} options.url ends in a slash
   * @param {string | (() => string | Promise<string>)} [options.token]
   * @param {number} options.timeoutMs of all tries together
   * @param {{ baseMs: number, maxMs: number }} options.retry
   * @param {boolean} options.withoutRetry
   */
  constructor(options) {
    this.#options = options;
  }

  /**
   * @param {string} path
   * @param {Record<string, any>} [query] what is undefined is left out, and a list is a parameter for each
   */
  get(path, query = {}) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) for (const one of [value].flat()) if (one !== undefined) search.append(name, String(one));
    return this.call('GET', search.size ? `${path}?${search}` : path);
  }

  /**
   * Makes a request, and resolves with the answer. It rejects with a ProblemError where the server says no.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [options]
   * @param {object} [options.body]
   * @param {Record<string, string>} [options.headers]
   * @param {string} [options.key] of a request that changes something; otherwise a new one
   * @param {boolean} [options.reads] it changes nothing, although it is a POST
   * @param {number} [options.timeoutMs] of all tries together
   * @param {number} [options.tryMs] of one
   * @param {(error: ProblemError) => Promise<boolean>} [options.goesOn] whether what an error with a runId is about goes on, or is well over, so that
   *   the answer is still to come, or there
   */
  async call(method, path, { body, headers = {}, key = newKey(), reads = false, timeoutMs = this.#options.timeoutMs, tryMs = timeoutMs, goesOn } = {}) {
    const changes = method !== 'GET' && method !== 'DELETE';
    const tries = new Tries(this.#options.retry);
    const until = Date.now() + timeoutMs;
    const request = { method, path, body, headers: { ...headers, ...(changes && { 'Idempotency-Key': key }) } };
    for (;;) {
      const left = until - Date.now();
      try {
        return await this.#once(request, Math.max(0, Math.min(tryMs, left)));
      } catch (error) {
        if (method === 'DELETE' && tries.open && isProblem(error, 'not_found')) return undefined; // by a try whose answer was lost
        const follows = await this.#follows(error, goesOn);
        if (!follows) {
          if (error instanceof ProblemError && error.runId) throw error; // it is known what came of it
          tries.note(error, mayHaveLeft(error));
        }
        const wait = tries.next(error);
        if (this.#options.withoutRetry || Date.now() + wait >= until || !(follows || tries.goOn(error)) || !passes(error)) throw told(error, method, path, changes && !reads && tries.open);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  /**
   * Makes a request and returns the response, whatever it is.
   *
   * @param {{ method: string, path: string, body?: object, headers: Record<string, string> }} request
   * @param {AbortSignal} signal
   */
  async fetch({ method, path, body, headers }, signal) {
    const { url, token: given } = this.#options;
    const token = typeof given === 'function' ? await given() : given;
    return fetch(new URL(path, url), {
      method,
      headers: { ...(token && { Authorization: `Bearer ${token}` }), ...(body && { 'Content-Type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
      signal,
    });
  }

  /**
   * @param {{ method: string, path: string, body?: object, headers: Record<string, string> }} request
   * @param {number} ms
   */
  async #once(request, ms) {
    const response = await this.fetch(request, AbortSignal.timeout(Math.min(ms, 2 ** 31 - 1)));
    return answer(response, await response.text());
  }

  /**
   * @param {unknown} error
   * @param {((error: ProblemError) => Promise<boolean>) | undefined} goesOn
   */
  async #follows(error, goesOn) {
    return Boolean(goesOn && error instanceof ProblemError && error.runId && isUnsure(error) && (await goesOn(error).catch(() => false)));
  }
}

/**
 * @param {unknown} error
 * @param {string} code
 */
function isProblem(error, code) {
  return error instanceof ProblemError && error.code === code;
}

/** Whether another try may end otherwise. @param {unknown} error */
function passes(error) {
  return !(error instanceof StagehouseError) || error.retryable || isProblem(error, 'internal');
}

/** @param {any} error */
function mayHaveLeft(error) {
  return !NOT_SENT.includes(error.cause?.code);
}

/**
 * Words the failure of a request that will not be made again.
 *
 * @param {any} error
 * @param {string} method
 * @param {string} path
 * @param {boolean} open whether it may have been carried out
 */
function told(error, method, path, open) {
  if (open) return new ConnectionError('unknown_outcome', `${method} ${path} may have been carried out; look before you try again. ${error.message}`, { cause: error });
  if (error instanceof StagehouseError) return error;
  return new ConnectionError('unavailable', `There was no answer to ${method} ${path}: ${error.message}. Try again.`, { retryable: true, cause: error });
}

/**
 * @param {Response} response
 * @param {string} text
 */
function answer(response, text) {
  if (response.status === 204) return undefined;
  const code = CODES.get(response.status) ?? 'internal';
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    if (response.ok || code === 'internal') throw new StagehouseError('internal', `The answer (status ${response.status}) is not JSON. Is ${response.url} a stagehouse server?`);
  }
  if (response.ok) return body;
  const seconds = Number(response.headers.get('Retry-After') ?? 0);
  throw new ProblemError({ status: response.status, code, retryable: code !== 'internal', detail: `The answer is ${response.status}, of something in front of the server.`, ...body, retryAfterMs: seconds * 1000 || 0 });
}
