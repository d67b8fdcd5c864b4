import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../client-js/test/helpers/host.js';
import { until } from './program.js';

// Not NGINX, which nginx itself reads.
const program = process.env.TEST_NGINX || '/usr/sbin/nginx';
const operating = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const [, documented] = operating.match(/```nginx\n(.*?)```/s);

/**
 * nginx in front of the program, with the configuration that the documentation has. It serves an empty page of its own, and
 * adds the admin's token to everything, as a proxy does that knows by other means who is there.
 */
export class Nginx {
  #dir = mkdtempSync(join(tmpdir(), 'stagehouse-nginx-'));
  #process;

  static async start({ url, token }) {
    const nginx = new Nginx();
    await nginx.#start(new URL(url).host, token);
    return nginx;
  }

  async #start(upstream, token) {
    if (!existsSync(program)) throw new Error(`there is no ${program}: apt-get install nginx-light, or set TEST_NGINX to the path of one`);
    const address = `127.0.0.1:${await freePort()}`;
    this.origin = `http://${address}`;
    const server = documented.replace('127.0.0.1:3001', upstream).replace('listen 80;', `listen ${address};
      location = / { default_type text/html; return 200 "<!doctype html><title>a page</title>"; }
      location = /favicon.ico { return 204; }`).replace('proxy_pass', `proxy_set_header Authorization "Bearer ${token}";\n proxy_pass`);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ');
    writeFileSync(join(this.#dir, 'nginx.conf'), `daemon off; pid nginx.pid; error_log stderr error; ${process.getuid() === 0 ? 'user root;' : ''}
      events {} http { access_log off; ${temporary} gzip on; gzip_types text/event-stream application/json; ${server} }`);
    this.#process = spawn(program, ['-p', this.#dir, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.log = '';
    this.#process.stderr.on('data', (chunk) => (this.log += chunk));
    await until('nginx', async () => (await fetch(`${this.origin}/readyz`)).ok);
  }

  async stop() {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await exited;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
