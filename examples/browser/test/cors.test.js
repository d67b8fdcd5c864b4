// What CORS lets pages of other origins send and see.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './chromium.js';
import { Program } from './program.js';
import { Site } from './site.js';

let program, site, elsewhere, browser;

before(async () => {
  [site, elsewhere] = await Promise.all([Site.start(), Site.start()]);
  program = await Program.start({ cors: { origin: [site.origin] }, rateLimit: { windowMs: 60_000, max: 5000 } });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
  await Promise.all([site?.stop(), elsewhere?.stop()]);
});

// Asks for everything that has headers of its own, and returns those that it sees of each answer. It runs here and in pages.
async function headersOf(url, token) {
  const ask = async (method, path, { body, token: own = token, ...headers } = {}) => {
    headers.Authorization = `Bearer ${own}`;
    if (body) headers['Content-Type'] = 'application/json';
    const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
    await response.text();
    return [response.status, Object.fromEntries(response.headers)];
  };
  const key = crypto.randomUUID();
  const [, { etag }] = await ask('GET', '/api/agents/nyx');
  const change = { body: { persona: 'calm' }, 'If-Match': etag, 'Idempotency-Key': key, 'X-Request-Id': 'mine' };
  return [
    await ask('GET', '/api/agents/nyx', { 'If-None-Match': etag }),
    await ask('PATCH', '/api/agents/nyx', change),
    await ask('PATCH', '/api/agents/nyx', change),
    await ask('POST', '/api/chat/send', { body: { agentId: 'nyx', message: 'Hello!' }, Prefer: 'respond-async', 'Last-Event-ID': 'x-1' }),
    await ask('GET', '/api/agents?limit=1'),
    await ask('GET', '/api/chat/send'),
    await ask('GET', '/api/agents', { token: 'wrong' }),
    await ask('GET', '/api/events', { Accept: 'application/json' }),
  ];
}

// What a page has no use for: it is for browsers, and for those on the way.
const unexposed = /^(access-control-.*|connection|date|keep-alive|vary|x-content-type-options)$/;
const names = ([status, headers]) => [status, Object.keys(headers).filter((name) => !unexposed.test(name)).sort()];

test('every header that a client needs, in both directions', async (t) => {
  const page = await open(browser, t, site.origin);
  const seen = await page.evaluate(headersOf, program.url, program.token);
  assert.deepEqual(seen.map(names), (await headersOf(program.url, program.token)).map(names));
  assert.deepEqual(seen.map(([status]) => status), [304, 200, 200, 202, 200, 405, 401, 200]);
  const [same, changed, again, accepted, list, , refused] = seen.map(([, headers]) => headers);
  assert.ok(same.etag && changed.etag && same.etag !== changed.etag);
  assert.equal(changed['x-request-id'], 'mine');
  assert.equal(again['idempotency-replayed'], 'true');
  assert.match(accepted.location, /^\/api\/runs\/run_/);
  assert.equal(accepted['preference-applied'], 'respond-async');
  assert.match(list.link, /rel="next"/);
  assert.ok(list.ratelimit && list['ratelimit-policy']);
  assert.match(refused['www-authenticate'], /^Bearer/);
});

test('when to come again after too many requests', async (t) => {
  const strict = await Program.start({ cors: { origin: site.origin }, rateLimit: { windowMs: 60_000, max: 3 } });
  t.after(() => strict.stop());
  const page = await open(browser, t, site.origin);
  const answers = await page.evaluate(async (url, token) => {
    const answers = [];
    for (let n = 0; n < 4; n++) {
      const { status, headers } = await fetch(`${url}/api/agents`, { headers: { Authorization: `Bearer ${token}` } });
      answers.push([status, headers.get('Retry-After')]);
    }
    return answers;
  }, strict.url, strict.token);
  assert.deepEqual(answers.slice(0, 3), Array(3).fill([200, null]));
  assert.equal(answers[3][0], 429);
  assert.match(answers[3][1], /^\d+$/);
});

test('a page of an origin that is not allowed reads nothing', async (t) => {
  const page = await open(browser, t, elsewhere.origin);
  const ask = (url, token) => Promise.all([
    fetch(`${url}/api/agents`, { headers: { Authorization: `Bearer ${token}` } }),
    fetch(`${url}/healthz`), // which asks for no token
  ].map((attempt) => attempt.then(() => 'read', (error) => error.name)));
  assert.deepEqual(await page.evaluate(ask, program.url, program.token), ['TypeError', 'TypeError']);
});
