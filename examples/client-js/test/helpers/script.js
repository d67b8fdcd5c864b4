import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

/**
 * A server that does what a test says, right or wrong: the n-th socket is played by the n-th function, and the last of them plays
 * all that follow. `done` resolves when the last one has been played once; `close` throws what any of them has thrown.
 */
export class Script {
  #http = createServer((request, response) => this.rest(request, response)).listen(0, '127.0.0.1');
  #server = new WebSocketServer({ server: this.#http });
  #error;
  sockets = 0;
  rest = (request, response) => response.end('"nothing"');

  static async serve(...plays) {
    const script = new Script();
    await once(script.#http, 'listening');
    script.url = `http://127.0.0.1:${script.#http.address().port}`;
    script.done = new Promise((resolve) => {
      script.#server.on('connection', async (ws) => {
        const play = plays[Math.min(script.sockets++, plays.length - 1)];
        await (async () => play(new Peer(ws)))().catch((error) => (script.#error ??= error));
        if (script.sockets >= plays.length) resolve();
      });
    });
    return script;
  }

  close() {
    for (const ws of this.#server.clients) ws.terminate();
    this.#server.close();
    this.#http.close();
    this.#http.closeAllConnections();
    if (this.#error) throw this.#error;
  }
}

/** The server's end of one socket. */
class Peer {
  #ws;
  #frames = [];
  #waiting;

  constructor(ws) {
    this.#ws = ws;
    ws.on('message', (data) => {
      this.#frames.push(JSON.parse(data));
      this.#waiting?.();
    });
  }

  send(frame) {
    this.#ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  close(code, reason) {
    this.#ws.close(code, reason);
  }

  /** Breaks the connection without a word. */
  cut() {
    this.#ws.terminate();
  }

  /** Reads nothing more, and answers nothing, as a machine that has gone. */
  vanish() {
    this.#ws.pause();
  }

  closed() {
    return once(this.#ws, 'close');
  }

  /** Returns the next frame of a type; those before it are let go. */
  async expect(type) {
    for (;;) {
      const frame = await this.next();
      if (frame.type === type) return frame;
    }
  }

  /** Returns the next frame. */
  async next() {
    while (!this.#frames.length) await new Promise((resolve) => (this.#waiting = resolve));
    return this.#frames.shift();
  }

  /** Answers a command. */
  answer({ id }, frame) {
    this.send({ ...frame, id });
  }

  /** Lets the client in, and returns its first subscribe. */
  async greet(limits = {}) {
    this.send({ type: 'welcome', protocol: 1, authRequired: true, epoch: 'e', limits: { frameBytes: 262144, ...limits } });
    this.answer(await this.expect('auth'), { type: 'auth:ok', principal: 'p', scopes: ['chat'] });
    return this.expect('subscribe');
  }

  /** greet, and everything that is needed for the client to be ready. */
  async open({ head = 'e-10', limits } = {}) {
    const first = await this.greet(limits);
    this.answer(first, { type: 'subscribed', agents: [], events: [], head, recovered: Boolean(first.since) });
    return first;
  }

  /** Answers the next subscribe. */
  async subscribed(head = 'e-10') {
    this.answer(await this.expect('subscribe'), { type: 'subscribed', agents: ['*'], events: [], head, recovered: false });
  }

  /** Acknowledges the next message, which has to be the one that was said before if that is given. */
  async ack(more = {}, before) {
    const command = await this.expect('chat:message');
    assert.ok(command.idempotencyKey);
    if (before) assert.deepEqual({ ...command, id: 0 }, { ...before, id: 0 });
    this.answer(command, { type: 'ack', runId: 'run_1', agentId: command.agentId, conversationId: command.conversationId, ...more });
    return command;
  }
}

/** An event of the log of epoch e. */
export function event(seq, prevSeq, more = {}) {
  return { type: 'agent:thought', id: `e-${seq}`, seq, prevSeq, agentId: 'nyx', thought: `${seq}`, ...more };
}

/** An event of a turn; without prevSeq, it lies behind the place of the socket. */
export function turn(seq, prevSeq, type, more = {}) {
  return event(seq, prevSeq, { type: `chat:${type}`, runId: 'run_1', ...more });
}
