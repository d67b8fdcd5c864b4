import { setTimeout as pause } from 'node:timers/promises'

import type { CancelRunRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/CancelRunRequest.js'
import type { ChatHandlers } from '../../node-extension/build/proto/stagehouse/v1/Chat.js'
import type { GetConversationRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/GetConversationRequest.js'
import type { GetRunRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/GetRunRequest.js'
import type { ListConversationsRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/ListConversationsRequest.js'
import type { ListRunsRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/ListRunsRequest.js'
import type { RouteRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/RouteRequest.js'
import type { SendRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/SendRequest.js'
import type { SendResponse } from '../../node-extension/build/proto/stagehouse/v1/SendResponse.js'
import { answer, StageError, streamed, type Caller__Output } from '../../node-extension/src/stagehouse/index.js'
import type { Agent, Agents } from './agents.js'
import { newId, now } from './ids.js'
import type { Kept } from './kept.js'
import { ends, sees, type EventLog } from './log.js'
import { at, page, PAGE } from './page.js'

type Time = ReturnType<typeof now>

interface Message {
  id: string
  conversationId: string
  role: 'user' | 'agent'
  content: string
  agentId: string
  runId: string
  partial: boolean
  createdAt: Time
}

interface Decision {
  agentId: string
  reason: string
  threshold: number
  candidates: { agentId: string; score: number; reasons: string[] }[]
}

interface Run {
  id: string
  conversationId: string
  agentId: string
  principal: string
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'
  reason: string
  messageId: string
  replyId: string
  reply?: Message
  since: string
  /** Why that agent, if its sender has named none. */
  route?: Decision
  queuedAt: Time
  startedAt?: Time
  finishedAt?: Time
}

interface Conversation {
  id: string
  principal: string
  title: string
  agentId: string
  archived: boolean
  revision: number
  createdAt: Time
  updatedAt: Time
  messages: Message[]
  /** Done when its last turn is over. */
  last: Promise<void>
}

const WAITING = 16
const over = (run: Run): boolean => run.status !== 'queued' && run.status !== 'running'
const json = ({ createdAt, partial, ...m }: Message): object => ({ ...m, ...(partial && { partial }), createdAt: new Date(createdAt.seconds * 1000 + createdAt.nanos / 1e6) })

/** Conversations with agents that say again what they hear, and their turns, one after the other in each conversation. */
export class Chat {
  readonly #conversations = new Map<string, Conversation>() // by their owner and their id
  readonly #runs = new Map<string, Run>()
  readonly #said = new Map<string, Message>() // what running turns have said, by their runs
  #closing = false

  /** A parrot says a word every paceMs. */
  constructor(private readonly agents: () => Agents, private readonly log: EventLog, private readonly kept: Kept, private readonly paceMs: number) {}

  readonly handlers: Partial<ChatHandlers> = {
    Send: streamed((q: SendRequest__Output, gone, replayed) => this.#send(q, gone, replayed)),
    Route: answer(async (q: RouteRequest__Output, replayed) => {
      const sent = this.kept.earlier(q.caller) as Run | undefined
      if (sent) replayed()
      return { decision: sent ? sent.route ?? { agentId: sent.agentId, reason: 'the message was sent to it', threshold: 0, candidates: [] } : this.#route(q.message, q.context) }
    }),
    GetConversation: answer(async (q: GetConversationRequest__Output) => this.#page(q)),
    ListConversations: answer(async (q: ListConversationsRequest__Output) => {
      const all = [...this.#conversations.values()].filter(
        (c) => sees(q.caller, c.principal) && (q.agentId === '' || q.agentId === c.agentId) && q.archived !== 'true' &&
          (q.text === '' || found(q.text, [c.title, ...c.messages.map((m) => m.content)])),
      )
      const [conversations, nextCursor] = page(all.toSorted((a, b) => b.updatedAt.seconds - a.updatedAt.seconds || b.updatedAt.nanos - a.updatedAt.nanos), q)
      return { conversations: conversations.map(summary), nextCursor }
    }),
    ListRuns: answer(async (q: ListRunsRequest__Output) => {
      const found = [...this.#runs.values()].filter(
        (r) => sees(q.caller, r.principal) && (q.conversationId === '' || q.conversationId === r.conversationId) &&
          (q.agentId === '' || q.agentId === r.agentId) && (q.status === '' || q.status === r.status),
      )
      const [runs, nextCursor] = page(found.reverse(), q)
      return { runs: runs.map(({ reply: _, ...r }) => r), nextCursor }
    }),
    GetRun: answer(async (q: GetRunRequest__Output) => ({ run: this.#run(q.id, q.caller) })),
    CancelRun: answer(async (q: CancelRunRequest__Output, replayed) => this.kept.once(q.caller, replayed, () => {
      const run = this.#run(q.id, q.caller)
      this.#cancel(run, 'cancelled')
      return { run: { ...run } }
    })),
  }

  /** Cancels the unfinished turns of an agent. */
  stopped(agentId: string): void {
    for (const run of this.#runs.values()) if (run.agentId === agentId) this.#cancel(run, 'agent_stopped')
  }

  /** Takes nothing new, and cancels what is not over when the time is up. */
  async close(timeUp: AbortSignal): Promise<void> {
    this.#closing = true
    const all = Promise.all([...this.#conversations.values()].map((c) => c.last))
    await Promise.race([all, new Promise((resolve) => timeUp.addEventListener('abort', resolve, { once: true }))])
    for (const run of this.#runs.values()) this.#cancel(run, 'host_shutdown')
  }

  async *#send(q: SendRequest__Output, gone: AbortSignal, replayed: () => void): AsyncGenerator<SendResponse> {
    const run = this.kept.once(q.caller, replayed, () => this.#accept(q))
    const { seq, epoch } = parse(run.since)
    for await (const logged of this.log.read({ since: { epoch, seq }, until: null, agents: [], types: [], runId: run.id }, q.caller, gone)) {
      if (logged.type === 'gap') throw new StageError('unavailable', `the log does not reach back to run ${run.id} any more; ask for the run`)
      if (logged.type === 'chat:queued') {
        const { message, position } = JSON.parse(logged.payload.toString()) as { message: { id: string }; position: number }
        const stored = this.#conversation(run.principal, run.conversationId).messages.find((m) => m.id === message.id)!
        yield { events: [{ accepted: { runId: run.id, conversationId: run.conversationId, agentId: run.agentId, message: stored, position, since: { epoch, seq }, ...(run.route && { route: run.route }) } }] }
      }
      yield { events: [{ logged }] }
      if (ends(logged.type)) return
    }
  }

  #accept(q: SendRequest__Output): Run {
    if (this.#closing) throw new StageError('unavailable', 'the runtime is closing; try again')
    if (q.runId !== '' && this.#runs.has(q.runId)) throw new StageError('already_exists', `there is a run ${q.runId} already`)
    const principal = q.caller?.principal ?? ''
    const known = this.#conversations.get(placeOf(principal, q.conversationId))
    if (!known && q.conversationId.startsWith('conv_')) throw new StageError('not_found', `there is no conversation "${q.conversationId}"`)
    const route = q.agentId || known?.agentId ? undefined : this.#route(q.message, q.context)
    const agent = this.agents().get(q.agentId || known?.agentId || route!.agentId)
    if (agent.status !== 'running') throw new StageError('agent_not_running', `agent ${agent.id} is not running; start it first`)
    const position = known ? this.#makeRoom(known, q.onBusy) : 0
    const conversation = known ?? this.#begin(principal, q.conversationId || newId('conv_'), q.message)
    conversation.agentId = agent.id
    const runId = q.runId || newId('run_')
    const { epoch, seq } = this.log.head
    const message = this.#write(conversation, runId, 'user', q.message)
    const run: Run = {
      id: runId, conversationId: conversation.id, agentId: agent.id, principal, status: 'queued', reason: '', messageId: message.id, replyId: '',
      since: `${epoch}-${seq}`, queuedAt: now(), ...(route && { route }),
    }
    this.#runs.set(run.id, run)
    this.#tell('chat:queued', run, { position, message: json(message) })
    conversation.last = conversation.last.then(() => this.#perform(run, conversation, agent))
    return run
  }

  /** Makes room for one more turn, and returns how many are before it. */
  #makeRoom(c: Conversation, onBusy: string): number {
    const unfinished = (): Run[] => [...this.#runs.values()].filter((r) => r.conversationId === c.id && r.principal === c.principal && !over(r))
    const [holder] = unfinished()
    if (holder && onBusy === 'reject') {
      throw new StageError('conversation_busy', `conversation ${c.id} is busy with run ${holder.id}`, { details: { runId: holder.id } })
    }
    if (holder && onBusy === 'interrupt') this.#cancel(holder, 'interrupted')
    const before = unfinished().length
    if (before > WAITING) throw new StageError('busy', `${before} turns of conversation ${c.id} wait already`, { retryAfterMs: 1000 })
    return before
  }

  async #perform(run: Run, conversation: Conversation, agent: Agent): Promise<void> {
    if (over(run)) return
    Object.assign(run, { status: 'running', startedAt: now() })
    this.#tell('chat:started', run, { messageId: run.messageId })
    const heard = conversation.messages.find((m) => m.id === run.messageId)!.content
    this.#tell('agent:thought', run, { thought: `${agent.name} listens` })
    this.#tell('agent:emotion', run, { emotion: 'curious', intensity: 0.5, valence: 0.3, arousal: 0.4 })
    const reply = this.#draft(conversation, run.id, 'agent', '')
    this.#said.set(run.id, reply)
    for (const [index, delta] of heard.split(/(?<= )/).entries()) {
      await pause(this.paceMs)
      if (over(run)) return
      reply.content += delta
      this.#tell('chat:delta', run, { delta, index })
    }
    this.#end(run, 'completed', '', reply)
    this.#tell('chat:reply', run, { reply: json(reply) })
  }

  #cancel(run: Run, reason: string): void {
    if (over(run)) return
    const said = this.#said.get(run.id)
    const partial = said?.content ? { ...said, partial: true } : undefined
    this.#end(run, 'cancelled', reason, partial)
    this.#tell('chat:cancelled', run, { reason, ...(partial && { reply: json(partial) }) })
  }

  /** Ends a run with what was said, if anything was. */
  #end(run: Run, status: Run['status'], reason: string, reply: Message | undefined): void {
    this.#said.delete(run.id)
    Object.assign(run, { status, reason, finishedAt: now() })
    if (!reply) return
    const conversation = this.#conversation(run.principal, run.conversationId)
    reply.createdAt = now()
    conversation.messages.push(reply)
    touch(conversation, reply.createdAt)
    Object.assign(run, { replyId: reply.id, reply })
  }

  #tell(type: string, run: Run, payload: object): void {
    this.log.append(type, { agentId: run.agentId, conversationId: run.conversationId, runId: run.id, principal: run.principal }, payload)
  }

  /** Chooses the running agent with the most skills, by their names, in the message or its context. */
  #route(message: string, context: Buffer): Decision {
    const { skill = '', skills = [] } = JSON.parse(context.toString() || '{}') as { skill?: string; skills?: string[] }
    const words = [message, skill, ...skills].join(' ').toLowerCase()
    const candidates = this.agents().running().map((a) => {
      const named = a.skills.filter((s) => words.includes(s.toLowerCase()))
      return { agentId: a.id, score: a.skills.length ? named.length / a.skills.length : 0, reasons: named.map((s) => `is good at ${s}`) }
    }).toSorted((a, b) => b.score - a.score)
    const [best] = candidates
    const threshold = 0.1
    if (!best || best.score < threshold) throw new StageError('no_agent_fits', 'no running agent has a skill that is named', { details: { threshold, candidates } })
    return { agentId: best.agentId, reason: best.reasons.join(', '), threshold, candidates }
  }

  #begin(principal: string, id: string, message: string): Conversation {
    const conversation: Conversation = {
      id, principal, title: message.slice(0, 80), agentId: '', archived: false, revision: 0, createdAt: now(), updatedAt: now(), messages: [],
      last: Promise.resolve(),
    }
    this.#conversations.set(placeOf(principal, id), conversation)
    return conversation
  }

  #draft(c: Conversation, runId: string, role: Message['role'], content: string): Message {
    return { id: newId('msg_'), conversationId: c.id, role, content, agentId: c.agentId, runId, partial: false, createdAt: now() }
  }

  #write(c: Conversation, runId: string, role: Message['role'], content: string): Message {
    const message = this.#draft(c, runId, role, content)
    c.messages.push(message)
    touch(c, message.createdAt)
    return message
  }

  #conversation(principal: string, id: string): Conversation {
    const c = this.#conversations.get(placeOf(principal, id))
    if (!c) throw new StageError('not_found', `there is no conversation "${id}"`)
    return c
  }

  #run(id: string, caller: Caller__Output | null): Run {
    const run = this.#runs.get(id)
    if (!run || !sees(caller, run.principal)) throw new StageError('not_found', `there is no run "${id}"`)
    return run
  }

  #page(q: GetConversationRequest__Output): object {
    const admin = q.caller?.scopes.includes('admin')
    const c = this.#conversations.get(placeOf(q.caller?.principal ?? '', q.id)) ?? (admin && [...this.#conversations.values()].findLast((x) => x.id === q.id))
    if (!c) throw new StageError('not_found', `there is no conversation "${q.id}"`)
    const [from, to] = part(c.messages, q)
    return {
      conversation: summary(c), messages: c.messages.slice(from, to),
      nextCursor: from > 0 ? `before-${from}` : '', prevCursor: to < c.messages.length ? `from-${to}` : '',
    }
  }
}

/** Which messages are on a page: the newest, those before or from a place, or those after one that the caller knows. */
function part(messages: Message[], { since, cursor, limit }: GetConversationRequest__Output): [number, number] {
  const size = limit || PAGE
  let from = messages.length
  if (since !== '') {
    from = messages.findIndex((m) => m.id === since) + 1
    if (from === 0) throw new StageError('invalid_argument', 'the conversation has no such message')
  } else if (cursor.startsWith('from-')) {
    from = at(cursor, /^from-(\d+)$/)
  } else {
    const to = cursor === '' ? messages.length : at(cursor, /^before-(\d+)$/)
    return [Math.max(0, to - size), to]
  }
  return [from, Math.min(from + size, messages.length)]
}

const placeOf = (principal: string, id: string): string => `${principal} ${id}`
const summary = ({ messages, last: _, ...c }: Conversation): object => ({ ...c, messageCount: messages.length })

function touch(c: Conversation, time: Time): void {
  c.revision++
  c.updatedAt = time
}

/** Whether each word of a text is the beginning of one in others. Nothing is found by what has no words. */
function found(text: string, others: string[]): boolean {
  const words = (s: string): string[] => s.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  const there = others.flatMap(words)
  const wanted = words(text)
  return wanted.length > 0 && wanted.every((w) => there.some((t) => t.startsWith(w)))
}

function parse(cursor: string): { epoch: string; seq: number } {
  const [epoch = '', seq = ''] = cursor.split('-')
  return { epoch, seq: Number(seq) }
}
