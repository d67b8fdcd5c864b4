// Against a server that breaks the protocol, and the connection.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Client } from '@stagehouse/client';
import { Script, event, turn } from './helpers/script.js';

const open = [];
afterEach(() => open.splice(0).forEach((o) => o.close()));

async function meet(plays, options = {}) {
  const script = await Script.serve(...plays);
  const client = new Client({ url: script.url, token: 't', retry: { baseMs: 1, maxMs: 5 }, ...options });
  open.push(client, script);
  happened.set(client, Object.fromEntries(['draining', 'reconnecting'].map((name) => [name, heard(client, name)])));
  return { script, client };
}

async function follow(plays, options) {
  const { script, client } = await meet(plays, options);
  const events = client.subscribe({ events: ['thought'] });
  await client.connect();
  await events.ready;
  return { script, client, events };
}

function deferred() {
  let resolve;
  return { promise: new Promise((r) => (resolve = r)), resolve };
}

const next = async (events) => (await events.next()).value;
const heard = (client, name) => new Promise((resolve) => client.on(name, resolve));

// The first of a name, which may be over already; or the next of one that comes more often.
const happened = new WeakMap();
const happening = (client, name) => happened.get(client)[name] ?? heard(client, name);

// Plays the first socket up to a subscription, and then what is given.
const subscribed = (then) => async (peer) => {
  await peer.open();
  await peer.subscribed();
  await then(peer);
};

const resumes = (since, then) => async (peer) => {
  const first = await peer.open();
  assert.equal(first.since, since);
  assert.deepEqual(first.events, ['thought']);
  await then(peer);
};

test('what comes twice is given out once', async () => {
  const { events } = await follow([subscribed((peer) => {
    for (const e of [event(11, 10), event(11, 10), event(12, 11), event(11, 10), event(12, 11), event(15, 12)]) peer.send(e);
  })]);
  assert.deepEqual([await next(events), await next(events), await next(events)].map((e) => e.seq), [11, 12, 15]);
});

test('a loss on the way is noticed, and made good on another socket', async () => {
  const { script, client, events } = await follow([
    subscribed((peer) => {
      peer.send(event(11, 10));
      peer.send(event(14, 13));
    }),
    resumes('e-11', (peer) => {
      peer.send(event(13, 11));
      peer.send(event(14, 13));
    }),
  ]);
  const { reason } = await happening(client, 'reconnecting');
  assert.match(reason, /lost on the way/);
  assert.deepEqual([await next(events), await next(events), await next(events)].map((e) => e.seq), [11, 13, 14]);
  await script.done;
});

for (const [what, garbage] of [['no JSON', 'nonsense'], ['no object', '[]'], ['no type', '{"id":1}'], ['null', 'null'], ['an event without a place', '{"type":"agent:thought","seq":12}'], ['binary', Buffer.from('{}')]]) {
  test(`garbage, ${what}: another socket`, async () => {
    const { script, events } = await follow([
      subscribed((peer) => peer.send(garbage)),
      resumes('e-10', (peer) => peer.send(event(11, 10))),
    ]);
    assert.equal((await next(events)).seq, 11);
    await script.done;
  });
}

test('frames of a later protocol are no trouble', async () => {
  const { events } = await follow([subscribed((peer) => {
    peer.send({ type: 'weather', id: 'x', sun: true });
    peer.send(event(11, 10));
  })]);
  assert.equal((await next(events)).seq, 11);
});

test('a gap comes through every subscription, and the place is behind it', async () => {
  const { client, events } = await follow([
    subscribed((peer) => peer.cut()),
    async (peer) => {
      const first = await peer.greet();
      assert.equal(first.since, 'e-10');
      peer.answer(first, { type: 'subscribed', agents: ['*'], events: [], head: 'f-9', recovered: false });
      peer.send({ type: 'gap', id: 'f-4', seq: 4, requested: 'e-10', firstAvailable: 'f-5', head: 'f-9' });
      peer.send(event(7, 4, { id: 'f-7' }));
    },
  ]);
  const opened = happening(client, 'open');
  assert.equal((await next(events)).type, 'gap');
  assert.equal((await next(events)).id, 'f-7');
  assert.equal((await opened).recovered, false);
  assert.equal(client.place, 'f-7');
});

