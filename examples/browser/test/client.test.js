// The client library in a page, from its own modules: what it promises holds over swaps, and when the API process dies.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './chromium.js';
import { Program, until } from './program.js';
import { Seen } from './seen.js';
import { Site } from './site.js';

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

test('events and turns over three swaps and a kill', async (t) => {
  const page = await open(browser, t, site.origin);
  const seen = await Seen.from(program, page, 'events=chat:*');
  await page.evaluate(async (url, token) => {
    const { Client } = await import('/client/index.js');
    globalThis.client = new Client({ url, token });
    globalThis.losses = 0;
    globalThis.turns = [];
    client.on('reconnecting', () => losses++);
    await client.connect();
    const events = client.subscribe({ events: ['chat:*'] });
    await events.ready;
    (async () => { for await (const event of events) seen.push(event); })();
    globalThis.talk = (async () => { // until the page is told to stop
      while (!globalThis.enough) turns.push((await client.chat({ agentId: 'aria', message: `number ${turns.length}` }).reply).role);
    })();
  }, program.url, program.token);
  const goesOn = async () => {
    const n = await page.evaluate('turns.length');
    await until('three more turns', async () => (await page.evaluate('turns.length')) >= n + 3);
  };
  for (let swap = 0; swap < 3; swap++) {
    await goesOn();
    await program.reload();
  }
  await goesOn();
  await page.evaluate('globalThis.enough = true, talk.then(() => 0)');
  assert.equal(await page.evaluate('losses'), 0, 'its sockets have stayed open');
  await program.killApi();
  await program.say();
  await seen.caughtUp();
  assert.ok(await page.evaluate('losses') > 0);
  await seen.check();
  const { agents } = await page.evaluate('client.agents.list()');
  assert.deepEqual(agents.map((a) => a.id).sort(), ['aria', 'nyx']);
  assert.ok((await page.evaluate('turns')).every((role) => role === 'agent'));
  await page.evaluate('client.close()');
});
