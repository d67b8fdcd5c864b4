import type { AgentsHandlers } from '../../node-extension/build/proto/stagehouse/v1/Agents.js'
import type { GetAgentRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/GetAgentRequest.js'
import type { ListAgentsRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/ListAgentsRequest.js'
import { answer, StageError } from '../../node-extension/src/stagehouse/index.js'
import { now } from './ids.js'
import type { EventLog } from './log.js'

export interface Declared {
  id: string
  name?: string
  skills?: string[]
}

export interface Agent {
  id: string
  name: string
  skills: string[]
  status: 'running' | 'stopped'
  revision: number
}

const PAGE = 50

/** The agents that the configuration declares. They can be started and stopped, and not changed. */
export class Agents {
  readonly #agents = new Map<string, Agent & { declared: boolean; createdAt: object; updatedAt: object; brain: object; metadata: Buffer }>()

  /** stopped is told of an agent that stops, before it has. */
  constructor(declared: Declared[], private readonly log: EventLog, private readonly stopped: (id: string) => void) {
    for (const { id, name = id, skills = [] } of declared.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      this.#agents.set(id, {
        id, name, skills, status: 'running', revision: 1, declared: true, createdAt: now(), updatedAt: now(),
        brain: { provider: 'parrot', options: Buffer.from('{}') }, metadata: Buffer.from('{}'),
      })
    }
  }

  get(id: string): Agent {
    const agent = this.#agents.get(id)
    if (!agent) throw new StageError('not_found', `there is no agent "${id}"`)
    return agent
  }

  running(): Agent[] {
    return [...this.#agents.values()].filter((a) => a.status === 'running')
  }

  readonly handlers: Partial<AgentsHandlers> = {
    List: answer((q: ListAgentsRequest__Output) => {
      const found = [...this.#agents.values()].filter(
        (a) => a.id > q.cursor && (q.status === '' || a.status === q.status) && (q.skill === '' || a.skills.includes(q.skill)),
      )
      const agents = found.slice(0, q.limit || PAGE)
      return Promise.resolve({ agents, nextCursor: agents.length < found.length ? agents.at(-1)!.id : '' })
    }),
    Get: answer(async (q: GetAgentRequest__Output) => ({ agent: this.get(q.id) })),
    Start: answer(async (q: GetAgentRequest__Output) => ({ agent: this.#move(q.id, 'running') })),
    Stop: answer(async (q: GetAgentRequest__Output) => {
      this.get(q.id)
      this.stopped(q.id)
      return { agent: this.#move(q.id, 'stopped') }
    }),
  }

  #move(id: string, status: Agent['status']): Agent {
    const agent = this.get(id)
    const previous = agent.status
    if (previous !== status) {
      Object.assign(agent, { status, revision: agent.revision + 1, updatedAt: now() })
      this.log.append('agent:status', { agentId: id }, { status, previous, revision: agent.revision })
    }
    return agent
  }
}
