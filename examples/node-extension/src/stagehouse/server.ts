import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { Server as NetServer, type AddressInfo } from 'node:net'

import type { Line, Listener } from './tether.js'

/** How long an address may be another's, and how often it is tried, in milliseconds. */
const BIND_WAIT = 2000
const BIND_AGAIN = 20

/** How long a connection without a request stays open, in milliseconds. Node's own few seconds are less than what proxies count on. */
const KEEP = 120_000

/** How long it does when another generation has taken over, in milliseconds. */
const LINGER = 5000

/** One HTTP server of an extension, which can be replaced without a client noticing. */
export class HttpServer {
  readonly #server: Server
  readonly #line: Line
  #listener: Listener | undefined
  #active = 0
  #leaving = false
  #idle: () => void = () => undefined

  constructor(line: Line, handler: RequestListener) {
    this.#line = line
    this.#server = createServer({ keepAliveTimeout: KEEP }, (request, response) => {
      this.#begun(response)
      handler(request, response)
    })
  }

  /** Takes a listener, and accepts when it is on this process. Returns the address. */
  async listen(address: string): Promise<string> {
    const listener = await this.#line.listen(address)
    this.#listener = listener
    if ('handle' in listener) {
      void this.#line.serving.then(() => {
        if (!this.#leaving) this.#server.listen(listener.handle)
      })
      return listener.address
    }
    await bind(this.#server, listener.host, listener.port)
    const { address: ip, port, family } = this.#server.address() as AddressInfo
    return family === 'IPv6' ? `[${ip}]:${port}` : `${ip}:${port}`
  }

  #begun(response: ServerResponse<IncomingMessage>): void {
    this.#active++
    if (this.#leaving) response.setHeader('Connection', 'close')
    response.once('close', () => {
      this.#active--
      if (this.#active === 0) this.#idle()
    })
  }

  /** Accepts nothing any more. Connections stay. */
  leave(): void {
    this.#leaving = true
    if (this.#server.listening) NetServer.prototype.close.call(this.#server) // Server's own closes idle connections at once
    else if (this.#listener && 'handle' in this.#listener) this.#listener.handle.close()
  }

  /**
   * Lets what is in flight finish until the signal says that the time is up, and returns how many requests were cut off. A
   * client that comes on an open connection is answered for a while, where there is one to come back to.
   */
  async finish(timeUp: AbortSignal, final: boolean): Promise<number> {
    if (!final) await until(timeUp, (done) => this.#linger(done))
    this.#server.closeIdleConnections()
    await until(timeUp, (done) => this.#whenIdle(done))
    const cut = this.#active
    this.#server.closeAllConnections()
    return cut
  }

  /** Waits until no connection is left, or LINGER is over. */
  #linger(done: () => void): () => void {
    const late = setTimeout(done, LINGER)
    const look = setInterval(() => this.#server.getConnections((_err, n) => { if (n === 0) done() }), BIND_AGAIN)
    return () => {
      clearTimeout(late)
      clearInterval(look)
    }
  }

  #whenIdle(done: () => void): () => void {
    if (this.#active === 0) done()
    else this.#idle = done
    return () => undefined
  }
}

/** Waits for begin to be done, or for the signal. What begin returns is called afterwards. */
async function until(signal: AbortSignal, begin: (done: () => void) => () => void): Promise<void> {
  if (signal.aborted) return
  let over = (): void => undefined
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    over = begin(resolve)
  })
  over()
}

/** Binds, and waits for a moment where somebody has the address: it may be the generation before, which is about to let go. */
async function bind(server: Server, host: string, port: number): Promise<void> {
  for (const late = Date.now() + BIND_WAIT; ; ) {
    const failed = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      const bound = (): void => settle(null)
      const settle = (result: NodeJS.ErrnoException | null): void => {
        server.off('error', settle).off('listening', bound)
        resolve(result)
      }
      server.on('error', settle).on('listening', bound).listen({ host, port })
    })
    if (!failed) return
    if (failed.code !== 'EADDRINUSE' || Date.now() > late) throw failed
    await new Promise((resolve) => setTimeout(resolve, BIND_AGAIN))
  }
}
