// A page of another origin reads streams with fetch, as the documentation has it, and loses nothing over swaps.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './chromium.js';
import { Program } from './program.js';
import { Seen } from './seen.js';
import { Site } from './site.js';
import { snippet } from './snippet.js';

let program, site, browser;

before(async () => {
  site = await Site.start();
  program = await Program.start({ cors: { origin: site.origin } });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
  await site?.stop();
});

/** Opens a page that knows the code of the documentation, where the API is, and its token. */
async function pageWithCode(t) {
  const page = await open(browser, t, site.origin);
  await page.evaluate(`${snippet('docs/clients.md', '## In a page, without a library')}
    Object.assign(globalThis, ${JSON.stringify({ url: program.url, token: program.token })}); undefined`);
  return page;
}

test('the events, over three swaps', async (t) => {
  const page = await pageWithCode(t);
  const seen = await Seen.from(program, page, 'events=chat:*');
  await page.evaluate((since) => {
    globalThis.leave = new AbortController();
    globalThis.following = (async () => {
      for await (const event of follow(`${url}/api/events?events=chat:*&since=${since}`, token, leave.signal)) seen.push(event);
    })().catch((error) => error.name);
  }, await program.head());
  for (let swap = 0; swap < 3; swap++) await program.swap(seen.caughtUp);
  assert.equal(await page.evaluate('leave.abort(), following'), 'AbortError');
  await seen.check();
});

test('a turn, over a swap', async (t) => {
  const page = await pageWithCode(t);
  const conversationId = 'busy';
  const words = Array.from('abcdefghijklmnopqrstuvwxyz'.repeat(1000)).join(' ');
  const ahead = []; // turns that take a while, and longer than a swap together
  for (let pair = 0; pair < 7; pair++) {
    for (const message of [words, 'What did I say?']) {
      ahead.push(await program.call('POST', '/api/chat/send', { agentId: 'nyx', conversationId, message }, { Prefer: 'respond-async' }));
    }
  }
  const runId = await page.evaluate((conversationId) => new Promise((resolve, reject) => {
    const headers = { Accept: 'text/event-stream', 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
    const body = JSON.stringify({ agentId: 'nyx', conversationId, message: 'Hello!' });
    globalThis.seen = [];
    globalThis.turn = (async () => {
      let last, runId;
      for await (const { id, event, data } of blocks(await fetch(`${url}/api/chat/send`, { method: 'POST', headers, body }))) {
        if (id) last = id;
        if (event === 'ack') ({ runId } = JSON.parse(data));
        else if (data && seen.push(JSON.parse(data)) === 1) resolve(runId);
      }
      const before = seen.map((e) => e.type);
      for await (const event of follow(`${url}/api/events?runId=${runId}&since=${last}`, token)) {
        seen.push(event);
        if (event.type === 'chat:reply') return { before, content: event.reply.content };
      }
    })();
    turn.catch(reject);
  }), conversationId);
  await program.reload();
  for (const run of ahead) await program.call('POST', `/api/runs/${run.runId}/cancel`);
  const { before, content } = await page.evaluate('turn');
  assert.deepEqual(before, ['chat:queued'], 'what came before the swap');
  const run = await program.call('GET', `/api/runs/${runId}`);
  assert.equal(run.status, 'completed');
  assert.equal(content, run.reply.content);
  assert.deepEqual(await page.evaluate('seen.map((e) => e.id)'), await program.logged('', `runId=${runId}`));
});
