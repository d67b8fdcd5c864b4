import type { SubscribeRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/SubscribeRequest.js'
import { answer, serveRuntime, streamed } from '../../node-extension/src/stagehouse/index.js'
import { Agents, type Declared } from './agents.js'
import { Chat } from './chat.js'
import { Kept } from './kept.js'
import { EventLog } from './log.js'

interface Config {
  agents: Declared[]
  paceMs: number
}

serveRuntime<Config>({
  name: 'parrots',
  version: '1.0.0',
  summary: 'Agents that say again what they hear, in memory.',
  offers: ['agents', 'chat', 'events'],
  config: {
    properties: {
      agents: {
        type: 'array',
        description: 'Who is there',
        default: [{ id: 'polly', skills: ['weather'] }, { id: 'coco', skills: ['music'] }],
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['id'],
          properties: {
            id: { type: 'string', pattern: '^[A-Za-z0-9._~:-]{1,128}$' },
            name: { type: 'string' },
            skills: { type: 'array', items: { type: 'string' } },
          },
        },
      },
      paceMs: { type: 'integer', minimum: 0, maximum: 1000, default: 20, description: 'How long a word takes, in milliseconds' },
    },
  },
  open(config) {
    const log = new EventLog()
    const kept = new Kept()
    const agents: Agents = new Agents(config.agents, log, kept, (id) => chat.stopped(id))
    const chat = new Chat(() => agents, log, kept, config.paceMs)
    return Promise.resolve({
      agents: agents.handlers,
      chat: chat.handlers,
      events: {
        Head: answer(async () => ({ head: log.head })),
        Subscribe: streamed(async function* (q: SubscribeRequest__Output, gone: AbortSignal) {
          for await (const event of log.read(q, q.caller, gone)) yield { events: [event] }
        }),
      },
      async close(timeUp) {
        await chat.close(timeUp)
        log.close()
      },
    })
  },
})
