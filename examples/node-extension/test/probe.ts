/** An extension that does what the desk has no need of, for the tests of src/stagehouse. Each path of its server is one thing. */
import { main, StageError, type Caller, type Host } from '../src/stagehouse/index.js'

let ill = ''

const paths: Record<string, (host: Host, token: string) => Promise<unknown>> = {
  '/': () => Promise.resolve('well'),
  '/ill': () => Promise.resolve((ill = 'it has a cold')),
  '/crash': () => {
    setImmediate(() => {
      throw new Error('nobody catches this')
    })
    return new Promise(() => undefined)
  },
  '/mine': async (host, token) => {
    const { caller } = await host.self().identity.authenticate({ token })
    const page = await host.as(caller as Caller).agents.list({ limit: 1 })
    return { principal: caller?.principal, agents: page.agents.length, more: page.nextCursor !== '' }
  },
  '/once': async (host) => {
    const replayed: boolean[] = []
    const ids = new Set<string>()
    for (let i = 0; i < 2; i++) {
      const seen = { replayed: false }
      const { memory } = await host.self('chat').memory.store({ agentId: 'nyx', content: 'The probe was here.' }, {
        once: { key: 'probe', scope: 'POST /once', digest: '1' }, onReplayed: () => (seen.replayed = true),
      })
      ids.add(memory?.id ?? '')
      replayed.push(seen.replayed)
    }
    return { replayed, memories: ids.size }
  },
  '/late': (host) => codeOf(async () => {
    for await (const _ of host.self('read').events.subscribe({}, { timeoutMs: 50 }));
  }),
  '/aborted': (host) => codeOf(async () => {
    for await (const _ of host.self('read').events.subscribe({}, { signal: AbortSignal.timeout(50) }));
  }),
  '/given-up': (host) => codeOf(() => host.self('read').agents.list({}, { signal: AbortSignal.abort() })),
  '/nobody': (host) => codeOf(() => host.as({}).agents.list({})),
  '/missing': (host) => codeOf(() => host.self('read').agents.get({ id: 'nobody' })),
  '/withheld': (host) => codeOf(async () => host.self('read').chat.listRuns({})),
}

async function codeOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call()
  } catch (failed) {
    if (failed instanceof StageError) return { code: failed.code, status: failed.httpStatus }
    throw failed
  }
  return { code: 'none' }
}

main<{ address: string; fails: boolean }>({
  name: 'probe',
  version: '1.0.0',
  summary: 'Does what tests want.',
  requires: ['agents'],
  config: { properties: { address: { type: 'string', default: '127.0.0.1:0' }, fails: { type: 'boolean', default: false } } },
  async start({ address, fails }, host) {
    if (fails) throw new StageError('unavailable', 'the stars are wrong')
    await host.serve(address, (request, response) => {
      const token = (request.headers.authorization ?? '').replace('Bearer ', '')
      const act = paths[request.url ?? ''] ?? (() => Promise.reject(new Error('there is no such path')))
      act(host, token).then((out) => response.end(JSON.stringify(out)), (failed: Error) => response.writeHead(500).end(failed.message))
    })
    host.log.debug('a word for those who want to know much')
    console.log('a word on the console')
  },
  async health() {
    if (ill !== '') throw new StageError('unavailable', ill)
  },
  async drain() {
    throw new Error('the probe does not like to go')
  },
})
