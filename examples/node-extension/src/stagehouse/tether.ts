
import { ENV_LIFELINE, ENV_TETHER, LIFELINE_STDIN } from './protocol.js'

/** What a server listens on: a handle of the host's, or an address to bind here where the host hands none out. */
export type Listener = { handle: Handle; address: string } | { host: string; port: number }

/** A descriptor that came over the tether, which is Node's to use as `server.listen(handle)`. */
interface Handle {
  close(): void
  getsockname?(out: object): number
}

/** What ties a process to its host. */
export interface Line {
  /** Asks for a listener, such as 127.0.0.1:3001, that outlives this process. */
  listen(address: string): Promise<Listener>
  /** Done when it is on this process to accept connections, and not on the generation before it. */
  readonly serving: Promise<void>
  /** Done when the host is gone. */
  readonly gone: Promise<void>
  /** Tells the host that this process accepts nothing any more. */
  left(): void
}

/** Returns the line that the environment names. Without any the host is never gone, and nobody hands out listeners. */
export function connect(env: NodeJS.ProcessEnv = process.env): Line {
  const fd = env[ENV_TETHER]
  if (fd !== undefined) return new Tether(Number(fd))
  return {
    listen: (address) => Promise.resolve(split(address)),
    serving: Promise.resolve(),
    gone: env[ENV_LIFELINE] === LIFELINE_STDIN ? new Promise((resolve) => process.stdin.on('close', resolve).resume()) : new Promise(() => undefined),
    left: () => undefined,
  }
}

/** One message of the host. */
interface Message {
  id?: number
  op?: string
  errno?: number
  error?: string
}

/**
 * A line over the descriptor of a socket pair of packets. Node's own pipes can take descriptors, as they do between the
 * processes of a cluster, and are reached by process.binding alone: nothing public opens one by its number.
 */
class Tether implements Line {
  readonly serving: Promise<void>
  readonly gone: Promise<void>

  readonly #pipe: RawPipe
  readonly #waiting = new Map<number, (m: Message, handle: Handle | null) => void>()
  #last = 0
  #begin!: () => void
  #end!: () => void

  constructor(fd: number) {
    this.serving = new Promise((resolve) => (this.#begin = resolve))
    this.gone = new Promise((resolve) => (this.#end = resolve))
    this.#pipe = openPipe(fd, (data, handle) => (data ? this.#read(data, handle) : this.#over()))
  }

  listen(address: string): Promise<Listener> {
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (m, handle) => {
        if (handle && !m.error) resolve({ handle, address: nameOf(handle, address) })
        else reject(Object.assign(new Error(m.error ?? `the host sent no listener for ${address}`), { errno: m.errno }))
      })
      this.#pipe.write(JSON.stringify({ id, op: 'listen', network: 'tcp', address }))
    })
  }

  left(): void {
    this.#pipe.write(JSON.stringify({ op: 'left' }))
  }

  #read(data: string, handle: Handle | null): void {
    const m = JSON.parse(data) as Message
    if (m.id) {
      this.#waiting.get(m.id)?.(m, handle)
      this.#waiting.delete(m.id)
      return
    }
    // The way to the generation before or after: nothing comes over it, nothing goes. What Node has open it cannot hand over
    // between two requests, because it reads ahead.
    handle?.close()
    if (m.op === 'serve') this.#begin()
  }

  #over(): void {
    for (const answer of this.#waiting.values()) answer({ error: 'the host is gone' }, null)
    this.#end()
  }
}

interface RawPipe {
  write(text: string): void
}

/** Opens a descriptor as a pipe that takes descriptors. read gets each packet, and null at the end. */
function openPipe(fd: number, read: (data: string | null, handle: Handle | null) => void): RawPipe {
  const binding = (process as unknown as { binding(name: string): any }).binding
  const { Pipe, constants } = binding('pipe_wrap')
  const { WriteWrap, kArrayBufferOffset, kReadBytesOrError, streamBaseState } = binding('stream_wrap')
  const pipe = new Pipe(constants.IPC)
  const failed = pipe.open(fd)
  if (failed) throw new Error(`descriptor ${fd} of ${ENV_TETHER} is not a tether (error ${failed})`)
  pipe.onread = (data: ArrayBuffer | undefined) => {
    const handle = (pipe.pendingHandle ?? null) as Handle | null
    pipe.pendingHandle = null
    if (data) return read(Buffer.from(data, streamBaseState[kArrayBufferOffset], streamBaseState[kReadBytesOrError]).toString(), handle)
    pipe.close()
    return read(null, null)
  }
  pipe.readStart()
  pipe.unref() // nothing is alive because of it
  return {
    write(text) {
      const request = new WriteWrap()
      request.oncomplete = () => undefined
      pipe.writeUtf8String(request, text) // to a host that is gone it says nothing, and the end of the pipe says that
    },
  }
}

function nameOf(handle: Handle, address: string): string {
  const at: { address?: string; port?: number; family?: string } = {}
  if (handle.getsockname?.(at) !== 0) return address
  return at.family === 'IPv6' ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`
}

function split(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, Math.max(at, 0)).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
}
