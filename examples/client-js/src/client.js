import { Connection } from './connection.js';
import { Deferred } from './deferred.js';
import { Emitter } from './emitter.js';
import { ConnectionError, StagehouseError } from './errors.js';
import { Rest } from './rest.js';
import { Session } from './session.js';
import { Subscription } from './subscription.js';
import { Turns } from './turns.js';

/** What an option is when it is not given. */
const DEFAULTS = {
  timeoutMs: 30_000,
  heartbeatMs: 15_000,
  buffer: 4096,
  retry: { baseMs: 250, maxMs: 15_000 },
  withoutRetry: false,
};

/**
 * A client of one API server, for one token. types/index.d.ts says what each member promises.
 */
export class Client {
  #options;
  #rest;
  #turns;
  #session;
  #emitter = new Emitter();
  /** @type {Connection | undefined} */
  #connection;
  #opened = new Deferred();
  /** @type {Error | undefined} */
  #stopped;
  #trouble = '';

  /** @param {any} options */
  constructor({ url, token, webSocket = browserWebSocket, ...rest }) {
    this.#options = { ...DEFAULTS, ...rest, url: new URL('ws', directory(url)).href.replace(/^http/, 'ws'), token, loadWebSocket: webSocket };
    const { timeoutMs, retry, withoutRetry } = this.#options;
    this.#rest = new Rest({ url: directory(url), token, timeoutMs, retry, withoutRetry });
    this.agents = this.#rest.agents;
    this.runs = this.#rest.runs;
    this.conversations = this.#rest.conversations;
    this.memory = this.#rest.memory;
    this.usage = this.#rest.usage;
    this.#turns = new Turns({ ...this.#options, runs: this.#rest.runs });
    this.#session = new Session(this.#turns, (name, value) => this.#emit(name, value));
  }

  get place() {
    return this.#session.place;
  }

  async connect() {
    this.#check();
    if (!this.#connection) this.#start();
    const late = setTimeout(() => this.#connection?.stop(this.#unreachable()), this.#options.timeoutMs);
    try {
      await this.#opened.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** @param {{ agents?: string[], events?: string[], since?: string, buffer?: number }} [lists] */
  subscribe({ agents, events, since, buffer = this.#options.buffer } = {}) {
    this.#check();
    if (since && (this.#connection || this.#session.place)) {
      throw new StagehouseError('failed_precondition', 'since is for the first subscription of a client, before it connects. Make another client to read from there.');
    }
    const subscription = new Subscription({ agents, events }, { limit: buffer, onClose: (s) => this.#session.unsubscribe(s) });
    this.#session.subscribe(subscription, since);
    return subscription;
  }

  /**
   * @param {string} name
   * @param {(value: any) => void} listener
   */
  on(name, listener) {
    return this.#emitter.on(name, listener);
  }

  /** @param {{ agentId?: string, message: string, conversationId?: string, context?: object, onBusy?: string, idempotencyKey?: string, signal?: AbortSignal }} order */
  chat(order) {
    this.#check();
    const turn = this.#turns.begin(order);
    this.#session.flush();
    return turn;
  }

  /**
   * @param {{ message: string, agentId?: string, conversationId?: string, context?: object, onBusy?: string, onDisconnect?: string, idempotencyKey?: string }} order
   * @param {{ waitMs?: number, timeoutMs?: number }} [options]
   */
  send(order, options) {
    return this.#rest.send(order, options);
  }

  /**
   * @param {string} message
   * @param {object} [context]
   */
  route(message, context) {
    return this.#rest.route(message, context);
  }

  close() {
    if (this.#connection) this.#connection.stop();
    else this.#end(undefined);
  }

  #start() {
    const session = this.#session;
    this.#connection = new Connection(this.#options, {
      begin: (socket) => session.begin(socket),
      frame: (frame) => session.take(frame),
      complain: (error) => session.complain(error),
      ended: () => session.ended(),
      stopped: (error) => this.#end(error),
      emit: (name, value) => this.#emit(name, value),
    });
    session.attach(this.#connection);
    void this.#connection.start();
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  #emit(name, value) {
    if (name === 'reconnecting') this.#trouble = ` Last of all: ${value.reason}.`;
    if (name === 'open') this.#opened.resolve(undefined);
    this.#emitter.emit(name, value);
  }

  /** @param {Error | undefined} error */
  #end(error) {
    if (this.#stopped) return;
    this.#stopped = error ?? new ConnectionError('closed', 'The client was closed.');
    this.#opened.reject(this.#stopped);
    this.#session.end(error);
    this.#emitter.emit('closed', error ? { error } : {});
  }

  #check() {
    if (this.#stopped) throw this.#stopped;
  }

  #unreachable() {
    return new ConnectionError('unavailable', `There was no connection to ${this.#options.url} in ${this.#options.timeoutMs} ms. Is the server running there?${this.#trouble}`, { retryable: true });
  }
}

/** @param {string | URL} url */
function directory(url) {
  if (!/^https?:\/\//.test(String(url))) throw new StagehouseError('invalid_argument', `url must be that of the API server, such as http://127.0.0.1:3001, and is ${url}.`);
  return String(url).endsWith('/') ? String(url) : `${url}/`;
}

function browserWebSocket() {
  if (globalThis.WebSocket) return globalThis.WebSocket;
  throw new StagehouseError('failed_precondition', 'There is no global WebSocket here. Give its constructor with the option webSocket.');
}
