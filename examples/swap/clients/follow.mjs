// Follows an agent on many WebSockets, and talks to another one, with the client library, and counts what it sees:
//
//     node follow.mjs ADDRESS TOKEN_FILE SOCKETS
//
// For each line on standard input it prints one: how many events were received, lost and doubled, how many sockets closed, how many
// messages were said, and how many could not be, all since the beginning. It ends when standard input does.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

import { Client } from '../../client-js/src/node.js';

const [address, tokenFile, sockets] = process.argv.slice(2);
const counts = { events: 0, lost: 0, doubled: 0, closed: 0, said: 0, unsaid: 0 };
const options = { url: `http://${address}`, token: async () => (await readFile(tokenFile, 'utf8')).trim() };

async function follow() {
  const client = new Client({ ...options, retry: { baseMs: 50, maxMs: 200 } });
  client.on('reconnecting', () => { counts.closed += 1; });
  client.on('gap', () => { counts.lost += 1; });
  const subscription = client.subscribe({ agents: ['nyx'] });
  await client.connect();
  let seq = Number((await subscription.ready).head.split('-')[1]);
  for await (const event of subscription) {
    if (event.type === 'gap') continue;
    if (event.seq <= seq) counts.doubled += 1;
    else if (event.prevSeq !== seq) counts.lost += 1;
    seq = event.seq;
    counts.events += 1;
  }
}

// Has one turn after the other, which may fail because the host died under it.
async function talk() {
  const client = new Client({ ...options, timeoutMs: 60_000 });
  await client.connect();
  for (;;) {
    const turn = client.chat({ agentId: 'aria', conversationId: 'swap-node', message: `swap message number ${counts.said} of node` });
    await turn.reply.catch((error) => {
      if (['host_restarted', 'host_shutdown'].includes(error.reason)) return;
      counts.unsaid += 1;
      console.error(error);
    });
    counts.said += 1;
  }
}

talk().catch((error) => {
  console.error(error);
  process.exit(1);
});
for (let i = 0; i < Number(sockets); i += 1) {
  follow().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
for await (const _ of createInterface({ input: process.stdin })) console.log(JSON.stringify(counts));
process.exit(0);
