import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const library = new URL('../../client-js/src/', import.meta.url);

/** A web site of its own origin: an empty page, and the modules of the client library under /client/. */
export class Site {
  #server = createServer((request, response) => this.#answer(new URL(request.url, 'http://site').pathname, response));

  static async start() {
    const site = new Site();
    site.#server.listen(0, '127.0.0.1');
    await once(site.#server, 'listening');
    site.origin = `http://127.0.0.1:${site.#server.address().port}`;
    return site;
  }

  async #answer(path, response) {
    const [, module] = path.match(/^\/client\/([a-z]+\.js)$/) ?? [];
    if (module) {
      response.setHeader('Content-Type', 'text/javascript').end(await readFile(new URL(module, library)));
    } else if (path === '/') {
      response.setHeader('Content-Type', 'text/html; charset=utf-8').end('<!doctype html><title>a page</title><link rel="icon" href="data:,">');
    } else {
      response.writeHead(404).end();
    }
  }

  async stop() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
