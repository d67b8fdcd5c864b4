import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Agent, type Message, type Run, type Stagehouse, ProblemError, unwrap } from './client.js';

/** The agents that run, of all pages. */
export async function* running(client: Stagehouse): AsyncGenerator<Agent> {
  for (let cursor = ''; ; ) {
    const query = cursor === '' ? {} : { cursor };
    const page = await unwrap(client.GET('/api/agents', { params: { query: { status: 'running', ...query } } }));
    yield* page.agents;
    if (page.nextCursor === '') return;
    cursor = page.nextCursor;
  }
}

/** Begins a conversation with an agent, and returns its id. */
export async function begin(client: Stagehouse, agentId: string, title: string): Promise<string> {
  const header = { 'Idempotency-Key': randomUUID() };
  const conversation = await unwrap(client.POST('/api/chat/conversations', { params: { header }, body: { agentId, title } }));
  return conversation.id;
}

/** What came of a message. */
export interface Said {
  runId: string;
  reply: Message;
  replayed: boolean; // it had been said before, with the same key
}

/** Says something, and returns the reply, however long it takes. With the same key it is said once, however often it is sent. */
export async function say(client: Stagehouse, conversationId: string, message: string, key: string = randomUUID()): Promise<Said> {
  const { data, error, response } = await client.POST('/api/chat/send', {
    params: { header: { 'Idempotency-Key': key, Prefer: 'wait=10' } },
    body: { conversationId, message },
  });
  if (error !== undefined) throw new ProblemError(error);
  const reply = data.reply ?? (await replyOf(client, data.runId)); // a 202 has none yet
  return { runId: data.runId, reply, replayed: response.headers.get('Idempotency-Replayed') === 'true' };
}

/** Waits for the end of a run, and returns its reply. */
async function replyOf(client: Stagehouse, runId: string): Promise<Message> {
  for (;;) {
    const run: Run = await unwrap(client.GET('/api/runs/{runId}', { params: { path: { runId } } }));
    switch (run.status) {
      case 'queued':
      case 'running':
        await sleep(500);
        continue;
      case 'completed':
        if (run.reply !== undefined) return run.reply;
      // falls through
      default:
        throw new Error(`run ${runId} is ${run.status}: ${run.reason ?? 'no reason'}`);
    }
  }
}

/** What an agent remembers about something, the best first. */
export async function recall(client: Stagehouse, agentId: string, q: string): Promise<string[]> {
  const { results } = await unwrap(client.GET('/api/memory/search', { params: { query: { agentId, q } } }));
  return results.map(({ memory }) => memory.content);
}

/** Starts the agent if there is one, and tells what became of it. */
export async function wake(client: Stagehouse, agentId: string): Promise<Agent['status'] | 'missing' | 'forbidden'> {
  const { data, error } = await client.POST('/api/agents/{agentId}/start', { params: { path: { agentId } } });
  switch (error?.code) {
    case undefined:
      return data!.status;
    case 'not_found':
      return 'missing';
    case 'permission_denied':
      return 'forbidden';
    default:
      throw new ProblemError(error!);
  }
}