test('a log that is behind the place, because it was restored, is gone on with', async () => {
  const { events } = await follow([
    subscribed((peer) => peer.cut()),
    async (peer) => {
      const first = await peer.greet();
      peer.answer(first, { type: 'subscribed', agents: ['*'], events: [], head: 'e-5', recovered: false });
      peer.send({ type: 'gap', id: 'e-5', seq: 5, requested: 'e-10', firstAvailable: 'e-6', head: 'e-5' });
      peer.send(event(6, 5));
    },
  ]);
  assert.equal((await next(events)).type, 'gap');
  assert.equal((await next(events)).seq, 6);
});

for (const code of [1001, 1006, 1011, 1012, 1013, 4400]) {
  test(`close code ${code}: come again`, async () => {
    const { client, events, script } = await follow([
      subscribed((peer) => (code === 1006 ? peer.cut() : peer.close(code, 'go'))),
      resumes('e-10', (peer) => peer.send(event(11, 10))),
    ]);
    assert.equal((await happening(client, 'reconnecting')).closeCode, code);
    assert.equal((await next(events)).seq, 11);
    await script.done;
  });
}

test('a server that drains says when to come again', async () => {
  const { client, script } = await follow([
    subscribed((peer) => {
      peer.send({ type: 'server:draining', resume: 'e-10', retryAfterMs: 60 });
      peer.close(1012, 'restart');
    }),
    resumes('e-10', () => {}),
  ]);
  const draining = happening(client, 'draining');
  const { delayMs } = await happening(client, 'reconnecting');
  assert.equal((await draining).retryAfterMs, 60);
  assert.ok(delayMs >= 60, `waited ${delayMs} ms`);
  await script.done;
});

test('4429: stay away as long as the server said', async () => {
  const { client, script } = await follow([
    subscribed((peer) => {
      peer.send({ type: 'error', code: 'rate_limited', detail: 'too many', retryable: true, retryAfterMs: 40 });
      peer.close(4429, 'limit');
    }),
    resumes('e-10', () => {}),
  ]);
  const { delayMs } = await happening(client, 'reconnecting');
  assert.ok(delayMs >= 40, `waited ${delayMs} ms`);
  await script.done;
});

test('4429 without a word about when: half a minute', async () => {
  const { client } = await follow([subscribed((peer) => peer.close(4429, 'limit'))]);
  assert.ok((await happening(client, 'reconnecting')).delayMs >= 30_000);
});

for (const [code, name] of [[4401, 'unauthenticated'], [4403, 'permission_denied']]) {
  test(`close code ${code}: no more`, async () => {
    const { client, events, script } = await follow([subscribed((peer) => peer.close(code, 'no'))]);
    const turn = client.chat({ agentId: 'nyx', message: 'Hello!' });
    await assert.rejects(events.next(), { code: name, closeCode: code });
    await assert.rejects(turn.reply);
    await assert.rejects(client.connect(), { code: name });
    assert.equal(script.sockets, 1);
  });
}

test('a server that has gone without a word is noticed', async () => {
  const { client, events } = await follow([
    subscribed((peer) => peer.vanish()),
    resumes('e-10', (peer) => peer.send(event(11, 10))),
  ], { heartbeatMs: 30 });
  assert.match((await happening(client, 'reconnecting')).reason, /not even an answer to a ping/);
  assert.equal((await next(events)).seq, 11);
});

test('a server that only answers pings is kept', async () => {
  const { script, events } = await follow([subscribed(async (peer) => {
    for (let i = 0; i < 5; i++) peer.answer(await peer.expect('ping'), { type: 'pong' });
    peer.send(event(11, 10));
  })], { heartbeatMs: 30 });
  assert.equal((await next(events)).seq, 11);
  assert.equal(script.sockets, 1);
});

test('a server that lets nobody in: another attempt, and in the end an error', async () => {
  const { client, script } = await meet([() => {}], { timeoutMs: 80 });
  await assert.rejects(client.connect(), { code: 'unavailable', retryable: true });
  assert.ok(script.sockets >= 1);
});

test('a message that waits for a connection is sent when there is one', async () => {
  const { client } = await meet([async (peer) => {
    await peer.open();
    await peer.ack();
    peer.send(event(11, 10, { type: 'chat:reply', runId: 'run_1', reply: { content: 'Hi' } }));
  }]);
  const turn = client.chat({ agentId: 'nyx', message: 'Hello!' });
  await client.connect();
  assert.equal((await turn.reply).content, 'Hi');
});

