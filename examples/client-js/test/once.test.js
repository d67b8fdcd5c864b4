// A message is accepted once, and its turn told to its end, whatever the server and the connection do.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Client } from '@stagehouse/client';
import { Script, turn } from './helpers/script.js';

const open = [];
afterEach(() => open.splice(0).forEach((o) => o.close()));

async function meet(plays, options = {}) {
  const script = await Script.serve(...plays);
  const client = new Client({ url: script.url, token: 't', retry: { baseMs: 1, maxMs: 5 }, ...options });
  open.push(client, script);
  await client.connect();
  return { script, client };
}

const hello = (client, more = {}) => client.chat({ agentId: 'nyx', message: 'Hello!', ...more });
const reply = { reply: { content: 'yes' } };

async function deltas(of) {
  const pieces = [];
  for await (const piece of of) pieces.push(piece);
  return pieces.join('');
}

const refuse = (code, more = {}) => async (peer, command) => {
  peer.answer(command, { type: 'error', code, detail: 'no', retryable: true, ...more });
  return true;
};

const faults = {
  'the socket breaks': (peer) => peer.cut(),
  'the server drains': (peer) => {
    peer.send({ type: 'server:draining', retryAfterMs: 1 });
    peer.close(1012, 'restart');
  },
  'nothing comes': () => {},
  'the rate limit': refuse('rate_limited', { retryAfterMs: 2 }),
  'a full queue': refuse('busy'),
  'the server does not know': refuse('unavailable', { runId: 'run_of_the_first_try' }),
  'the server is wrong': refuse('internal', { runId: 'run_of_the_first_try', retryable: false }),
};

for (const [what, fault] of Object.entries(faults)) {
  test(`in the place of an ack, ${what}: it is said again with the same key, and has one turn`, async () => {
    let first;
    const goOn = async (peer) => {
      await peer.ack({ replayed: true }, first);
      peer.send(turn(11, 10, 'delta', { delta: 'Hi' }));
      peer.send(turn(12, 11, 'reply', reply));
    };
    const { client, script } = await meet([
      async (peer) => {
        await peer.open();
        first = await peer.expect('chat:message');
        if (await fault(peer, first)) await goOn(peer);
      },
      async (peer) => {
        assert.equal((await peer.open()).since, undefined, 'there is no need for what others see');
        await goOn(peer);
      },
    ], what === 'nothing comes' ? { timeoutMs: 3000 } : {});
    const said = hello(client);
    assert.equal((await said.reply).content, 'yes');
    assert.equal(await deltas(said), 'Hi');
    assert.equal((await said.accepted).runId, 'run_1');
    assert.ok(script.sockets <= 2);
  });
}

test('on every socket the turn comes from its beginning, and what came before is left out', async () => {
  let first;
  const { client, script } = await meet([
    async (peer) => {
      await peer.open();
      first = await peer.ack();
      peer.send(turn(11, 10, 'queued'));
      peer.send(turn(12, 11, 'delta', { delta: 'a' }));
      peer.cut();
    },
    async (peer) => { // cut off before it is where the client was
      await peer.open({ head: 'e-20' });
      await peer.ack({ replayed: true }, first);
      peer.send(turn(11, undefined, 'queued'));
      peer.cut();
    },
    async (peer) => {
      await peer.open({ head: 'e-20' });
      await peer.ack({ replayed: true }, first);
      for (const [seq, delta] of [[12, 'a'], [14, 'b']]) peer.send(turn(seq, undefined, 'delta', { delta }));
      peer.send(turn(22, 20, 'delta', { delta: 'c' }));
      peer.send(turn(25, 24, 'delta', { delta: 'lost before this' }));
    },
    async (peer) => {
      await peer.open({ head: 'e-30' });
      await peer.ack({ replayed: true }, first);
      for (const [seq, delta] of [[12, 'a'], [14, 'b'], [22, 'c'], [23, 'd']]) peer.send(turn(seq, undefined, 'delta', { delta }));
      peer.send(turn(24, undefined, 'reply', reply));
    },
  ]);
  const said = hello(client);
  assert.equal(await deltas(said), 'abcd');
  assert.equal((await said.reply).content, 'yes');
  assert.equal(script.sockets, 4);
});

test('what a subscription brings of a turn before its ack is not lost to it', async () => {
  let first;
  const { client, script } = await meet([
    async (peer) => {
      await peer.open();
      await peer.subscribed();
      first = await peer.expect('chat:message');
      peer.cut();
    },
    async (peer) => {
      assert.equal((await peer.open()).since, 'e-10');
      const { conversationId } = first;
      peer.send(turn(12, 10, 'delta', { delta: 'of another', runId: 'run_7', conversationId: 'another' }));
      peer.send(turn(13, 12, 'delta', { delta: 'a', conversationId }));
      await peer.ack({ replayed: true }, first);
      peer.send(turn(14, 13, 'delta', { delta: 'b', conversationId }));
      peer.send(turn(15, 14, 'reply', { ...reply, conversationId }));
    },
  ]);
  const events = client.subscribe({ events: ['chat:*'] });
  await events.ready;
  const said = hello(client);
  assert.equal(await deltas(said), 'ab');
  assert.equal((await events.next()).value.delta, 'of another');
  await script.done;
});

