import assert from 'node:assert/strict';
import { Host } from '../../client-js/test/helpers/host.js';

export { until } from '../../client-js/test/helpers/until.js';

/** The program under test, in which tests can make something happen. See the Host of the client library's tests for the rest. */
export class Program extends Host {
  /** Makes one request as the admin, and returns what a 2xx has in its body. */
  async call(method, path, body, headers) {
    const response = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...(body && { 'Content-Type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Has nyx say something, which is several events, and returns the answer. */
  say(message = 'Hello!') {
    return this.call('POST', '/api/chat/send', { agentId: 'nyx', message });
  }

  /** The place of the newest event. */
  async head() {
    return (await this.call('GET', '/api/events')).head;
  }

  /** The ids of the events behind a place, as the log has them. The query filters. */
  async logged(since, query) {
    const ids = [];
    for (let at = since, head; at !== head; ) {
      const page = await this.call('GET', `/api/events?${query}&limit=200&since=${at}`);
      ids.push(...page.events.map((event) => event.id));
      [at, head] = [page.nextCursor, page.head];
    }
    return ids;
  }

  /** Replaces the API process, with events before, meanwhile and behind; caughtUp waits until the client has them. */
  async swap(caughtUp) {
    await this.say();
    await caughtUp();
    await Promise.all([this.reload(), this.say(), this.say()]);
    await this.say(); // before most clients are back
    await caughtUp();
  }
}
