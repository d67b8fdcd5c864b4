// Run as a browser would run it: with the entry for browsers, and the global WebSocket and fetch.
const [url, token] = process.argv.slice(2);

const { Client } = await import('@stagehouse/client');
const client = new Client({ url, token });
const events = client.subscribe({ agents: ['nyx'], events: ['thought'] });
await client.connect();
await events.ready;
const { role } = await client.chat({ agentId: 'nyx', message: 'Hello!' }).reply;
const { value } = await events.next();
const { agents } = await client.agents.list();
console.log(JSON.stringify({
  entry: import.meta.resolve('@stagehouse/client').split('/').pop(),
  thought: value.thought.length > 0, reply: role, agents: agents.map((a) => a.id).sort(),
}));
client.close();
