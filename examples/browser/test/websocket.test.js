// The WebSocket of a page stays open over swaps.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './chromium.js';
import { Program } from './program.js';
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

test('three swaps', async (t) => {
  const page = await open(browser, t, site.origin);
  const seen = await Seen.from(program, page, 'events=chat:*');
  await page.evaluate((url, token) => new Promise((resolve, reject) => {
    globalThis.closeCode = null;
    globalThis.pongs = 0;
    globalThis.ws = new WebSocket(`${url.replace('http', 'ws')}/ws`);
    ws.onclose = ({ code }) => reject(new Error(`closed with ${(closeCode = code)}`));
    ws.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'welcome') ws.send(JSON.stringify({ type: 'auth', token }));
      else if (frame.type === 'auth:ok') ws.send(JSON.stringify({ type: 'subscribe', events: ['chat:*'] }));
      else if (frame.type === 'subscribed') resolve();
      else if (frame.type === 'pong') pongs++;
      else seen.push(frame);
    };
  }), program.url, program.token);
  for (let swap = 0; swap < 3; swap++) {
    await program.swap(seen.caughtUp);
    await page.evaluate(() => ws.send('{"type":"ping"}'));
    await page.waitForFunction((n) => pongs === n, {}, swap + 1);
  }
  assert.equal(await page.evaluate('closeCode'), null);
  await seen.check();
});
