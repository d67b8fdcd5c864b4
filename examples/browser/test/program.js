import assert from 'node:assert/strict';
import { Host } from '../../client-js/test/helpers/host.js';

export { until } from '../../client-js/test/helpers/until.js';

/** The program under test, in which tests can make something happen. See the Host of the client library's tests for the rest. */
export class Program extends Host {
  /** Makes one request as the admin, and returns what a 2xx has in its body. */
  async call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}
