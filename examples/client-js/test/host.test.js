// Against the real program, which is reloaded, killed and restarted meanwhile.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Client } from '@stagehouse/client';
import { Host } from './helpers/host.js';
import { until } from './helpers/until.js';

let host;
const clients = [];

before(async () => (host = await Host.start()));
after(() => host.stop());
afterEach(() => clients.splice(0).forEach((c) => c.close()));

async function connected(options = {}) {
  const client = new Client({ url: host.url, token: host.token, retry: { baseMs: 20, maxMs: 500 }, ...options });
  clients.push(client);
  await client.connect();
  return client;
}

let changes = 0;

// Changes an agent, which is one event agent:updated, and returns its revision.
async function change(client) {
  const { revision } = await client.agents.update('nyx', { description: `number ${++changes}` });
  return revision;
}

async function take(subscription, n) {
  const events = [];
  for (let i = 0; i < n; i++) events.push((await subscription.next()).value);
  return events;
}

test('a turn has deltas and a reply', async () => {
  const client = await connected();
  const turn = client.chat({ agentId: 'nyx', message: 'Hello, how are you?' });
  let text = '';
  for await (const delta of turn) text += delta;
  const reply = await turn.reply;
  assert.equal(reply.role, 'agent');
  assert.equal(reply.content, text);
  const accepted = await turn.accepted;
  assert.equal(accepted.runId, reply.runId);
  assert.equal(accepted.conversationId, turn.conversationId);
});

test('without an agent, the message is routed; a conversation goes on', async () => {
  const client = await connected();
  const first = client.chat({ message: 'I need help with programming' });
  const { agentId, route } = await first.accepted;
  assert.equal(agentId, 'nyx');
  assert.equal(route.agentId, 'nyx');
  await first.reply;
  const second = await client.chat({ agentId: 'nyx', conversationId: first.conversationId, message: 'And now?' }).reply;
  const { messages } = await client.conversations.get(first.conversationId);
  assert.deepEqual(messages.map((m) => m.role), ['user', 'agent', 'user', 'agent']);
  assert.equal(messages[3].id, second.id);
});

test('REST', async () => {
  const client = await connected();
  assert.deepEqual((await client.agents.list()).agents.map((a) => a.id).sort(), ['aria', 'nyx']);
  assert.equal((await client.agents.stop('aria')).status, 'stopped');
  const refused = client.send({ agentId: 'aria', message: 'Hello?' });
  await assert.rejects(refused, { name: 'ProblemError', code: 'agent_not_running', status: 409 });
  assert.equal((await client.agents.start('aria')).status, 'running');
  const { revision } = await client.agents.get('nyx');
  await assert.rejects(client.agents.update('nyx', { name: 'N' }, { ifRevision: revision + 100 }), { code: 'revision_mismatch', status: 412 });
  const answer = await client.send({ agentId: 'aria', message: 'Hello?' });
  assert.equal(answer.reply.role, 'agent');
  assert.ok((await client.conversations.list({ agentId: 'aria' })).conversations.some((c) => c.id === answer.conversationId));
  const item = await client.memory.store({ agentId: 'nyx', content: 'The tide is high at noon' });
  assert.equal((await client.memory.search({ q: 'tide', agentId: 'nyx' })).results[0].memory.id, item.id);
  assert.equal((await client.memory.get('nyx', item.id)).content, item.content);
  await assert.rejects(client.agents.get('nobody'), (e) => e.code === 'not_found' && e.requestId !== '' && e.message !== '');
  await assert.rejects(client.memory.store({ agentId: 'nyx' }), (e) => e.code === 'invalid_argument' && e.errors.length === 1);
});

test('what the server refuses is told to who asked for it, and to nobody else', async () => {
  const client = await connected();
  const good = client.subscribe({ agents: ['nyx'], events: ['updated'] });
  const bad = client.subscribe({ agents: ['nobody'] });
  await assert.rejects(bad.ready, { name: 'ProblemError', code: 'not_found' });
  await assert.rejects(bad.next(), { code: 'not_found' });
  await assert.rejects(client.chat({ agentId: 'nobody', message: 'Hello?' }).reply, { code: 'not_found' });
  await good.ready;
  const revision = await change(client);
  assert.equal((await good.next()).value.revision, revision);
});

test('a bad token ends the client, with an error that says so', async () => {
  const client = new Client({ url: host.url, token: 'wrong' });
  const waiting = client.subscribe();
  await assert.rejects(client.connect(), { name: 'ConnectionError', code: 'unauthenticated', closeCode: 4401 });
  await assert.rejects(waiting.next(), { code: 'unauthenticated' });
  assert.throws(() => client.chat({ message: 'Hello?' }), { code: 'unauthenticated' });
});