test('a message that found no connection in time was not sent', async () => {
  const { client } = await meet([() => {}], { timeoutMs: 50 });
  await assert.rejects(client.chat({ agentId: 'nyx', message: 'Hello!' }).reply, { code: 'unavailable', retryable: true });
});

test('a message that is too big is not sent', async () => {
  const { client } = await meet([(peer) => peer.open({ limits: { frameBytes: 300 } })]);
  await client.connect();
  await assert.rejects(client.chat({ agentId: 'nyx', message: 'ü'.repeat(140) }).reply, { code: 'too_large' });
});

test('a turn that fails or is cancelled says why', async () => {
  const ends = [['chat:failed', 'brain_error', 'internal'], ['chat:failed', 'agent_stopped', 'agent_not_running'], ['chat:cancelled', 'cancelled', 'cancelled']];
  const { client } = await meet([async (peer) => {
    await peer.open();
    let seq = 10;
    for (const [type, reason] of ends) {
      await peer.ack();
      peer.send(event(++seq, seq - 1, { type, reason, runId: 'run_1' }));
    }
  }]);
  await client.connect();
  for (const [, reason, code] of ends) {
    await assert.rejects(client.chat({ agentId: 'nyx', message: 'Hello!' }).reply, { name: 'TurnError', code, reason, runId: 'run_1' });
  }
});

test('an aborted signal ends the waiting', async () => {
  const { client } = await meet([(peer) => peer.open()]);
  await client.connect();
  const abort = new AbortController();
  const turn = client.chat({ agentId: 'nyx', message: 'Hello!', signal: abort.signal });
  abort.abort();
  await assert.rejects(turn.reply, { name: 'AbortError' });
  await assert.rejects(client.chat({ message: 'Hello!', signal: abort.signal }).reply, { name: 'AbortError' });
});

test('a reader that is too slow is told what it has lost', async () => {
  const { client } = await meet([subscribed((peer) => {
    for (let seq = 11; seq <= 15; seq++) peer.send(event(seq, seq - 1));
  })]);
  const events = client.subscribe({ buffer: 3 });
  const fifth = new Promise((resolve) => client.on('agent:thought', (e) => e.seq === 15 && resolve()));
  await client.connect();
  await fifth; // listeners do not depend on readers
  await assert.rejects(events.next(), { code: 'overflow' });
  assert.equal((await events.next()).done, true);
});

test('leaving a loop ends the subscription, and the last one to go turns the events off', async () => {
  const { client, script } = await meet([subscribed(async (peer) => {
    peer.send(event(11, 10));
    const { agents, events } = await peer.expect('unsubscribe');
    assert.deepEqual([agents, events], [undefined, undefined]);
  })]);
  const events = client.subscribe({ events: ['thought'] });
  await client.connect();
  for await (const e of events) {
    assert.equal(e.seq, 11);
    break;
  }
  await script.done;
});

test('a client that is closed ends what it has begun, and comes no more', async () => {
  const { client, events, script } = await follow([subscribed((peer) => peer.closed())]);
  const accepted = client.chat({ agentId: 'nyx', message: 'Hello!' });
  client.close();
  assert.equal((await events.next()).done, true);
  await assert.rejects(accepted.reply, { code: 'unknown_outcome' });
  assert.throws(() => client.chat({ message: 'Hello!' }), { code: 'closed' });
  await script.done;
  assert.equal(script.sockets, 1);
});

test('a server that cannot let the client resume now is asked again; one that never can tells the subscription', async () => {
  const refuses = (code, retryable) => async (peer) => {
    const first = await peer.greet();
    peer.answer(first, { type: 'error', code, detail: 'no', retryable });
    return peer;
  };
  const { client, events } = await follow([
    subscribed((peer) => peer.cut()),
    refuses('unavailable', true),
    async (peer) => {
      await refuses('permission_denied', false)(peer);
      const second = await peer.expect('subscribe');
      assert.deepEqual([second.since, second.agents, second.events], [undefined, [], []]);
      peer.answer(second, { type: 'subscribed', agents: [], events: [], head: 'e-40', recovered: false });
    },
  ]);
  await assert.rejects(events.next(), { name: 'ProblemError', code: 'permission_denied' });
  await happening(client, 'open');
  assert.equal(client.place, 'e-40');
});

