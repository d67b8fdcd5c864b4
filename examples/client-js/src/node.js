import { Client as AnyClient } from './client.js';
import { StagehouseError } from './errors.js';

export { ConnectionError, ProblemError, StagehouseError, TurnError } from './errors.js';

/** A Client that finds a WebSocket where there is no global one, which is so up to Node 21. */
export class Client extends AnyClient {
  /** @param {any} options */
  constructor(options) {
    super({ webSocket: nodeWebSocket, ...options });
  }
}

async function nodeWebSocket() {
  if (globalThis.WebSocket) return globalThis.WebSocket;
  try {
    const { WebSocket } = await import('ws');
    return WebSocket;
  } catch (cause) {
    throw new StagehouseError('failed_precondition', 'This Node has no WebSocket. Install one: npm install ws.', { cause });
  }
}
