import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The built program, with a data directory and a port of its own. */
export class Host {
  private constructor(
    private readonly dir: string,
    private readonly process: ChildProcess,
    readonly url: string,
    readonly token: string,
  ) {}

  /** Starts it, and returns when it serves. */
  static async start(): Promise<Host> {
    const program = process.env['STAGEHOUSE'];
    assert.ok(program, 'STAGEHOUSE must be the path of the program: make contract');
    const dir = mkdtempSync(join(tmpdir(), 'stagehouse-contract-'));
    const host = spawn(program, ['run', '--data', dir, '--set', 'extensions.api.port=0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const url = await served(host);
    return new Host(dir, host, url, readFileSync(join(dir, 'api-token'), 'utf8').trim());
  }

  async stop(): Promise<void> {
    const exited = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const [code] = await exited;
    rmSync(this.dir, { recursive: true, force: true });
    assert.equal(code, 0, 'SIGTERM drains and exits 0');
  }
}

/** The URL that the host says it serves at, once it is done starting. */
async function served(host: ChildProcess): Promise<string> {
  let url: string | undefined;
  for await (const line of createInterface({ input: host.stdout! })) {
    url ??= /^ *api +(http:\S+)/.exec(line)?.[1];
    if (line.includes('Ctrl-C') && url !== undefined) {
      host.stdout!.resume(); // what it says from now on is nobody's business, and must not fill the pipe
      return url;
    }
  }
  throw new Error('the host has ended before it served');
}
