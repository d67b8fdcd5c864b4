// The JavaScript of the reference page, pasted unchanged but for the token and for where WebSocket comes from.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import vm from 'node:vm';
import WebSocket from 'ws';

const page = readFileSync(new URL('../testdata/reference-page.md', import.meta.url), 'utf8');
const blocks = (language) => [...page.matchAll(new RegExp('```' + language + '\\n(.*?)```', 'gs'))].map((m) => m[1]);

let host, dir, token;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stagehouse-node-'));
  const config = join(dir, 'page.json');
  writeFileSync(config, blocks('json')[0]);
  host = spawn(process.env.STAGEHOUSE, ['run', '--config', config, '--data', join(dir, 'data')], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    let out = '';
    host.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.includes('Ctrl-C')) resolve();
    });
    host.once('exit', (code) => reject(new Error(`the host exited with ${code}`)));
  });
  token = readFileSync(join(dir, 'data', 'api-token'), 'utf8').trim();
});

after(async () => {
  const exited = new Promise((resolve) => host.once('exit', resolve));
  host.kill('SIGTERM');
  assert.equal(await exited, 0, 'SIGTERM drains and exits 0');
  rmSync(dir, { recursive: true, force: true });
});

// waitFor resolves with the first frame that f accepts. Frames wait in a list, so none is missed between two calls.
function frames(ws) {
  const seen = [];
  const waiting = [];
  ws.on('message', (data) => {
    seen.push(JSON.parse(data));
    for (const w of [...waiting]) w();
  });
  return (what, f) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what} among ${JSON.stringify(seen)}`)), 30_000);
    const look = () => {
      const found = seen.find(f);
      if (!found) return;
      clearTimeout(timer);
      waiting.splice(waiting.indexOf(look), 1);
      resolve(found);
    };
    waiting.push(look);
    look();
  });
}

test('every snippet of the page works as it is written', async () => {
  const logged = [];
  const context = vm.createContext({ WebSocket, JSON, console: { log: (...args) => logged.push(args) } });
  const [connection, subscription, chat] = blocks('javascript');

  vm.runInContext(connection.replace('your-auth-token', token), context);
  const ws = vm.runInContext('ws', context);
  const waitFor = frames(ws);
  assert.equal((await waitFor('auth:ok', (f) => f.type.startsWith('auth:'))).type, 'auth:ok');

  vm.runInContext(subscription, context);
  const subscribed = await waitFor('subscribed', (f) => f.type === 'subscribed');
  assert.deepEqual(subscribed.agents, ['aria', 'nyx']);

  vm.runInContext(chat, context);
  const routed = await waitFor('ack of the route', (f) => f.type === 'ack' && f.route);
  assert.equal(routed.agentId, 'nyx', 'who knows programming');
  const direct = await waitFor('ack of the message', (f) => f.type === 'ack' && !f.route);
  assert.equal(direct.agentId, 'nyx');
  for (const ack of [routed, direct]) {
    const reply = await waitFor('reply', (f) => f.type === 'chat:reply' && f.runId === ack.runId);
    assert.ok(reply.reply.content.length > 0);
  }
  assert.ok(logged.some((l) => l[0] === 'nyx' && l[1] === 'thinking:' && l[2]), 'the page logs thoughts');
  assert.ok(logged.some((l) => l[0] === 'nyx' && l[1] === 'feeling:' && l[2]), 'the page logs feelings');

  const closed = new Promise((resolve) => ws.once('close', resolve));
  ws.close();
  await closed;
});
