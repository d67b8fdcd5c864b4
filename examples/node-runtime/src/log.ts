import { randomBytes } from 'node:crypto'

import type { Cursor__Output } from '../../node-extension/build/proto/stagehouse/v1/Cursor.js'
import type { SubscribeRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/SubscribeRequest.js'
import { StageError, type Caller__Output } from '../../node-extension/src/stagehouse/index.js'
import { now } from './ids.js'

/** How many events are kept for those who come again. */
const KEPT = 10_000

/** What an event is about. */
export interface About {
  agentId?: string
  conversationId?: string
  runId?: string
  /** Who may see it beside administrators; absent = everybody. */
  principal?: string
}

export interface Event extends About {
  cursor: { epoch: string; seq: number }
  type: string
  time: { seconds: number; nanos: number }
  payload: Buffer
}

export const sees = (caller: Caller__Output | null, owner = ''): boolean =>
  owner === '' || owner === caller?.principal || (caller?.scopes.includes('admin') ?? false)

export const ends = (type: string): boolean => ['chat:reply', 'chat:failed', 'chat:cancelled'].includes(type)

/** The log of everything that happens, in memory: another process begins another one, whose epoch says so. */
export class EventLog {
  readonly #epoch = randomBytes(8).toString('hex')
  readonly #events: Event[] = [] // the last ones, without a hole
  #last = 0
  #closed = false
  readonly #waiting = new Set<() => void>()

  get head(): { epoch: string; seq: number } {
    return { epoch: this.#epoch, seq: this.#last }
  }

  append(type: string, about: About, payload: object): void {
    this.#events.push({ ...about, type, cursor: { epoch: this.#epoch, seq: ++this.#last }, time: now(), payload: Buffer.from(JSON.stringify(payload)) })
    if (this.#events.length > KEPT) this.#events.shift()
    this.#wake()
  }

  /** Ends every subscription once it has been told everything. */
  close(): void {
    this.#closed = true
    this.#wake()
  }

  /** Yields what follows a place in the log, and then what happens. A place that is not there any more begins with a gap. */
  async *read(q: Pick<SubscribeRequest__Output, 'since' | 'until' | 'agents' | 'types' | 'runId'>, caller: Caller__Output | null, gone: AbortSignal): AsyncGenerator<Event> {
    const wake = (): void => this.#wake()
    gone.addEventListener('abort', wake)
    try {
      let at = q.since?.epoch ? q.since.seq : this.#last
      if (q.since?.epoch && (q.since.epoch !== this.#epoch || at < this.#before || at > this.#last)) {
        yield this.#gap(q.since)
        at = this.#before
      }
      while (!gone.aborted && !this.#over(q.until, at)) {
        if (at < this.#before) { // a reader that is too slow
          yield this.#gap({ epoch: this.#epoch, seq: at })
          at = this.#before
        }
        const event = this.#events[at - this.#before]
        if (event) {
          at++
          if (this.#wanted(event, q) && sees(caller, event.principal)) yield event
        } else if (this.#closed) {
          throw new StageError('unavailable', 'the runtime is closing; subscribe again from the last cursor')
        } else {
          await new Promise<void>((resolve) => this.#waiting.add(resolve))
        }
      }
    } finally {
      gone.removeEventListener('abort', wake)
    }
  }

  /** The number before that of the oldest event. */
  get #before(): number {
    return this.#last - this.#events.length
  }

  #over(until: Cursor__Output | null, at: number): boolean {
    return Boolean(until?.epoch) && (until?.epoch !== this.#epoch || at >= until.seq)
  }

  #wanted(e: Event, { agents, types, runId }: Pick<SubscribeRequest__Output, 'agents' | 'types' | 'runId'>): boolean {
    return (
      (agents.length === 0 || agents.includes(e.agentId ?? '')) && (types.length === 0 || types.includes(e.type)) && (runId === '' || runId === e.runId)
    )
  }

  #gap(requested: { epoch: string; seq: number }): Event {
    const text = (seq: number): string => `${this.#epoch}-${seq}`
    const payload = {
      requested: `${requested.epoch}-${requested.seq}`, firstAvailable: text(Math.min(this.#before + 1, this.#last)), head: text(this.#last),
    }
    return { type: 'gap', cursor: { epoch: this.#epoch, seq: this.#before }, time: now(), payload: Buffer.from(JSON.stringify(payload)) }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
