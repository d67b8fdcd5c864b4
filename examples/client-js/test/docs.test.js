// What docs/clients.md tells people to write, run as it is written there but for the address.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Host } from './helpers/host.js';

const section = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8').split('\n## From JavaScript\n')[1];
const [, snippet] = section.match(/```js\n(.*?)```/s);

test('the example of the documentation works', async () => {
  const host = await Host.start();
  try {
    const code = snippet.replace('http://127.0.0.1:3001', host.url);
    assert.notEqual(code, snippet);
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: new URL('..', import.meta.url), env: { ...process.env, STAGEHOUSE_TOKEN: host.token }, timeout: 30_000,
    });
    assert.match(stdout, /^nyx thinks: ./m);
    assert.match(stdout, /^nyx felt \w/m);
  } finally {
    await host.stop();
  }
});
