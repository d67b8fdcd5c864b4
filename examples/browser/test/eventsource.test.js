// A page with nothing but EventSource, as the README has it. It comes again by itself, from where it was.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './chromium.js';
import { Nginx } from './nginx.js';
import { Program } from './program.js';
import { Seen } from './seen.js';
import { Site } from './site.js';
import { snippet } from './snippet.js';

const code = snippet('README.md', '### Server-sent events');
const swaps = 3;
let browser;

before(async () => (browser = await launch()));
after(() => browser?.close());

async function follows(t, program, origin, code) {
  const page = await open(browser, t, origin);
  const seen = await Seen.from(program, page, 'events=chat:*');
  await page.evaluate(`
    globalThis.opened = 0;
    globalThis.show = (event) => seen.push(event);
    ${code}
    events.addEventListener('open', () => opened++);
    new Promise((resolve) => events.addEventListener('subscribed', resolve, { once: true })).then(() => 0);
  `);
  for (let swap = 0; swap < swaps; swap++) await program.swap(seen.caughtUp);
  await seen.check();
  const { opened, state } = await page.evaluate('({ opened, state: events.readyState })');
  assert.ok(opened > swaps, `it was opened ${opened} times`);
  assert.equal(state, 1, 'it is open');
}

test('on a server without authentication, from a page of another origin', async (t) => {
  const site = await Site.start();
  t.after(() => site.stop());
  const program = await Program.start({ cors: { origin: site.origin }, auth: { mode: 'none' } });
  t.after(() => program.stop());
  await follows(t, program, site.origin, code.replace('"/api', `"${program.url}/api`));
});

test('on its own origin, behind an nginx that adds the token', async (t) => {
  const program = await Program.start();
  t.after(() => program.stop());
  const nginx = await Nginx.start(program);
  t.after(() => nginx.stop());
  await follows(t, program, nginx.origin, code);
  assert.equal(nginx.log, '');
});
