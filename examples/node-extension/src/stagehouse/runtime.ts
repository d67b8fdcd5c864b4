import { status, type handleServerStreamingCall, type sendUnaryData, type Server, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js'

import type { ActivateRequest__Output } from '../../build/proto/stagehouse/v1/ActivateRequest.js'
import type { AgentsHandlers } from '../../build/proto/stagehouse/v1/Agents.js'
import type { ChatHandlers } from '../../build/proto/stagehouse/v1/Chat.js'
import type { EventsHandlers } from '../../build/proto/stagehouse/v1/Events.js'
import type { MemoryHandlers } from '../../build/proto/stagehouse/v1/Memory.js'
import type { ReleaseRequest__Output } from '../../build/proto/stagehouse/v1/ReleaseRequest.js'
import type { RuntimeHandlers } from '../../build/proto/stagehouse/v1/Runtime.js'
import type { Problem, Schema } from './config.js'
import { StageError, toStatus } from './errors.js'
import { answer, replay } from './extension.js'
import type { Host } from './host.js'
import { main } from './main.js'
import { services } from './protos.js'

export type { Caller__Output } from '../../build/proto/stagehouse/v1/Caller.js'

/** What a runtime is, before it runs. C is its block of the configuration. */
export interface RuntimeDefinition<C> {
  name: string
  version: string
  /** One sentence, for people. */
  summary: string
  /** The services that it has. */
  offers: ('agents' | 'chat' | 'memory' | 'events')[]
  /** The JSON Schema of its block. What is absent has the default that it names. */
  config: Schema
  /** What the schema cannot say. */
  validate?(config: C): Problem[]
  /**
   * Opens what the runtime keeps in the directory, which is there, and returns what answers. Only here may be opened what two
   * processes cannot have at once: while the runtime is replaced, the next process is ready before this one is closed.
   */
  open(config: C, directory: string, host: Host): Promise<Acting>
}

/** A runtime that is open. Calls that it does not have are answered with `unimplemented`. */
export interface Acting {
  agents?: Partial<AgentsHandlers>
  chat?: Partial<ChatHandlers>
  memory?: Partial<MemoryHandlers>
  events?: Partial<EventsHandlers>
  /** Finishes the turns that were accepted until the signal says that the time is up, cancels the rest, and ends all streams. */
  close(timeUp: AbortSignal): Promise<void>
}

const definitions = {
  agents: services.stagehouse.v1.Agents.service,
  chat: services.stagehouse.v1.Chat.service,
  memory: services.stagehouse.v1.Memory.service,
  events: services.stagehouse.v1.Events.service,
}

/** The whole of a runtime's main program: like `main` for an extension. */
export function serveRuntime<C>(definition: RuntimeDefinition<C>): void {
  const stage = new Stage(definition)
  const { name, version, summary, offers, config, validate } = definition
  main<C>(
    {
      name, version, summary, offers, config, requires: [],
      ...(validate && { validate }),
      start: (block, host) => Promise.resolve(stage.ready(block, host)),
      drain: (timeUp) => stage.release(timeUp),
    },
    (plugin) => stage.register(plugin.server),
  )
}

type Call = ServerUnaryCall<unknown, unknown> & ServerWritableStream<unknown, unknown>
type Handler = (call: Call, reply?: sendUnaryData<unknown>) => void

/** Where a runtime acts, between Activate and Release. */
class Stage<C> {
  #ready: { config: C; host: Host } | undefined
  #acting: Acting | undefined
  #turn: Promise<unknown> = Promise.resolve() // of opening and closing, one after the other

  constructor(private readonly definition: RuntimeDefinition<C>) {}

  ready(config: C, host: Host): void {
    this.#ready = { config, host }
  }

  release(timeUp: AbortSignal): Promise<void> {
    return this.#next(async () => {
      await this.#acting?.close(timeUp)
      this.#acting = undefined
    })
  }

  register(server: Server): void {
    const handlers: RuntimeHandlers = {
      Activate: answer((q: ActivateRequest__Output) => this.#next(() => this.#activate(q.directory))),
      Release: answer(async (q: ReleaseRequest__Output) => {
        await this.release(AbortSignal.timeout(q.deadlineMs))
        return {}
      }),
      Publish: answer(() => Promise.reject(new StageError('unimplemented', 'the runtime takes no events of the host'))),
    }
    server.addService(services.stagehouse.v1.Runtime.service, handlers)
    for (const [name, service] of Object.entries(definitions)) {
      const late = Object.entries(service).map(([method, { responseStream }]): [string, Handler] => [
        method,
        (call, reply) => {
          const found = this.#find(name as keyof typeof definitions, method)
          if (found instanceof StageError) refuse(call, responseStream ? undefined : reply, found)
          else found(call, reply)
        },
      ])
      server.addService(service, Object.fromEntries(late))
    }
  }

  async #activate(directory: string): Promise<object> {
    if (!this.#ready || this.#acting) throw { code: status.FAILED_PRECONDITION, details: 'Activate was called before Start, or while the runtime is active' }
    this.#acting = await this.definition.open(this.#ready.config, directory, this.#ready.host)
    return {}
  }

  #next<T>(f: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(f)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  #find(service: keyof typeof definitions, method: string): Handler | StageError {
    if (!this.#acting) return new StageError('unavailable', 'the runtime is not active')
    const handler = (this.#acting[service] as Record<string, Handler> | undefined)?.[method]
    return handler ?? new StageError('unimplemented', `this runtime does not have ${service}.${method}`)
  }
}

function refuse(call: Call, reply: sendUnaryData<unknown> | undefined, failed: unknown): void {
  if (reply) reply(toStatus(failed))
  else call.emit('error', toStatus(failed))
}

/**
 * Makes a streaming call's handler of a generator: a failure is the status with which the call ends. The signal says that nobody
 * listens any more. A generator that calls replayed before it yields says that the answer is that of an earlier request.
 */
export function streamed<Q, A>(f: (request: Q, gone: AbortSignal, replayed: () => void) => AsyncIterable<A>): handleServerStreamingCall<Q, A> {
  return (call) => {
    const gone = new AbortController()
    call.on('cancelled', () => gone.abort())
    pump(call, f(call.request, gone.signal, () => call.sendMetadata(replay()))).then(
      () => call.end(),
      (failed: unknown) => call.emit('error', toStatus(failed)),
    )
  }
}

async function pump<A>(call: ServerWritableStream<unknown, A>, from: AsyncIterable<A>): Promise<void> {
  for await (const message of from) {
    if (call.cancelled) return
    if (!call.write(message)) await new Promise<void>((resolve) => {
      call.once('drain', resolve)
      call.once('cancelled', resolve)
    })
  }
}
