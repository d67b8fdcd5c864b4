// What a page of another origin can do with fetch.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './chromium.js';
import { Program } from './program.js';
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

test('a page reads what CORS lets it', async (t) => {
  const page = await open(browser, t, site.origin);
  const answer = await page.evaluate(async (url, token) => {
    const response = await fetch(url + '/api/agents/nyx', { headers: { Authorization: 'Bearer ' + token } });
    return { status: response.status, etag: response.headers.get('ETag'), agent: await response.json() };
  }, program.url, program.token);
  assert.equal(answer.status, 200);
  assert.equal(answer.agent.id, 'nyx');
  assert.ok(answer.etag);
});
