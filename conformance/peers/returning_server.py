"""PyPI `websockets` as a server that is killed and started again.

It listens on the port of its settings, says `listening`, echoes, and says for each connection
`open` with the number of those that are open, and how it was closed. A query such as
`?code=1012&reason=…` makes it close at once.
"""

import asyncio
import contextlib
import json
import sys
from urllib.parse import parse_qs, urlsplit

import websockets


def say(line):
    print(json.dumps(line), flush=True)


async def serve(port):
    async def handle(socket):
        say(f"open {len(server.connections)}")
        query = parse_qs(urlsplit(socket.request.path).query)
        if "code" in query:
            reason = query.get("reason", [""])[0]
            return await socket.close(int(query["code"][0]), reason)
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                await socket.send(message)
        say(f"closed with {int(socket.close_code)}")

    async with websockets.serve(handle, "127.0.0.1", port) as server:
        say("listening")
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])["port"]))
