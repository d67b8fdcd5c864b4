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
  const reply = await client.chat({ agentId: 'nyx', message: 'Hello!' }).reply;
  return reply.content;
}
