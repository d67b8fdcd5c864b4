// Against the real program, which is killed all the time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@stagehouse/client';
import { Host } from './helpers/host.js';
import { collect } from './helpers/until.js';

let host;

before(async () => (host = await Host.start()));
after(() => host.stop());

test('while the API process is killed again and again, every message has one run and one reply, and nobody is left in doubt', async () => {
  const client = new Client({ url: host.url, token: host.token, retry: { baseMs: 100, maxMs: 2000 } });
  await client.connect();
  const each = 25;
  let over = 0;
  const talk = async (name, say) => {
    const ids = [];
    for (let i = 0; i < each; i++, over++) ids.push(await say({ agentId: 'aria', conversationId: name, message: `${i} of ${name}` }));
    return { name, ids };
  };
  const chat = async (order) => (await client.chat(order).reply).runId;
  const send = async (order) => (await client.send(order)).runId;
  const all = Promise.all(['chat-0', 'chat-1', 'send-0', 'send-1'].map((name) => talk(name, name.startsWith('chat') ? chat : send)));
  const store = Promise.all(Array.from({ length: each }, (_, i) => client.memory.store({ agentId: 'nyx', content: `memory ${i}`, tags: ['once'] })));
  let kills = 0;
  while (over < 4 * each && kills < 30) {
    await host.killApi();
    if (++kills % 3 === 0) await host.reload(); // or it would be given up
  }
  await store;
  for (const { name, ids } of await all) {
    assert.deepEqual((await collect(client.runs.all({ conversationId: name }))).map((r) => r.id).reverse(), ids);
    const messages = (await collect(client.conversations.messages(name))).reverse();
    assert.deepEqual(messages.map((m) => m.role), ids.flatMap(() => ['user', 'agent']));
    assert.deepEqual(messages.filter((m) => m.role === 'user').map((m) => m.content), ids.map((_, i) => `${i} of ${name}`));
  }
  const { results } = await client.memory.search({ tags: ['once'], limit: 200 });
  assert.equal(results.length, each);
  assert.ok(kills > 1, `${kills} kills`);
  client.close();
});
