// What a browser loads has nothing of Node's or npm's in it, and works without.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Host } from './helpers/host.js';

const root = new URL('../', import.meta.url);
const { exports: entries } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

test('every import of a browser\'s is of a module beside it', () => {
  const seen = new Set();
  const visit = (url) => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    const code = readFileSync(url, 'utf8').replace(/\/\*.*?\*\//gs, ''); // the types in comments are for the compiler
    for (const [, name] of code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      assert.match(name, /^\.\/[a-z]+\.js$/, `${url.pathname} imports ${name}`);
      visit(new URL(name, url));
    }
    assert.doesNotMatch(code, /\b(process|Buffer|require|global|__dirname)\b[.([]/, `${url.pathname} uses what browsers have not`);
  };
  visit(new URL(entries['.'].browser, root));
  assert.ok(seen.size > 10, `${seen.size} modules`);
  assert.ok(!seen.has(new URL('src/node.js', root).href));
});

test('it talks to the program with the global WebSocket and fetch alone', async () => {
  const host = await Host.start();
  try {
    const page = new URL('helpers/page.js', import.meta.url).pathname;
    const flags = ['--experimental-websocket', '--conditions=browser', '--no-warnings'];
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, page, host.url, host.token]);
    assert.deepEqual(JSON.parse(stdout), { entry: 'index.js', thought: true, reply: 'agent', agents: ['aria', 'nyx'] });
  } finally {
    await host.stop();
  }
});
