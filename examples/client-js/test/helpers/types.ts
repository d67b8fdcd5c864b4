// Compiled, never run: the declarations say what the modules are, and what somebody writes against them is right.
import * as browser from '../../src/index.js';
import * as node from '../../src/node.js';
import type * as declared from '../../types/index.js';

export const entries: (typeof declared)[] = [browser, node];

export async function use(client: declared.Client): Promise<string> {
  const off = client.on('agent:emotion', ({ emotion, intensity }) => void (emotion + intensity.toFixed(1)));
  off();
  for await (const event of client.subscribe({ events: ['thought'] })) {
    if (event.type === 'agent:thought') return event.thought;
    // @ts-expect-error: other events have no thoughts
    void event.thought;
  }
  // @ts-expect-error: a message is needed
  client.chat({ agentId: 'nyx' });
  for await (const run of client.runs.all({ status: 'failed' })) void (run.reason ?? '').length;
  const later = await client.send({ message: 'Hello!', onBusy: 'reject' }, { waitMs: 0 });
  // @ts-expect-error: nobody has waited for it
  void later.reply.content;
  void (await client.send({ message: 'Hello!' })).reply.content;
  const reply = await client.chat({ agentId: 'nyx', message: 'Hello!' }).reply;
  return reply.content;
}
