import type { Stagehouse } from '../src/client.js';

/** What the contract does not have does not compile. Nobody calls this: the compiler fails if one of these is no error. */
export const wrong = (client: Stagehouse) => [
  // @ts-expect-error a message is required
  client.POST('/api/chat/send', { body: { agentId: 'nyx' } }),
  // @ts-expect-error onBusy is one of three
  client.POST('/api/chat/send', { body: { message: 'Hello!', onBusy: 'wait' } }),
  // @ts-expect-error there is no such status
  client.GET('/api/runs', { params: { query: { status: 'done' } } }),
  // @ts-expect-error there is no such path
  client.GET('/api/nothing'),
  // @ts-expect-error it is archived or it is not
  client.PATCH('/api/chat/conversations/{conversationId}', { params: { path: { conversationId: 'c' } }, body: { archived: 'yes' } }),
  // @ts-expect-error there is no such code
  client.GET('/api/agents').then(({ error }) => error?.code === 'no_such_code'),
  // @ts-expect-error a role is one of three
  client.GET('/api/runs/{runId}', { params: { path: { runId: 'r' } } }).then(({ data }) => data?.reply?.role === 'assistant'),
];
