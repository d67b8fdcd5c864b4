// Against the real program, which is reloaded, killed and restarted meanwhile.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Client } from '@stagehouse/client';
import { Host } from './helpers/host.js';
import { collect, until } from './helpers/until.js';

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
  const item = await client.memory.store({ agentId: 'nyx', content: 'The tide is high at noon', tags: ['sea'], importance: 0.9, metadata: { n: 1 }, expiresAt: new Date(Date.now() + 3_600_000) });
  assert.equal((await client.memory.search({ q: 'tide', agentId: 'nyx' })).results[0].memory.id, item.id);
  assert.equal((await client.memory.search({ tags: ['sea'], metadata: { n: 1 }, minImportance: 0.8 })).results[0].memory.id, item.id);
  assert.equal((await client.memory.search({ tags: ['sea', 'sky'] })).results.length, 0);
  assert.equal((await client.memory.get('nyx', item.id)).content, item.content);
  await client.memory.delete('', item.id);
  await assert.rejects(client.memory.get('', item.id), { code: 'not_found' });
  await assert.rejects(client.agents.get('nobody'), (e) => e.code === 'not_found' && e.requestId !== '' && e.message !== '');
  await assert.rejects(client.memory.store({ agentId: 'nyx' }), (e) => e.code === 'invalid_argument' && e.errors.length === 1);
});

test('what models have used', async () => {
  const client = await connected();
  const { runId } = await client.send({ agentId: 'nyx', message: 'Hello?' });
  assert.equal((await client.runs.get(runId)).usage, undefined);
  const { total, groups } = await client.usage.report({ groupBy: 'model', since: new Date(0), until: '2999-01-01' });
  assert.deepEqual([total.steps, total.costMicros, groups], [0, 0, []]);
  assert.deepEqual(await collect(client.usage.all({ groupBy: 'day' })), []);
  await assert.rejects(client.usage.report({ groupBy: 'moon' }), (e) => e.code === 'invalid_argument' && e.errors[0].location === 'query.groupBy');
});

test('agents are created and deleted', async () => {
  const client = await connected();
  const vera = await client.agents.create({ id: 'vera', skills: ['law'], start: false });
  assert.equal(vera.status, 'stopped');
  assert.deepEqual((await collect(client.agents.all({ limit: 1 }))).map((a) => a.id), ['aria', 'nyx', 'vera']);
  await assert.rejects(client.agents.delete('vera', { ifRevision: vera.revision + 1 }), { code: 'revision_mismatch' });
  await client.agents.delete('vera', { ifRevision: vera.revision });
  await assert.rejects(client.agents.delete('nyx'), { code: 'failed_precondition' });
});

test('conversations are created, read both ways, changed and deleted', async () => {
  const client = await connected();
  const made = await client.conversations.create({ id: 'sea', title: 'The sea', agentId: 'aria' });
  assert.equal(made.title, 'The sea');
  const said = [];
  for (const message of ['one', 'two', 'three']) {
    const { message: mine, reply } = await client.send({ message, conversationId: 'sea' });
    said.push(mine.id, reply.id);
  }
  const ids = async (query) => (await collect(client.conversations.messages('sea', query))).map((m) => m.id);
  assert.deepEqual(await ids({ limit: 2, since: said[0] }), said.slice(1));
  assert.deepEqual(await ids({ limit: 4 }), [...said].reverse());
  const { revision } = await client.conversations.get('sea');
  const changed = await client.conversations.update('sea', { title: 'Whales', archived: true }, { ifRevision: revision });
  assert.deepEqual([changed.title, changed.archived], ['Whales', true]);
  await assert.rejects(client.conversations.update('sea', { archived: false }, { ifRevision: revision }), { code: 'revision_mismatch' });
  assert.deepEqual(await collect(client.conversations.all({ q: 'whale' })), []);
  assert.equal((await collect(client.conversations.all({ q: 'whale', archived: 'true' })))[0].id, 'sea');
  await client.conversations.delete('sea', { ifRevision: changed.revision });
  await assert.rejects(client.conversations.get('sea'), { code: 'not_found' });
});

test('runs are waited for, listed and cancelled; the same key is the same run', async () => {
  const client = await connected();
  const { runId, reply } = await client.send({ agentId: 'aria', conversationId: 'runs', message: 'Hello!' }, { waitMs: 0 });
  assert.equal(reply, undefined);
  const run = await client.runs.wait(runId);
  assert.deepEqual([run.status, run.reply.role], ['completed', 'agent']);
  assert.equal((await client.runs.cancel(runId)).status, 'completed');
  const [first, second] = [1, 2].map(() => client.chat({ agentId: 'aria', conversationId: 'runs', message: 'Once.', idempotencyKey: 'mine' }));
  assert.equal((await first.reply).id, (await second.reply).id);
  await assert.rejects(client.chat({ agentId: 'aria', conversationId: 'runs', message: 'Twice.', idempotencyKey: 'mine' }).reply, { code: 'idempotency_key_reused' });
  assert.deepEqual((await collect(client.runs.all({ conversationId: 'runs', limit: 1 }))).map((r) => r.id), [first.runId, runId]);
  assert.equal((await first.cancel()).status, 'completed');
});

test('a turn that is cancelled says so', async () => {
  const client = await connected();
  const turns = Array.from({ length: 5 }, (_, i) => client.chat({ agentId: 'aria', conversationId: 'cancelled', message: `Number ${i}` }));
  const { status } = await turns[4].cancel();
  const [end] = await Promise.allSettled([turns[4].reply]);
  if (status === 'cancelled') assert.deepEqual([end.reason.code, end.reason.reason], ['cancelled', 'cancelled']);
  else assert.deepEqual([status, end.status], ['completed', 'fulfilled']); // it was faster
});

test('routing says who would answer, or who does not fit', async () => {
  const client = await connected();
  assert.equal((await client.route('Review my code, please.', { skill: 'security' })).agentId, 'nyx');
  const nobody = { message: 'qwx zzk', context: { skill: 'juggling' } };
  for (const ask of [() => client.route(nobody.message, nobody.context), () => client.send(nobody), () => client.chat(nobody).reply]) {
    await assert.rejects(ask, (e) => e.code === 'no_agent_fits' && e.threshold > 0 && e.candidates.length === 2);
  }
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
  const client = await connected({ retry: { baseMs: 250, maxMs: 2000 } });
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
      loop(() => change(client)),
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

// There is one message and one run; a reply is in the conversation behind it, and a turn that failed did because the host died.
async function checkTurn(client, { turn, status, value, reason }) {
  const { messages } = await client.conversations.get(turn.conversationId);
  const { runs } = await client.runs.list({ conversationId: turn.conversationId });
  assert.deepEqual(runs.map((r) => r.id), [turn.runId]);
  assert.equal(messages.filter((m) => m.role === 'user').length, 1);
  if (status === 'rejected') return assert.equal(reason.reason, 'host_restarted', reason.stack);
  assert.deepEqual(messages.map((m) => m.role), ['user', 'agent']);
  return assert.equal(messages[1].id, value.id);
}
