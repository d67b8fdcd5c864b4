import { Metadata, status, type handleUnaryCall, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js'

import type { ConfigureRequest__Output } from '../../build/proto/stagehouse/v1/ConfigureRequest.js'
import type { DrainRequest__Output } from '../../build/proto/stagehouse/v1/DrainRequest.js'
import type { ExtensionHandlers } from '../../build/proto/stagehouse/v1/Extension.js'
import type { InitRequest__Output } from '../../build/proto/stagehouse/v1/InitRequest.js'
import type { Broker } from './broker.js'
import { judge, type Problem, type Schema } from './config.js'
import { toStatus } from './errors.js'
import { Host } from './host.js'
import type { Log } from './log.js'
import { HEADER_REPLAYED } from './protocol.js'
import { dial, none, type ServiceName } from './services.js'
import type { Line } from './tether.js'

/** What an extension is, before it runs. C is its block of the configuration. */
export interface Definition<C> {
  /** What it is called, in logs and listings. The host may know it under another name. */
  name: string
  version: string
  /** One sentence, for people. */
  summary: string
  /** The services that it cannot do without. */
  requires: ServiceName[]
  /** The services that it has, if it is a runtime. */
  offers?: ServiceName[]
  /** The JSON Schema of its block. What is absent has the default that it names. */
  config: Schema
  /** What the schema cannot say. */
  validate?(config: C): Problem[]
  /** Begins serving and returns. */
  start(config: C, host: Host): Promise<void>
  /** Throws what ails it. */
  health?(): Promise<void>
  /** Finishes what is in flight, before the servers of the host are ended, until the signal says that the time is up. */
  drain?(timeUp: AbortSignal): Promise<void>
}

type State = 'created' | 'introduced' | 'configured' | 'starting' | 'started' | 'failed to start' | 'draining' | 'drained'

/** The life of an extension, as a state machine that answers to the host's calls. */
export class Life<C> {
  #state: State = 'created'
  #host: Host | undefined
  #config: C | undefined
  #draining: Promise<number> | undefined

  constructor(
    readonly definition: Definition<C>,
    private readonly broker: Broker,
    private readonly line: Line,
    private readonly log: Log,
  ) {}

  /** The service that the host calls. It takes no other block while it serves: without Reload, the next generation takes it. */
  readonly handlers: Omit<ExtensionHandlers, 'Reload'> = {
    Init: answer(async (q: InitRequest__Output) => {
      this.#move('Init', 'created', 'introduced')
      this.log.setLevel(q.logLevel)
      const as = q.brokerId === 0 ? none : dial(await this.broker.target(q.brokerId), q.services)
      this.#host = new Host(q.extension, q.generation, q.services, this.log, this.line, as, new AbortController())
      const { name, version, requires, offers = [] } = this.definition
      return { name, version, requires, offers }
    }),
    Configure: answer(async (q: ConfigureRequest__Output) => {
      this.#move('Configure', 'introduced', 'configured')
      const { config, problems } = judge<C>(this.definition.config, q.config, this.definition.validate)
      if (config === undefined) this.#state = 'failed to start'
      this.#config = config
      return { problems }
    }),
    Start: answer(async () => {
      this.#move('Start', 'configured', 'starting')
      try {
        await this.definition.start(this.#config as C, this.#host as Host)
      } catch (failed) {
        this.#state = 'failed to start'
        throw failed
      }
      this.#move('Start', 'starting', 'started')
      return { listeners: [...(this.#host as Host).addresses] }
    }),
    Health: answer(async () => {
      if (this.#state !== 'draining') this.#move('Health', 'started', 'started') // one that finishes its work is well
      await this.definition.health?.()
      return {}
    }),
    Drain: answer(async (q: DrainRequest__Output) => ({ unfinished: await this.drain(q.deadlineMs, q.final) })),
  }

  /** Finishes what is in flight within so many milliseconds, and returns what was cut off. Only the first call drains. */
  drain(ms: number, final: boolean): Promise<number> {
    this.#draining ??= this.#drain(ms, final)
    return this.#draining
  }

  async #drain(ms: number, final: boolean): Promise<number> {
    const started = this.#state === 'started'
    this.#state = 'draining'
    const timeUp = AbortSignal.timeout(ms)
    const own = started ? inTime(timeUp, this.definition.drain?.(timeUp)) : Promise.resolve()
    await own.catch(() => undefined) // which is told when everything else is done, too
    const cut = (await this.#host?.finish(timeUp, final)) ?? 0
    this.#state = 'drained'
    await own
    return cut
  }

  /** Goes from one state to the next, or says that the call came out of order. */
  #move(call: string, from: State, to: State): void {
    if (this.#state !== from) {
      const message = `${call} was called while the extension is ${this.#state}; it is called once, when it is ${from}`
      throw { code: status.FAILED_PRECONDITION, details: message }
    }
    this.#state = to
  }
}

/** Waits for what was begun, until the time is up. */
function inTime(timeUp: AbortSignal, begun: Promise<void> | undefined): Promise<void> {
  const late = new Promise<void>((resolve) => timeUp.addEventListener('abort', () => resolve(), { once: true }))
  return Promise.race([begun, late])
}

/**
 * Makes a call's handler of a function: a failure is the status with which the call ends. A function that calls replayed says that
 * the answer is that of an earlier request.
 */
export function answer<Q, A>(f: (request: Q, replayed: () => void) => Promise<A>): handleUnaryCall<Q, A> {
  return (call: ServerUnaryCall<Q, A>, reply: sendUnaryData<A>) => {
    f(call.request, () => call.sendMetadata(replay())).then(
      (out) => reply(null, out),
      (failed: unknown) => reply(isStatus(failed) ? failed : toStatus(failed)),
    )
  }
}

const isStatus = (v: unknown): v is { code: number; details: string } => typeof v === 'object' && v !== null && 'code' in v && 'details' in v

/** The header that says that an answer is that of an earlier request. */
export function replay(): Metadata {
  const header = new Metadata()
  header.set(HEADER_REPLAYED, '1')
  return header
}
