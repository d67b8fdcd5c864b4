import type { RequestListener } from 'node:http'

import type { Caller__Output } from '../../build/proto/stagehouse/v1/Caller.js'
import type { Log } from './log.js'
import { HttpServer } from './server.js'
import type { Caller, Scope, Services } from './services.js'
import type { Line } from './tether.js'

/** What an extension sees of the host that runs it. */
export class Host {
  readonly #line: Line
  readonly #as: (caller: Caller | Caller__Output) => Services
  readonly #leaving: AbortController
  readonly #servers: HttpServer[] = []
  readonly #addresses: string[] = []

  constructor(
    /** Under which the host knows the extension: its key in the configuration. */
    readonly name: string,
    /** Grows with every launch of the extension. */
    readonly generation: number,
    /** The services that the host offers and has granted. */
    readonly offered: readonly string[],
    /** Goes to the host's log. */
    readonly log: Log,
    line: Line,
    as: (caller: Caller | Caller__Output) => Services,
    leaving: AbortController,
  ) {
    this.#line = line
    this.#as = as
    this.#leaving = leaving
  }

  /** Aborted when the extension drains: what would go on for ever ends then. */
  get leaving(): AbortSignal {
    return this.#leaving.signal
  }

  /** The services on behalf of a client, such as `identity.authenticate` names. */
  as(caller: Caller | Caller__Output): Services {
    return this.#as(caller)
  }

  /** The services in the extension's own name. It sees what everybody may see, and with the scope admin everything. */
  self(...scopes: Scope[]): Services {
    return this.#as({ principal: `extension:${this.name}`, scopes })
  }

  /**
   * Serves HTTP at an address, such as 127.0.0.1:3003, until the extension drains. It is the host that binds, and keeps the
   * listener beyond this process, so that nobody is refused while the extension is restarted or replaced.
   */
  async serve(address: string, handler: RequestListener): Promise<void> {
    const server = new HttpServer(this.#line, handler)
    this.#addresses.push(await server.listen(address))
    this.#servers.push(server)
  }

  /** Where the extension serves. */
  get addresses(): readonly string[] {
    return this.#addresses
  }

  /** Ends what the extension serves, and returns how many requests were cut off when the time was up. */
  async finish(timeUp: AbortSignal, final: boolean): Promise<number> {
    for (const server of this.#servers) server.leave()
    this.#line.left()
    this.#leaving.abort()
    const cut = await Promise.all(this.#servers.map((server) => server.finish(timeUp, final)))
    return cut.reduce((sum, n) => sum + n, 0)
  }
}
