"""Follows an agent on many WebSockets, with the websockets package, and counts what it sees.

    python3 follow.py ADDRESS TOKEN_FILE SOCKETS

A socket that is closed comes back and resumes where it was. For each line on standard input it prints one: how many events
were received, lost and doubled, and how many sockets closed, all since the beginning. It ends when standard input does.
"""

import asyncio
import json
import sys

import websockets

PAUSE = 0.05  # before a socket comes back


class Counts:
    def __init__(self):
        self.events = self.lost = self.doubled = self.closed = 0


class Follower:
    """One socket after the other, and the place in the log that it holds."""

    def __init__(self, address, token_file, counts):
        self.address, self.token_file, self.counts = address, token_file, counts
        self.place, self.seq = None, 0

    async def run(self):
        while True:
            try:
                await self.follow()
            except (OSError, asyncio.TimeoutError, websockets.exceptions.WebSocketException):
                self.counts.closed += 1
                await asyncio.sleep(PAUSE)

    async def follow(self):
        with open(self.token_file, encoding="ascii") as f:
            token = f.read().strip()
        async with websockets.connect(f"ws://{self.address}/ws", max_size=None) as socket:
            await socket.send(json.dumps({"type": "auth", "token": token}))
            subscribe = {"type": "subscribe", "agents": ["nyx"]}
            if self.place is not None:
                subscribe["since"] = self.place
            await socket.send(json.dumps(subscribe))
            async for text in socket:
                self.take(json.loads(text))
            raise ConnectionError("the server closed the socket")

    def take(self, frame):
        if frame["type"] in ("error", "auth:error"):
            raise RuntimeError(f"the server refuses: {frame}")
        if frame["type"] == "subscribed":
            if self.place is None:
                self.place, self.seq = frame["head"], int(frame["head"].split("-")[1])
            elif not frame["recovered"]:
                self.counts.lost += 1
        elif "prevSeq" in frame:
            if frame["seq"] <= self.seq:
                self.counts.doubled += 1
            elif frame["prevSeq"] != self.seq:
                self.counts.lost += 1
            self.place, self.seq = frame["id"], frame["seq"]
            self.counts.events += 1


async def answer(counts):
    """Answers every line of standard input, until its end."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        print(json.dumps(vars(counts)), flush=True)


async def main(address, token_file, sockets):
    counts = Counts()
    followers = [asyncio.create_task(Follower(address, token_file, counts).run()) for _ in range(int(sockets))]
    asked = asyncio.create_task(answer(counts))
    done, _ = await asyncio.wait([asked, *followers], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()  # a follower ends only with an error
    for task in followers:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
