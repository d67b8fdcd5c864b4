import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'

import page from './page.html'
import { main, StageError, type Host, type Services } from './stagehouse/index.js'

interface Config {
  address: string
  agent: string
  title: string
}

main<Config>({
  name: 'desk',
  version: '1.0.0',
  summary: 'A page on which visitors talk to the agents and watch them think.',
  requires: ['chat', 'events'],
  config: {
    properties: {
      address: { type: 'string', default: '127.0.0.1:3003', description: 'Where to listen' },
      agent: { type: 'string', default: '', description: 'Who answers; empty = whoever the message fits' },
      title: { type: 'string', default: 'The desk', maxLength: 80, description: 'What stands at the top of the page' },
    },
  },
  validate({ address }) {
    if (!/:\d+$/.test(address)) {
      return [{ severity: 'error', pointer: '/address', message: `"${address}" has no port`, suggestion: 'write it as 127.0.0.1:3003' }]
    }
    if (/^(127\.|localhost:|\[::1\])/.test(address)) return []
    return [{ severity: 'warning', pointer: '/address', message: 'everybody who reaches this address can talk to the agents' }]
  },
  async start(config, host) {
    await host.serve(config.address, (request, response) => {
      answer(config, host, request, response).catch((failed: unknown) => refuse(host, response, failed))
    })
    host.log.info('the desk is open', { address: host.addresses[0] })
  },
})

async function answer(config: Config, host: Host, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const services = host.as({ principal: `${host.name}:${visitor(request, response)}`, scopes: ['chat'] })
  switch (`${request.method} ${request.url}`) {
    case 'GET /':
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      response.end(page.replaceAll('{{title}}', config.title.replaceAll('&', '&amp;').replaceAll('<', '&lt;')))
      return
    case 'POST /ask':
      return ask(config, services, request, response)
    case 'GET /feed':
      return feed(host.leaving, services, request, response)
  }
  throw new StageError('not_found', 'there is /, /ask and /feed')
}

/** Sends a message and answers with what becomes of it, a line of JSON for each event. With the same key it is sent once. */
async function ask(config: Config, { chat }: Services, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { message, conversationId = '' } = (await json(request)) as { message: string; conversationId?: string }
  const key = request.headers['idempotency-key']
  const digest = createHash('sha256').update(JSON.stringify([message, conversationId])).digest('hex')
  const turn = chat.send({ agentId: config.agent, message, conversationId }, {
    ...(typeof key === 'string' && { once: { key, scope: 'POST /ask', digest } }),
    signal: closed(response),
  })
  for await (const { events } of turn) {
    for (const { accepted, logged } of events) {
      if (!response.headersSent) response.setHeader('Content-Type', 'application/x-ndjson')
      if (accepted) response.write(line({ type: 'accepted', conversationId: accepted.conversationId, agentId: accepted.agentId }))
      if (logged) response.write(line({ type: logged.type, ...told(logged.payload) }))
    }
  }
  response.end()
}

/** Tells what the agents think and feel about the visitor, from where the client was before, until it goes or this process does. */
async function feed(leaving: AbortSignal, { events }: Services, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [epoch, seq] = String(request.headers['last-event-id'] ?? '').split('-')
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }).flushHeaders()
  const seen = events.subscribe(
    { since: epoch ? { epoch, seq: Number(seq) } : null, types: ['agent:thought', 'agent:emotion', 'agent:action'] },
    { signal: AbortSignal.any([leaving, closed(response)]) },
  )
  for await (const { events } of seen) {
    for (const { cursor, type, agentId, payload } of events) {
      response.write(`id: ${cursor?.epoch}-${cursor?.seq}\ndata: ${line({ type, agentId, ...told(payload) })}\n`)
    }
  }
}

/** Who it is: a cookie that nobody can guess. Conversations are the visitor's own, here and after a restart. */
function visitor(request: IncomingMessage, response: ServerResponse): string {
  const known = /(?:^|; )visitor=([0-9a-f-]{36})(?:;|$)/.exec(request.headers.cookie ?? '')?.[1]
  const id = known ?? randomUUID()
  if (!known) response.setHeader('Set-Cookie', `visitor=${id}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000`)
  return id
}

const line = (value: object): string => JSON.stringify(value) + '\n'
const told = (payload: Buffer): object => (payload.length > 0 ? (JSON.parse(payload.toString()) as object) : {})

function closed(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

function refuse(host: Host, response: ServerResponse, failed: unknown): void {
  if (failed instanceof SyntaxError) failed = new StageError('malformed', failed.message)
  if (!(failed instanceof StageError)) {
    host.log.error('a request failed', { error: failed })
    failed = new StageError('internal', 'the log of the host has the details')
  }
  const { code, message, httpStatus } = failed as StageError
  if (!response.headersSent) response.writeHead(httpStatus, { 'Content-Type': 'application/x-ndjson' })
  response.end(code === 'cancelled' ? '' : line({ type: 'error', code, message }))
}
