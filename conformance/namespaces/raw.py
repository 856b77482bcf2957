"""A client with its hands on the socket: it reads as slowly as we want, or never.

Frames are those of PyPI `websockets`, which answers a ping when, and only when, it is fed with it.
"""

import asyncio
import contextlib
import time

import world
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

OPEN_SECONDS = 10
TICK = 0.05


class Peer:
    """One connection of such a client."""

    def __init__(self, socket, url):
        self.socket = socket
        self.protocol = ClientProtocol(parse_uri(url), max_size=None)
        self.messages = 0
        self.bytes = 0
        self.pings = 0
        self.ended = False
        self.read_at = time.monotonic()
        # The longest time between two reads that brought something.
        self.gap = 0.0

    async def flush(self):
        """Writes what the protocol wants to say."""
        for data in self.protocol.data_to_send():
            if data:
                await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def handshake(self):
        """Asks for the upgrade and reads the answer; nothing of what follows it."""
        self.protocol.send_request(self.protocol.connect())
        await self.flush()
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = await asyncio.get_running_loop().sock_recv(self.socket, 1)
            if not byte:
                raise ConnectionError("the server ended the handshake")
            answer += byte
        self.protocol.receive_data(answer)
        if self.protocol.handshake_exc:
            raise self.protocol.handshake_exc

    async def send(self, payload):
        """Sends a binary message; waits while the server does not take it."""
        self.protocol.send_binary(payload)
        await self.flush()

    async def read(self, limit):
        """Reads up to `limit` bytes once and answers what must be answered."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self.socket, limit)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return 0
        now = time.monotonic()
        self.gap = max(self.gap, now - self.read_at)
        self.read_at = now
        self.bytes += len(data)
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            opcode = getattr(event, "opcode", None)
            self.pings += opcode is Opcode.PING
            self.messages += opcode in (Opcode.TEXT, Opcode.BINARY)
        await self.flush()
        return len(data)

    async def read_paced(self, bytes_per_second, until):
        """Reads this fast, by a bucket of tokens, until `until()` or the end of the connection."""
        started, taken = time.monotonic(), 0
        while not until() and not self.ended:
            allowed = int((time.monotonic() - started) * bytes_per_second) - taken
            if allowed > 0:
                with contextlib.suppress(TimeoutError):
                    taken += await asyncio.wait_for(self.read(min(allowed, 65536)), TICK * 4)
            await asyncio.sleep(TICK)


@contextlib.asynccontextmanager
async def peer(pair, path, *, receive_buffer=None):
    """A connection from the client machine until the end of the block."""
    socket = await asyncio.to_thread(pair.socket, pair.client, receive_buffer)
    try:
        socket.setblocking(False)
        address = (pair.address, world.PORT)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(socket, address), OPEN_SECONDS)
        made = Peer(socket, pair.url(path))
        await asyncio.wait_for(made.handshake(), OPEN_SECONDS)
        yield made
    finally:
        socket.close()