test('an end that is gone from the log has no place, and is the end', async () => {
  const { client } = await meet([
    async (peer) => {
      await peer.open();
      await peer.ack();
      peer.send(turn(11, 10, 'queued'));
      peer.cut();
    },
    async (peer) => {
      await peer.open({ head: 'e-90' });
      await peer.ack({ replayed: true });
      peer.send({ type: 'chat:reply', runId: 'run_1', agentId: 'nyx', ...reply });
    },
  ]);
  assert.equal((await hello(client).reply).content, 'yes');
});

test('behind a gap, another socket is told what there is of the turn', async () => {
  const { client, script } = await meet([
    async (peer) => {
      await peer.open();
      await peer.ack();
      peer.send({ type: 'gap', id: 'e-40', seq: 40, requested: 'e-10', firstAvailable: 'e-41', head: 'e-60' });
    },
    async (peer) => {
      await peer.open({ head: 'e-60' });
      await peer.ack({ replayed: true });
      peer.send(turn(50, undefined, 'reply', reply));
    },
  ]);
  assert.equal((await hello(client).reply).content, 'yes');
  assert.equal(script.sockets, 2);
});

test('a turn whose conversation was deleted ends, and says so', async () => {
  const { client } = await meet([async (peer) => {
    await peer.open();
    await peer.ack({ replayed: true });
    peer.send({ type: 'error', code: 'not_found', detail: 'its conversation has been deleted', runId: 'run_1' });
  }]);
  await assert.rejects(hello(client).reply, { name: 'TurnError', code: 'not_found', runId: 'run_1' });
});

test('a server that takes the message for a new one has lost the turn', async () => {
  let n = 0;
  const { client } = await meet([async (peer) => {
    await peer.open();
    await peer.ack({ runId: `run_${++n}` });
    if (n === 1) peer.cut();
  }]);
  await assert.rejects(hello(client).reply, { name: 'TurnError', code: 'not_found', runId: 'run_1', message: /has begun run run_2/ });
});

for (const [code, cut, tries, unknown] of [
  ['idempotency_key_reused', false, 1, false],
  ['agent_not_running', true, 1, false],
  ['permission_denied', false, 1, false],
  ['permission_denied', true, 1, true],
  ['busy', true, 8, false],
  ['rate_limited', true, 8, true],
  ['internal', false, 3, true],
]) {
  test(`refused for good${cut ? ', behind a lost answer' : ''}: ${code}`, async () => {
    let answered = 0;
    const refuses = async (peer) => {
      await peer.open();
      for (;;) {
        const command = await peer.expect('chat:message');
        assert.equal(command.idempotencyKey, 'mine');
        answered++;
        peer.answer(command, { type: 'error', code, detail: 'no', retryable: ['busy', 'rate_limited'].includes(code), details: { threshold: 0.5, candidates: [{ agentId: 'nyx' }] } });
      }
    };
    const cuts = async (peer) => {
      await peer.open();
      await peer.expect('chat:message');
      peer.cut();
    };
    const { client } = await meet(cut ? [cuts, refuses] : [refuses]);
    const error = await hello(client, { idempotencyKey: 'mine' }).reply.catch((e) => e);
    assert.equal(error.code, unknown ? 'unknown_outcome' : code);
    const problem = unknown ? error.cause : error;
    assert.deepEqual([problem.code, problem.threshold, problem.candidates], [code, 0.5, [{ agentId: 'nyx' }]]);
    assert.equal(answered, tries);
  });
}

test('who ends the asking before an answer does not know, and is told so', async () => {
  const silent = async (peer) => {
    await peer.open();
    await peer.expect('chat:message');
    heard();
  };
  let heard;
  const inVain = async (end, options) => {
    const { client } = await meet([silent], options);
    const asked = new Promise((resolve) => (heard = resolve));
    const said = hello(client);
    await asked;
    end(client);
    await assert.rejects(said.reply, { name: 'TurnError', code: 'unknown_outcome', runId: '' });
    await assert.rejects(said.accepted, { code: 'unknown_outcome' });
  };
  await inVain((client) => client.close());
  await inVain(() => {}, { withoutRetry: true, timeoutMs: 3000 });
});

test('a token that is refused behind a lost answer leaves it open', async () => {
  const { client } = await meet([
    async (peer) => {
      await peer.open();
      await peer.expect('chat:message');
      peer.close(4401, 'revoked');
    },
  ]);
  await assert.rejects(hello(client).reply, (e) => e.code === 'unknown_outcome' && e.cause.code === 'unauthenticated');
});

test('withoutRetry, a refusal is told at once', async () => {
  const { client } = await meet([async (peer) => {
    await peer.open();
    await refuse('busy')(peer, await peer.expect('chat:message'));
    await peer.expect('chat:message').then(() => assert.fail('it is said again'));
  }], { withoutRetry: true });
  await assert.rejects(hello(client).reply, { name: 'ProblemError', code: 'busy' });
});
