import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../src/backoff.js';
import { Emitter } from '../src/emitter.js';
import { Filter } from '../src/filter.js';
import { Place } from '../src/place.js';
import { Stream } from '../src/stream.js';

test('waits grow up to a bound, and a random part of each is waited', () => {
  const options = { baseMs: 100, maxMs: 1000 };
  const longest = new Backoff({ ...options, random: () => 1 });
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => longest.next()), [100, 200, 400, 800, 1000, 1000]);
  longest.reset();
  assert.equal(longest.next(), 100);
  const half = new Backoff({ ...options, random: () => 0.5 });
  assert.deepEqual([half.next(), half.next()], [50, 100]);
  for (let i = 0; i < 2000; i++) assert.ok(longest.next() <= 1000, 'however often');
});

test('a filter lets through what the server would send', () => {
  const thought = { type: 'agent:thought', agentId: 'nyx' };
  const cases = [
    [{}, true], [{ events: ['thought'] }, true], [{ events: ['agent:thought'] }, true], [{ events: ['agent:*'] }, true], [{ events: ['*'] }, true],
    [{ events: [] }, false], [{ events: ['chat:*', 'emotion'] }, false],
    [{ agents: ['nyx'] }, true], [{ agents: ['*'] }, true], [{ agents: ['aria'] }, false], [{ agents: [] }, false],
  ];
  for (const [lists, want] of cases) assert.equal(new Filter(lists).lets(thought), want, JSON.stringify(lists));
  assert.equal(new Filter({ agents: ['nyx'] }).lets({ type: 'agent:thought' }), false, 'of no agent');
});

test('a union lets through what any does', () => {
  const union = (...lists) => Filter.union(lists.map((l) => new Filter(l))).lists();
  assert.deepEqual(union(), { agents: [], events: [] });
  assert.deepEqual(union({ agents: ['a'], events: ['thought'] }, { agents: ['b', 'a'], events: ['chat:*'] }), { agents: ['a', 'b'], events: ['thought', 'chat:*'] });
  assert.deepEqual(union({ agents: ['a'], events: ['thought'] }, { agents: ['b'] }), { agents: ['a', 'b'] });
  assert.deepEqual(union({}, { agents: ['b'], events: ['thought'] }), {});
  const many = Array.from({ length: 257 }, (_, i) => `a${i}`);
  assert.deepEqual(union({ agents: many, events: ['thought'] }), { events: ['thought'] }, 'more than one frame may name');
});

test('a place only goes on, unless the log is another one', () => {
  const place = new Place();
  place.take('e-10');
  place.reach('e-9');
  assert.equal(place.id, 'e-10');
  place.reach('e-12');
  assert.equal(place.id, 'e-12');
  const pass = (id, prevSeq, type = 'agent:thought') => place.pass({ type, id, seq: Number(id.slice(2)), prevSeq });
  assert.equal(pass('e-12', 10), 'again');
  assert.equal(pass('e-14', 13), 'lost');
  assert.equal(pass('f-14', 12), 'lost', 'another log, and no gap');
  assert.equal(pass('e-14', 12), 'next');
  assert.equal(pass('e-13', undefined, 'gap'), 'again');
  assert.equal(pass('e-20', undefined, 'gap'), 'next');
  place.breaks();
  assert.equal(pass('e-21', 20), 'lost', 'a gap was to come');
  assert.equal(pass('e-3', undefined, 'gap'), 'next');
  assert.equal(place.id, 'e-3');
});

test('a stream gives what is in it to whoever waits, and then its end', async () => {
  const stream = new Stream({ limit: 2 });
  const first = stream.next();
  stream.push(1);
  stream.push(2);
  stream.end(new Error('over'));
  stream.push(3);
  assert.deepEqual(await first, { value: 1, done: false });
  assert.equal((await stream.next()).value, 2);
  await assert.rejects(stream.next(), /over/);
  assert.equal((await stream.next()).done, true);
  const ended = new Stream({ limit: 2 });
  const waiting = [ended.next(), ended.next()];
  ended.end();
  assert.deepEqual((await Promise.all(waiting)).map((r) => r.done), [true, true]);
});

test('a listener that throws is nobody else\'s trouble, and its error is not lost', (t) => {
  const emitter = new Emitter();
  const heard = [];
  emitter.on('x', () => {
    throw new Error('mine');
  });
  const off = emitter.on('x', (value) => heard.push(value));
  const { mock } = t.mock.method(globalThis, 'queueMicrotask', () => {});
  emitter.emit('x', 1);
  off();
  assert.deepEqual(heard, [1]);
  assert.throws(mock.calls[0].arguments[0], /mine/);
});