test('a subscription that is new is not turned off by one that goes', async () => {
  const { client, script } = await meet([async (peer) => {
    await peer.open();
    await peer.subscribed();
    const second = await peer.expect('subscribe');
    const late = peer.expect('unsubscribe').then(() => assert.fail('everything is turned off'));
    peer.answer(second, { type: 'subscribed', agents: ['*'], events: [], head: 'e-10', recovered: false });
    peer.send(event(11, 10));
    await Promise.race([late, peer.closed()]);
  }]);
  const first = client.subscribe({ events: ['thought'] });
  await client.connect();
  await first.ready;
  const second = client.subscribe({ events: ['thought'] });
  first.close();
  assert.equal((await next(second)).seq, 11);
  client.close();
  await script.done;
});

test('a subscription that cannot be answered now is asked for again', async () => {
  const { client } = await meet([
    async (peer) => {
      await peer.open();
      peer.answer(await peer.expect('subscribe'), { type: 'error', code: 'rate_limited', detail: 'too many', retryable: true, retryAfterMs: 30 });
    },
    async (peer) => {
      await peer.open();
      await peer.subscribed();
      peer.send(event(11, 10));
    },
  ]);
  const events = client.subscribe({ events: ['thought'] });
  await client.connect();
  assert.equal((await next(events)).seq, 11);
  assert.ok((await happening(client, 'reconnecting')).delayMs >= 30);
});

test('a server that asks for no token gets none', async () => {
  const { client } = await meet([async (peer) => {
    peer.send({ type: 'welcome', protocol: 1, authRequired: false, epoch: 'e' });
    peer.send({ type: 'auth:ok', principal: 'anonymous', scopes: ['admin'] });
    peer.answer(await peer.expect('subscribe'), { type: 'subscribed', agents: [], events: [], head: 'e-10', recovered: false });
  }], { token: undefined });
  await client.connect();
});

test('a server that asks for a token, and none was given', async () => {
  const { client } = await meet([(peer) => peer.send({ type: 'welcome', protocol: 1, authRequired: true, epoch: 'e' })], { token: undefined });
  await assert.rejects(client.connect(), { code: 'unauthenticated', message: /option token/ });
});

test('what cannot be used is told at once, and a token that cannot be had in the end', async () => {
  assert.throws(() => new Client({ url: '127.0.0.1:3001' }), { code: 'invalid_argument' });
  const none = { webSocket: () => assert.fail('no WebSocket here') };
  const { client } = await meet([() => {}], none);
  await assert.rejects(client.connect(), /no WebSocket here/);
  const tokenless = new Client({ url: 'http://127.0.0.1:1', token: () => assert.fail('the vault is shut'), timeoutMs: 50 });
  await assert.rejects(tokenless.connect(), { code: 'unavailable', message: /the vault is shut/ });
});

test('a subscription that is closed before its answer is turned off by it', async () => {
  const { client, script } = await meet([async (peer) => {
    await peer.open();
    const { id } = await peer.expect('subscribe');
    events.close();
    peer.send({ type: 'subscribed', id, agents: ['*'], events: [], head: 'e-10', recovered: false });
    await peer.expect('unsubscribe');
    await peer.expect('unsubscribe');
  }]);
  const events = client.subscribe();
  await client.connect();
  await assert.rejects(events.ready, { code: 'closed' });
  await script.done;
});

test('after a server that drained, attempts are counted anew, and what it said holds once', async () => {
  const drains = async (peer) => {
    await peer.open();
    peer.send({ type: 'server:draining', retryAfterMs: 50 });
    peer.close(1012, 'restart');
  };
  const { client, script } = await meet([drains, drains, async (peer) => {
    await peer.open();
    peer.cut();
  }, (peer) => peer.open()]);
  const waits = [];
  client.on('reconnecting', (wait) => waits.push(wait));
  await client.connect();
  await script.done;
  assert.deepEqual(waits.map((w) => w.attempt), [1, 1, 2]);
  assert.deepEqual(waits.map((w) => w.delayMs >= 50), [true, true, false]);
});
