import { Metadata, type CallOptions, type Client, type ClientReadableStream, type handleServerStreamingCall, type ServiceError } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'

import type { AgentsDefinition, AgentsHandlers } from '../../build/proto/stagehouse/v1/Agents.js'
import type { Caller, Caller__Output } from '../../build/proto/stagehouse/v1/Caller.js'
import type { ChatDefinition, ChatHandlers } from '../../build/proto/stagehouse/v1/Chat.js'
import type { EventsDefinition, EventsHandlers } from '../../build/proto/stagehouse/v1/Events.js'
import type { IdentityDefinition, IdentityHandlers } from '../../build/proto/stagehouse/v1/Identity.js'
import type { MemoryDefinition, MemoryHandlers } from '../../build/proto/stagehouse/v1/Memory.js'
import type { UsageDefinition, UsageHandlers } from '../../build/proto/stagehouse/v1/Usage.js'
import type { Once } from '../../build/proto/stagehouse/v1/Once.js'
import type { Target } from './broker.js'
import { fromStatus, StageError } from './errors.js'
import { HEADER_REPLAYED } from './protocol.js'
import { services as definitions } from './protos.js'

/** By how much the clocks of the two sides may differ about a deadline, in milliseconds. */
const CLOCKS = 10

export type Scope = 'read' | 'chat' | 'admin'
export type { Caller, Once }

/** What belongs to one call. */
export interface Options {
  /** Has a change happen once, however often it is asked for. */
  once?: Once
  /** Ends the call. */
  signal?: AbortSignal
  /** Called when the answer is that of an earlier request with the same key. */
  onReplayed?: () => void
  /** How long it may take, in milliseconds. */
  timeoutMs?: number
}

/** A service as it is called: requests without their caller, promises for answers, and iterators for streams. */
type Calls<D, H> = {
  [K in keyof D as K extends string ? (string extends K ? never : Uncapitalize<K>) : never]: D[K] extends MethodDefinition<infer Q, any, any, infer A>
    ? H[K & keyof H] extends handleServerStreamingCall<any, any>
      ? (request: Omit<Q, 'caller'>, options?: Options) => AsyncIterable<A>
      : (request: Omit<Q, 'caller'>, options?: Options) => Promise<A>
    : never
}

/** The services of the host, on behalf of one caller. Every failure is a StageError. */
export interface Services {
  agents: Calls<AgentsDefinition, AgentsHandlers>
  chat: Calls<ChatDefinition, ChatHandlers>
  memory: Calls<MemoryDefinition, MemoryHandlers>
  events: Calls<EventsDefinition, EventsHandlers>
  usage: Calls<UsageDefinition, UsageHandlers>
  identity: Calls<IdentityDefinition, IdentityHandlers>
}

export const serviceNames = ['agents', 'chat', 'memory', 'events', 'usage', 'identity'] as const
export type ServiceName = (typeof serviceNames)[number]

const constructors = {
  agents: definitions.stagehouse.v1.Agents,
  chat: definitions.stagehouse.v1.Chat,
  memory: definitions.stagehouse.v1.Memory,
  events: definitions.stagehouse.v1.Events,
  usage: definitions.stagehouse.v1.Usage,
  identity: definitions.stagehouse.v1.Identity,
}

/** Returns who makes calls of the services that are offered at a place. A service that is not refuses every call. */
export function dial(at: Target, offered: readonly string[]): (caller: Caller | Caller__Output) => Services {
  const [first, ...others] = serviceNames.map((name) => [name, constructors[name]] as const)
  const channel = new first![1](at.address, at.credentials, at.options)
  const clients: [ServiceName, Client][] = [[first![0], channel]]
  for (const [name, Service] of others) {
    clients.push([name, new Service(at.address, at.credentials, { ...at.options, channelOverride: channel.getChannel() })])
  }
  return (caller) => {
    const all = clients.map(([name, client]) => [name, offered.includes(name) ? callsOf(client, name, caller) : absent(name)])
    return Object.fromEntries(all) as Services
  }
}

/** What is called where nothing is offered. */
export const none = (): Services => Object.fromEntries(serviceNames.map((name) => [name, absent(name)])) as unknown as Services

function absent(name: ServiceName): object {
  return new Proxy({}, {
    get: () => () => {
      throw new StageError('unimplemented', `the host does not offer the service ${name}, or has not granted it`)
    },
  })
}

type Unary = (q: object, m: Metadata, o: CallOptions, done: (e: ServiceError | null, a: object) => void) => { on(e: 'metadata', f: (m: Metadata) => void): unknown; cancel(): void }
type Stream = (q: object, m: Metadata, o: CallOptions) => ClientReadableStream<object>

function callsOf(client: Client, name: ServiceName, caller: Caller): object {
  const calls: Record<string, unknown> = {}
  for (const [method, definition] of Object.entries(constructors[name].service)) {
    const raw = (client as unknown as Record<string, unknown>)[method]
    const short = method[0]!.toLowerCase() + method.slice(1)
    calls[short] = definition.responseStream
      ? (request: object, options: Options = {}) => stream((raw as Stream).bind(client), caller, request, options)
      : (request: object, options: Options = {}) => unary((raw as Unary).bind(client), caller, request, options)
  }
  return calls
}

const withCaller = (caller: Caller, request: object, { once }: Options): object => ({ ...request, caller: once ? { ...caller, once } : caller })

const within = ({ timeoutMs }: Options): { deadline?: number } => (timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs })

/**
 * Says why a call failed, in terms of what the caller did. Both sides have a clock for the deadline: where the host's is ahead, gRPC
 * says that the call was cancelled. What nobody here has cancelled has lost its connection.
 */
function failure(failed: ServiceError, { signal }: Options, { deadline }: { deadline?: number }): StageError {
  const error = fromStatus(failed)
  if (error.code !== 'cancelled' || signal?.aborted) return error
  if (deadline !== undefined && Date.now() + CLOCKS >= deadline) return new StageError('deadline_exceeded', 'the call did not finish before its deadline')
  return new StageError('unavailable', 'the connection to the host was closed')
}

function hear(header: Metadata, { onReplayed }: Options): void {
  if (header.get(HEADER_REPLAYED).length > 0) onReplayed?.()
}

function unary(call: Unary, caller: Caller, request: object, options: Options): Promise<object> {
  const bounds = within(options)
  return new Promise((resolve, reject) => {
    const running = call(withCaller(caller, request, options), new Metadata(), bounds, (failed, answer) => {
      options.signal?.removeEventListener('abort', cancel)
      if (failed) reject(failure(failed, options, bounds))
      else resolve(answer)
    })
    const cancel = (): void => running.cancel()
    running.on('metadata', (header) => hear(header, options))
    follow(options.signal, cancel)
  })
}

async function* stream(call: Stream, caller: Caller, request: object, options: Options): AsyncGenerator<object> {
  const bounds = within(options)
  const running = call(withCaller(caller, request, options), new Metadata(), bounds)
  const cancel = (): void => running.cancel()
  running.on('metadata', (header: Metadata) => hear(header, options))
  follow(options.signal, cancel)
  try {
    yield* running as AsyncIterable<object>
  } catch (failed) {
    throw failure(failed as ServiceError, options, bounds)
  } finally {
    options.signal?.removeEventListener('abort', cancel)
    running.cancel() // whoever stops reading stops the call, which stops nothing of what it watches
  }
}

function follow(signal: AbortSignal | undefined, cancel: () => void): void {
  if (signal?.aborted) cancel()
  else signal?.addEventListener('abort', cancel)
}
