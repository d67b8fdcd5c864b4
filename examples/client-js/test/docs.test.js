// What docs/clients.md and the README tell people to write, run as it is written there but for the address.
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

test('the REST calls of the README work', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, calls] = readme.match(/```js\n(const \{ runId.*?)```/s);
  const host = await Host.start();
  try {
    const code = `import { Client } from '@stagehouse/client';
      const client = new Client({ url: '${host.url}', token: '${host.token}' });
      await client.send({ agentId: 'nyx', message: 'I saw a whale in the sea.' });
      ${calls}
      console.log(reply.role);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: new URL('..', import.meta.url), timeout: 30_000,
    });
    assert.equal(stdout, 'I saw a whale in the sea.\nagent\n');
  } finally {
    await host.stop();
  }
});