test('a token that is revoked ends the client', async () => {
  const token = (await host.command('token', 'create', 'passing', '--scopes', 'chat')).match(/\S{20,}/)[0];
  const client = await connected({ token: async () => token });
  const closed = new Promise((resolve) => client.on('closed', resolve));
  await host.command('token', 'revoke', 'passing');
  assert.equal((await closed).error.code, 'unauthenticated');
});

test('another client goes on from a place that was kept', async () => {
  const client = await connected();
  const first = client.subscribe({ events: ['updated'] });
  await first.ready;
  await change(client);
  await first.next();
  const { place } = client;
  const revisions = [await change(client), await change(client)];
  const later = new Client({ url: host.url, token: host.token });
  clients.push(later);
  const events = later.subscribe({ events: ['updated'], since: place });
  await later.connect();
  assert.deepEqual((await take(events, 2)).map((e) => e.revision), revisions);
  assert.throws(() => later.subscribe({ since: place }), { code: 'failed_precondition' });
});

test('turns that are in flight when the API process dies get their replies at the next one', async () => {
  const client = await connected();
  const first = client.chat({ agentId: 'aria', message: 'Hello!' });
  await first.accepted;
  const { pid } = await host.api();
  const more = Array.from({ length: 12 }, (_, i) => client.chat({ agentId: 'aria', conversationId: first.conversationId, message: `And ${i}?` }));
  await Promise.all(more.map((turn) => turn.accepted));
  let inFlight;
  client.on('reconnecting', () => (inFlight ??= more.filter((turn) => !turn.over).length));
  await host.killApi(pid);
  const replies = await Promise.all([first, ...more].map((turn) => turn.reply));
  const { messages } = await client.conversations.get(first.conversationId, { limit: 200 });
  assert.deepEqual(messages.filter((m) => m.role === 'agent').map((m) => m.id), replies.map((r) => r.id));
  assert.equal(messages.filter((m) => m.role === 'user').length, 13);
  assert.ok(inFlight > 0, `${inFlight} turns were in flight`);
});

test('events come once and in order, and turns get their ends, over reloads, kills and a restart', async () => {
  const client = await connected();
  const events = client.subscribe({ agents: ['nyx'], events: ['updated'] });
  const { head } = await events.ready;
  const told = [];
  client.on('agent:updated', (e) => told.push(e.id));
  const traffic = new Traffic(client);
  const blows = [() => host.reload(), () => host.killApi(), () => host.reload(), () => host.killApi(), () => host.restart()];
  for (const blow of blows) {
    await traffic.goesOn();
    await blow();
  }
  await traffic.goesOn();
  await traffic.stop();
  await change(client);
  const logged = await updates(head);
  const seen = await take(events, logged.length);
  assert.deepEqual(seen.map((e) => e.id), logged);
  assert.deepEqual(told, logged);
  for (const end of traffic.ends) await checkTurn(client, end);
});

// Changes and turns, one after the other, whatever happens meanwhile.
class Traffic {
  ends = [];
  #going = true;
  #rounds = 0;
  #loops;

  constructor(client) {
    const loop = async (step) => {
      while (this.#going) await step();
    };
    this.#loops = Promise.all([
      loop(() => change(client).catch((e) => assert.ok(['unknown_outcome', 'unavailable', 'deadline_exceeded', 'internal'].includes(e.code), e.stack))),
      loop(async () => {
        const turn = client.chat({ agentId: 'aria', message: 'Hello!' });
        const [end] = await Promise.allSettled([turn.reply]);
        this.ends.push({ turn, ...end });
        this.#rounds++;
      }),
    ]);
  }

  goesOn() {
    const enough = this.#rounds + 2;
    return until('two more turns to end', () => this.#rounds >= enough);
  }

  async stop() {
    this.#going = false;
    await this.#loops;
  }
}

// The ids in the log itself.
async function updates(since) {
  const ids = [];
  for (;;) {
    const query = new URLSearchParams({ agents: 'nyx', events: 'updated', since: ids.at(-1) ?? since, limit: '200' });
    const response = await fetch(`${host.url}/api/events?${query}`, { headers: { Authorization: `Bearer ${host.token}` } });
    const { events } = await response.json();
    if (!events.length) return ids;
    ids.push(...events.map((e) => e.id));
  }
}

// A reply is in the conversation behind one message; a turn that failed says how, and was sent once at the most.
async function checkTurn(client, { turn, status, value, reason }) {
  const found = await client.conversations.get(turn.conversationId).catch((e) => assert.equal(e.code, 'not_found', e.stack));
  const roles = found?.messages.map((m) => m.role) ?? [];
  if (status === 'fulfilled') {
    assert.deepEqual(roles, ['user', 'agent']);
    return assert.equal(found.messages[1].id, value.id);
  }
  assert.ok(reason.code === 'unknown_outcome' || reason.reason === 'host_restarted', reason.stack);
  assert.ok(roles.filter((r) => r === 'user').length <= 1);
}
