// The client against the real program.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { begin, recall, running, say, wake } from '../src/chat.js';
import { type Stagehouse, ProblemError, connect, unwrap } from '../src/client.js';
import { Host } from './host.js';

let host: Host;
let client: Stagehouse;

before(async () => {
  host = await Host.start();
  client = connect(host.url, host.token);
});
after(() => host.stop());

test('a chat, from the list of agents to what the agent remembers', async () => {
  const agents: string[] = [];
  for await (const agent of running(client)) agents.push(agent.id);
  assert.deepEqual(agents, ['aria', 'nyx']);

  const conversation = await begin(client, 'nyx', 'Cats');
  const { runId, reply } = await say(client, conversation, 'Remember that my cat is called Miro.');
  assert.equal(reply.role, 'agent');
  assert.equal(reply.agentId, 'nyx');

  const run = await unwrap(client.GET('/api/runs/{runId}', { params: { path: { runId } } }));
  assert.equal(run.status, 'completed');
  assert.equal(run.reply?.id, reply.id);

  assert.match((await recall(client, 'nyx', 'cat')).join(), /Miro/);

  const { messages, title } = await unwrap(client.GET('/api/chat/conversations/{conversationId}', { params: { path: { conversationId: conversation } } }));
  assert.equal(title, 'Cats');
  assert.deepEqual(messages.map((m) => m.role), ['user', 'agent']);
});

test('what is sent again with its key is said once', async () => {
  const conversation = await begin(client, 'aria', 'Once');
  const key = randomUUID();
  const first = await say(client, conversation, 'Hello!', key);
  const again = await say(client, conversation, 'Hello!', key);
  assert.equal(first.replayed, false);
  assert.equal(again.replayed, true);
  assert.deepEqual({ ...again, replayed: false }, first);

  await assert.rejects(say(client, conversation, 'Something else', key), (e) => e instanceof ProblemError && e.problem.code === 'idempotency_key_reused');
});

test('an event has the members of its type', async () => {
  const { runId, reply } = await say(client, await begin(client, 'nyx', 'Events'), 'Hello!');
  const { events } = await unwrap(client.GET('/api/events', { params: { query: { runId, limit: 200 } } }));
  assert.equal(events[0]?.type, 'chat:queued');
  assert.deepEqual(events.flatMap((e) => (e.type === 'chat:reply' ? [e.reply.content] : [])), [reply.content]);
  assert.equal(events.flatMap((e) => (e.type === 'chat:delta' ? [e.delta] : [])).join(''), reply.content);
});

test('a message need not be waited for', async () => {
  const { data, response } = await client.POST('/api/chat/send', {
    params: { header: { Prefer: 'respond-async' } },
    body: { agentId: 'nyx', message: 'Hello!' },
  });
  assert.equal(response.status, 202);
  assert.equal(response.headers.get('Location'), `/api/runs/${data?.runId}`);
  assert.equal(data?.reply, undefined);
});

test('an agent is changed as it was seen, and not otherwise', async () => {
  const path = { agentId: 'aria' };
  const seen = await client.GET('/api/agents/{agentId}', { params: { path } });
  const etag = seen.response.headers.get('ETag')!;
  const change = () => client.PATCH('/api/agents/{agentId}', { params: { path, header: { 'If-Match': etag } }, body: { persona: null, metadata: { team: 'letters' } } });

  const changed = await unwrap(change());
  assert.equal(changed.persona, '');
  assert.deepEqual(changed.metadata, { team: 'letters' });

  const { error } = await change();
  assert.equal(error?.code, 'revision_mismatch');
  assert.equal(error?.status, 412);
});

test('memories are found by their metadata', async () => {
  for (const source of ['import', 'talk']) {
    await unwrap(client.POST('/api/memory/store', { body: { agentId: 'aria', content: `From ${source}`, metadata: { source }, tags: ['contract'] } }));
  }
  const query = { tag: ['contract'], metadata: { 'metadata.source': 'talk' } };
  const { results } = await unwrap(client.GET('/api/memory/search', { params: { query } }));
  assert.deepEqual(results.map((r) => r.memory.content), ['From talk']);
});

test('errors are problems, and their codes are known to the compiler', async () => {
  assert.equal(await wake(client, 'nyx'), 'running');
  assert.equal(await wake(client, 'nobody'), 'missing');

  const { error } = await connect(host.url, 'wrong').GET('/api/agents');
  assert.equal(error?.code, 'unauthenticated');

  const { error: invalid } = await client.POST('/api/chat/send', { body: { message: '' } });
  assert.deepEqual(invalid?.errors?.map((e) => e.location), ['body.message']);
});
