// REST against a server that does not answer, or not at once.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Client } from '@stagehouse/client';
import { Script } from './helpers/script.js';

const open = [];
afterEach(() => open.splice(0).forEach((o) => o.close()));

async function serve(rest, options = {}) {
  const script = await Script.serve(() => {});
  script.rest = rest;
  const client = new Client({ url: script.url, retry: { baseMs: 1, maxMs: 5 }, ...options });
  open.push(client, script);
  return client;
}

const problem = (status, body, headers = {}) => (request, response) =>
  response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers }).end(JSON.stringify(body));

const faults = {
  'cut off': (request) => request.socket.destroy(),
  'cut off in the middle': (request, response) => {
    response.writeHead(200, { 'Content-Length': 100 }).write('{"id":"');
    setImmediate(() => request.socket.destroy());
  },
  'a proxy\'s answer': (request, response) => response.writeHead(502).end('<p>'),
  'too late': (request, response) => response.writeHead(504).end(),
  unavailable: problem(503, { code: 'unavailable', retryable: true }),
  wrong: problem(500, { code: 'internal', retryable: false }),
  limited: problem(429, { code: 'rate_limited', retryable: true }),
};

const calls = {
  GET: (client) => client.agents.get('nyx'),
  DELETE: (client) => client.agents.delete('nyx', { ifRevision: 7 }),
  POST: (client) => client.memory.store({ agentId: 'nyx', content: 'x' }),
  PATCH: (client) => client.agents.update('nyx', { name: 'N' }, { ifRevision: 7 }),
};

for (const [what, fault] of Object.entries(faults)) {
  for (const [method, call] of Object.entries(calls)) {
    test(`${method}, ${what}: it is asked again as it was`, async () => {
      const keys = [];
      const client = await serve((request, response) => {
        assert.equal(request.method, method);
        keys.push([request.headers['idempotency-key'], request.headers['if-match']]);
        if (keys.length <= 2) fault(request, response);
        else response.end('{}');
      });
      await call(client);
      assert.equal(keys.length, 3);
      assert.deepEqual(keys[1], keys[0]);
      assert.deepEqual(keys[2], keys[0]);
      assert.equal(keys[0][0] !== undefined, method === 'POST' || method === 'PATCH');
    });
  }
}

for (const [what, rest, code, tries] of [
  ['cut off', faults['cut off'], 'unknown_outcome', 8],
  ['wrong', faults.wrong, 'unknown_outcome', 3],
  ['limited', faults.limited, 'rate_limited', 8],
  ['limited for longer than there is time', problem(429, { code: 'rate_limited', retryable: true }, { 'Retry-After': 3600 }), 'rate_limited', 1],
  ['refused', problem(409, { code: 'agent_not_running' }), 'agent_not_running', 1],
]) {
  test(`${what} all the time`, async () => {
    let asked = 0;
    const client = await serve((...x) => (asked++, rest(...x)));
    await assert.rejects(client.memory.store({ agentId: 'nyx', content: 'x' }), { code });
    assert.equal(asked, tries);
    if (code !== 'unknown_outcome') return;
    await assert.rejects(client.agents.list(), (e) => e.code !== code);
    await assert.rejects(client.route('Hello!'), (e) => e.code !== code);
  });
}

test('nobody is there: nothing was done', async () => {
  const { url } = await Script.serve(() => {}).then((script) => (script.close(), script));
  const client = new Client({ url, retry: { baseMs: 1, maxMs: 5 } });
  await assert.rejects(client.memory.store({ agentId: 'nyx', content: 'x' }), { name: 'ConnectionError', code: 'unavailable', retryable: true });
});

test('withoutRetry, every error is told at once', async () => {
  let asked = 0;
  const client = await serve((...x) => (asked++, faults.unavailable(...x)), { withoutRetry: true });
  await assert.rejects(client.agents.get('nyx'), { code: 'unavailable' });
  assert.equal(asked, 1);
});

test('a deletion whose answer was lost finds nothing any more', async () => {
  let asked = 0;
  const gone = problem(404, { code: 'not_found' });
  const client = await serve((...x) => (asked++ ? gone : faults['cut off'])(...x));
  await client.memory.delete('', 'mem_1');
  await assert.rejects(client.memory.delete('', 'mem_1'), { code: 'not_found' });
});

const accepted = { conversationId: 'c', runId: 'run_1', agentId: 'nyx', message: {} };
for (const [what, first, status, asks, code] of [
  ['accepted', problem(202, accepted), '', 2],
  ['not seen', problem(503, { code: 'unavailable', retryable: true, runId: 'run_1' }), 'running', 2],
  ['replied meanwhile', problem(503, { code: 'unavailable', retryable: true, runId: 'run_1' }), 'completed', 2],
  ['failed', problem(503, { code: 'unavailable', retryable: true, runId: 'run_1' }), 'failed', 1, 'unavailable'],
  ['another\'s run', problem(409, { code: 'conversation_busy', runId: 'run_0' }), 'running', 1, 'conversation_busy'],
]) {
  test(`send waits for a turn that goes on: ${what}`, async () => {
    const keys = [];
    const client = await serve((request, response) => {
      if (request.method === 'GET') return response.end(JSON.stringify({ id: 'run_1', status }));
      keys.push(request.headers['idempotency-key']);
      if (keys.length === 1) return first(request, response);
      return response.end(JSON.stringify({ ...accepted, reply: { content: 'yes' } }));
    });
    const sent = client.send({ message: 'Hello!' });
    if (code) await assert.rejects(sent, { name: 'ProblemError', code });
    else assert.equal((await sent).reply.content, 'yes');
    assert.equal(keys.length, asks);
    assert.equal(new Set(keys).size, 1);
  });
}

test('send that does not wait says so', async () => {
  const prefers = [];
  const client = await serve((request, response) => {
    prefers.push(request.headers.prefer);
    response.writeHead(202).end(JSON.stringify(accepted));
  });
  assert.equal((await client.send({ message: 'Hello!' }, { waitMs: 0 })).runId, 'run_1');
  assert.equal((await client.send({ message: 'Hello!' }, { waitMs: 2500 })).reply, undefined);
  assert.deepEqual(prefers, ['respond-async', 'wait=2']);
});
