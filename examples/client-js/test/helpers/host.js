import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.js';

const run = promisify(execFile);

/** The program under test, on a port that stays the same when it is started again. */
export class Host {
  #dir = mkdtempSync(join(tmpdir(), 'stagehouse-client-'));
  #data = join(this.#dir, 'data');
  #process;

  /** Starts one. api has keys of its block in the configuration. */
  static async start(api = {}) {
    const host = new this();
    const port = await freePort();
    const config = { extensions: { api: { host: '127.0.0.1', port, rateLimit: { windowMs: 60_000, max: 100_000 }, ...api } } };
    writeFileSync(join(host.#dir, 'stagehouse.json'), JSON.stringify(config));
    host.url = `http://127.0.0.1:${port}`;
    await host.start();
    return host;
  }

  async start() {
    assert.ok(process.env.STAGEHOUSE, 'STAGEHOUSE must be the path of the program; make sets it');
    const args = ['run', '--config', join(this.#dir, 'stagehouse.json'), '--data', this.#data];
    this.#process = spawn(process.env.STAGEHOUSE, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    this.#process.stderr.on('data', (chunk) => (log += chunk));
    await until('the host to serve', async () => {
      assert.equal(this.#process.exitCode, null, `the host has ended:\n${log}`);
      return (await fetch(`${this.url}/readyz`)).ok;
    });
    this.token = readFileSync(join(this.#data, 'api-token'), 'utf8').trim();
  }

  async command(...args) {
    const { stdout } = await run(process.env.STAGEHOUSE, [...args, '--data', this.#data]);
    return stdout;
  }

  /** Replaces the API process. */
  reload() {
    return this.command('ext', 'reload', 'api');
  }

  async api() {
    return JSON.parse(await this.command('ext', 'list', '--json')).extensions[0];
  }

  /** Kills the API process, and returns when the next one serves. It does the first without waiting for anything if the pid is given. */
  async killApi(pid) {
    pid ??= (await this.api()).pid;
    process.kill(pid, 'SIGKILL');
    await until('the next API process', async () => {
      const next = await this.api();
      return next.pid !== pid && next.state === 'running';
    });
  }

  /** Kills the host with everything, and starts it again. */
  async restart() {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
    await this.start();
  }

  async stop() {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const [code] = await exited;
    rmSync(this.#dir, { recursive: true, force: true });
    assert.equal(code, 0, 'SIGTERM drains and exits 0');
  }
}

/** A port that is free, or was a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
