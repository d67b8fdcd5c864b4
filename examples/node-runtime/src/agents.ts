import type { AgentsHandlers } from '../../node-extension/build/proto/stagehouse/v1/Agents.js'
import type { GetAgentRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/GetAgentRequest.js'
import type { ListAgentsRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/ListAgentsRequest.js'
import type { StartAgentRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/StartAgentRequest.js'
import type { StopAgentRequest__Output } from '../../node-extension/build/proto/stagehouse/v1/StopAgentRequest.js'
import { answer, StageError } from '../../node-extension/src/stagehouse/index.js'
import { now } from './ids.js'
import type { Kept } from './kept.js'
import type { EventLog } from './log.js'
import { page } from './page.js'

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

/** The agents that the configuration declares. They can be started and stopped, and not changed. */
export class Agents {
  readonly #agents = new Map<string, Agent & { declared: boolean; createdAt: object; updatedAt: object; brain: object; metadata: Buffer }>()

  /** stopped is told of an agent that stops, before it has. */
  constructor(declared: Declared[], private readonly log: EventLog, private readonly kept: Kept, private readonly stopped: (id: string) => void) {
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
    List: answer(async (q: ListAgentsRequest__Output) => {
      const has = (skills: string[]): boolean => q.skill === '' || skills.some((s) => s.toLowerCase() === q.skill.toLowerCase())
      const [agents, nextCursor] = page([...this.#agents.values()], q) // who is there does not change
      return { agents: agents.filter((a) => (q.status === '' || a.status === q.status) && has(a.skills)), nextCursor }
    }),
    Get: answer(async (q: GetAgentRequest__Output) => ({ agent: this.get(q.id) })),
    Start: answer(async (q: StartAgentRequest__Output, replayed) => this.kept.once(q.caller, replayed, () => ({ agent: this.#move(q.id, 'running') }))),
    Stop: answer(async (q: StopAgentRequest__Output, replayed) => this.kept.once(q.caller, replayed, () => {
      this.get(q.id)
      this.stopped(q.id)
      return { agent: this.#move(q.id, 'stopped') }
    })),
  }

  /** Returns the agent as it is then, whatever becomes of it. */
  #move(id: string, status: Agent['status']): Agent {
    const agent = this.get(id)
    const previous = agent.status
    if (previous !== status) {
      Object.assign(agent, { status, revision: agent.revision + 1, updatedAt: now() })
      this.log.append('agent:status', { agentId: id }, { status, previous, revision: agent.revision })
    }
    return { ...agent }
  }
}
