import { Backoff } from './backoff.js';
import { ConnectionError, ProblemError } from './errors.js';
import { Socket, describe } from './socket.js';

/** How long a socket must have been of use before the next attempt counts as a first one: less may be a server that falls. */
const HEALTHY_MS = 5_000;

/** How long a client stays away that the server has sent off for asking too often, if it did not say how long. */
const LIMIT_PAUSE_MS = 30_000;

const CLOSE_AUTH = 4401;
const CLOSE_ORIGIN = 4403;
const CLOSE_LIMIT = 4429;

/**
 * What a connection tells its owner. begin is called on every new socket that is authenticated, before any event of it; the owner
 * says ready when it has resumed. ended follows every begin. stopped is called once, with no more sockets to come.
 *
 * @typedef {object} Owner
 * @property {(socket: Socket) => void} begin
 * @property {(frame: any) => void} frame
 * @property {(error: ProblemError) => void} complain
 * @property {() => void} ended
 * @property {(error: Error | undefined) => void} stopped
 * @property {(name: string, value: unknown) => void} emit
 */

/** Keeps one authenticated socket open, by opening another one after each loss, until it is closed or refused. */
export class Connection {
  #options;
  #owner;
  #backoff;
  /** @type {Socket | undefined} */
  #socket;
  #begun = false;
  #readyAt = 0;
  #retryAfterMs = 0;
  #drained = false;
  #over = false;
  #wake = () => {};

  /**
   * @param {object} options
   * @param {string} options.url of the WebSocket
   * @param {string | (() => string | Promise<string>)} [options.token]
   * @param {() => any} options.loadWebSocket
   * @param {number} options.heartbeatMs
   * @param {number} options.timeoutMs
   * @param {{ baseMs: number, maxMs: number }} options.retry
   * @param {Owner} owner
   */
  constructor(options, owner) {
    this.#options = options;
    this.#owner = owner;
    this.#backoff = new Backoff(options.retry);
  }

  /** Begins. Called once. */
  async start() {
    while (!this.#over) {
      const end = await this.#live();
      if (this.#over) return;
      const refusal = refused(end);
      if (refusal) return this.stop(refusal);
      await this.#pause(end);
    }
  }

  /** The owner has resumed; the socket is of use. */
  ready() {
    this.#readyAt = Date.now();
  }

  /**
   * Leaves this socket for another one.
   *
   * @param {string} reason
   * @param {number} [retryAfterMs] how long to wait at the least
   */
  again(reason, retryAfterMs = 0) {
    this.#retryAfterMs = Math.max(this.#retryAfterMs, retryAfterMs);
    this.#socket?.cut(reason);
  }

  /**
   * Ends it. Only the first call counts.
   *
   * @param {Error} [error] why, if nobody wished it
   */
  stop(error) {
    if (this.#over) return;
    this.#over = true;
    this.#owner.stopped(error);
    this.#socket?.cut('the client closes');
    this.#wake();
  }

  /**
   * Lives through one socket, and returns how it ended.
   *
   * @returns {Promise<import('./socket.js').End>}
   */
  async #live() {
    this.#begun = this.#drained = false;
    this.#readyAt = this.#retryAfterMs = 0;
    const none = { code: 0, reason: 'the client closes', retryAfterMs: 0 };
    let token;
    try {
      token = typeof this.#options.token === 'function' ? await this.#options.token() : this.#options.token;
    } catch (error) {
      return { ...none, reason: `there is no token: ${/** @type {Error} */ (error).message}` };
    }
    try {
      const WebSocket = await this.#options.loadWebSocket();
      return this.#over ? none : await this.#until(WebSocket, token);
    } catch (error) { // there is no WebSocket, or the page may not open one
      this.stop(/** @type {Error} */ (error));
      return none;
    }
  }

  /**
   * @param {any} WebSocket
   * @param {string | undefined} token
   * @returns {Promise<import('./socket.js').End>}
   */
  #until(WebSocket, token) {
    return new Promise((resolve) => {
      const { url, heartbeatMs, timeoutMs } = this.#options;
      const socket = new Socket({
        WebSocket, url, heartbeatMs,
        onFrame: (frame) => this.#read(socket, frame, token, () => clearTimeout(late)),
        onEnd: (end) => {
          clearTimeout(late);
          this.#socket = undefined;
          if (this.#begun) this.#owner.ended();
          resolve(end);
        },
      });
      const late = setTimeout(() => socket.cut('the server did not let the client in in time'), timeoutMs);
      this.#socket = socket;
    });
  }

  /**
   * @param {Socket} socket
   * @param {any} frame
   * @param {string | undefined} token
   * @param {() => void} letIn
   */
  #read(socket, frame, token, letIn) {
    switch (frame.type) {
      case 'welcome':
        socket.frameBytes = frame.limits?.frameBytes ?? Infinity;
        return this.#authenticate(socket, frame, token, letIn);
      case 'server:draining':
        this.#drained = true;
        this.#retryAfterMs = frame.retryAfterMs ?? 0;
        return this.#owner.emit('draining', frame);
      case 'error': // about no command: a close frame may follow that says less
        if (this.#begun) this.#owner.complain(new ProblemError(frame));
        return this.#owner.emit('problem', new ProblemError(frame));
      default:
        if (this.#begun) this.#owner.frame(frame);
    }
  }

  /**
   * @param {Socket} socket
   * @param {{ authRequired?: boolean }} welcome
   * @param {string | undefined} token
   * @param {() => void} letIn
   */
  #authenticate(socket, welcome, token, letIn) {
    const begin = () => {
      letIn();
      this.#begun = true;
      this.#owner.begin(socket);
    };
    if (welcome.authRequired === false) return begin();
    if (!token) return this.stop(new ConnectionError('unauthenticated', 'The server asks for a token. Give one with the option token.'));
    socket.request({ type: 'auth', token }, begin, (error) => {
      if (error instanceof ProblemError && error.code === 'unauthenticated') return this.stop(unauthenticated(CLOSE_AUTH));
      if (error instanceof ProblemError) this.again(error.message, error.retryAfterMs);
    });
  }

  /** @param {import('./socket.js').End} end */
  #pause(end) {
    if (this.#drained || (this.#readyAt && Date.now() - this.#readyAt >= HEALTHY_MS)) this.#backoff.reset();
    const least = end.code === CLOSE_LIMIT ? end.retryAfterMs || LIMIT_PAUSE_MS : this.#retryAfterMs;
    const delayMs = least + this.#backoff.next();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
      this.#owner.emit('reconnecting', { attempt: this.#backoff.attempt, delayMs, closeCode: end.code, reason: describe(end) });
    });
  }
}

/**
 * Returns the error of an end after which it makes no sense to come again.
 *
 * @param {import('./socket.js').End} end
 */
function refused(end) {
  switch (end.code) {
    case CLOSE_AUTH:
      return unauthenticated(end.code);
    case CLOSE_ORIGIN:
      return new ConnectionError('permission_denied', 'Pages of this origin may not use the API. Add it to cors.origin in the configuration of the server.', { closeCode: end.code });
    default:
      return undefined;
  }
}

/** @param {number} closeCode */
function unauthenticated(closeCode) {
  return new ConnectionError('unauthenticated', 'The server does not accept the token, or accepts it no longer. Make a client with another one.', { closeCode });
}
