import { ConnectionError, ProblemError } from './errors.js';

/** How long the other end may take to close, where that can be hurried. */
const CLOSE_MS = 1_000;

/**
 * How a socket ended: the code and reason of the close frame, or code 0 when the client gave it up; and how long the server
 * said to wait when it last refused something.
 *
 * @typedef {{ code: number, reason: string, retryAfterMs: number }} End
 */

/**
 * One WebSocket, from its dial to its end; it does not come back. It reads frames, finds the answers to commands by their
 * ids, and notices when nothing comes any more: a connection whose other end is gone looks like one on which nothing happens.
 */
export class Socket {
  #ws;
  #onFrame;
  #onEnd;
  #ended = false;
  #heard = true;
  #silences = 0;
  /** @type {ReturnType<typeof setInterval>} */
  #watch;
  #number = 0;
  #retryAfterMs = 0;
  /** @type {Map<string, { answer: (frame: any) => void, fail: (error: Error) => void }>} */
  #commands = new Map();
  /** The most bytes that the server takes in a frame; it says so in its welcome. */
  frameBytes = Infinity;

  /**
   * @param {object} options
   * @param {any} options.WebSocket the constructor
   * @param {string} options.url
   * @param {number} options.heartbeatMs silence after which a ping is sent, and after which, as long again, the socket is given up
   * @param {(frame: any) => void} options.onFrame gets every frame that is not an answer, in order
   * @param {(end: End) => void} options.onEnd called once
   */
  constructor({ WebSocket, url, heartbeatMs, onFrame, onEnd }) {
    this.#onFrame = onFrame;
    this.#onEnd = onEnd;
    this.#ws = new WebSocket(url);
    this.#ws.onmessage = (/** @type {{ data: unknown }} */ message) => this.#read(message.data);
    this.#ws.onclose = (/** @type {End} */ { code, reason }) => this.#finish(code, String(reason));
    this.#ws.onerror = () => {}; // a close follows, and a browser says no more than that
    this.#watch = setInterval(() => this.#beat(), heartbeatMs);
  }

  /**
   * Sends a command. Exactly one of the two is called, in the order in which the frames come; fail with a ConnectionError of code
   * `lost` if the socket ends first, which leaves open whether the server has had the command.
   *
   * @param {Record<string, unknown>} command
   * @param {(frame: any) => void} answer
   * @param {(error: Error) => void} fail
   */
  request(command, answer, fail) {
    const id = `c${++this.#number}`;
    const text = JSON.stringify({ ...command, id });
    if (text.length > this.frameBytes / 3 && new TextEncoder().encode(text).length > this.frameBytes) {
      return fail(new ProblemError({ code: 'too_large', detail: `The server takes at most ${this.frameBytes} bytes in a frame; send less.` }));
    }
    this.#commands.set(id, { answer, fail });
    this.#ws.send(text);
  }

  /**
   * Gives the socket up at once. Nothing more is read from it, whatever the other end does.
   *
   * @param {string} reason
   */
  cut(reason) {
    if (this.#ended) return;
    const ws = this.#ws;
    const late = ws.terminate && setTimeout(() => ws.terminate(), CLOSE_MS); // ws would wait for half a minute, and Node with it
    ws.onmessage = null;
    ws.onclose = () => clearTimeout(late);
    ws.close(1000);
    this.#finish(0, reason);
  }

  /** @param {unknown} data */
  #read(data) {
    this.#heard = true;
    const frame = parse(data);
    if (!frame) return this.cut('the server sent something that is not a frame');
    if (frame.type === 'error') this.#retryAfterMs = frame.retryAfterMs ?? 0;
    const command = frame.seq === undefined && this.#commands.get(frame.id);
    if (!command) return this.#onFrame(frame);
    this.#commands.delete(frame.id);
    if (frame.type === 'error' || frame.type === 'auth:error') return command.fail(new ProblemError(frame));
    command.answer(frame);
  }

  #beat() {
    if (this.#heard) {
      this.#heard = false;
      this.#silences = 0;
    } else if (++this.#silences > 1) {
      this.cut('nothing comes from the server, not even an answer to a ping');
    } else if (this.#ws.readyState === 1) {
      this.request({ type: 'ping' }, () => {}, () => {}); // browsers have no pings of their own
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #finish(code, reason) {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watch);
    const end = { code, reason, retryAfterMs: this.#retryAfterMs };
    this.#onEnd(end);
    const lost = new ConnectionError('lost', `The connection was lost: ${describe(end)}.`, { retryable: true, closeCode: end.code });
    for (const { fail } of this.#commands.values()) fail(lost);
  }
}

/**
 * Words an end for a person.
 *
 * @param {{ code: number, reason: string }} end
 */
export function describe({ code, reason }) {
  if (code === 0) return reason;
  return reason ? `${reason} (close code ${code})` : `close code ${code}`;
}

/**
 * Returns the frame, or undefined if it is none.
 *
 * @param {unknown} data
 */
function parse(data) {
  if (typeof data !== 'string') return undefined;
  try {
    const frame = JSON.parse(data);
    const isEvent = frame?.seq !== undefined;
    if (typeof frame?.type !== 'string') return undefined;
    return isEvent && !(Number.isSafeInteger(frame.seq) && typeof frame.id === 'string') ? undefined : frame;
  } catch {
    return undefined;
  }
}
