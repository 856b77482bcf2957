"""A line to a server that can be cut, carry nothing, or stand still."""

import asyncio
import contextlib
import socket

CHUNK = 1 << 14


class Line:
    """A proxy in front of a port."""

    def __init__(self, port):
        self.target = port
        self.is_open = True
        self.carries = asyncio.Event()
        self.carries.set()
        self.pairs = set()

    async def take(self, near, near_out):
        """Carries one connection to its end."""
        if not self.is_open:
            near_out.transport.abort()
            return
        # A small window: who stands still is soon seen to stand still.
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", self.target))
            far, far_out = await asyncio.open_connection(sock=plug, limit=CHUNK)
        except OSError:
            plug.close()
            near_out.transport.abort()
            return
        pair = (near_out, far_out)
        self.pairs.add(pair)
        try:
            await asyncio.gather(self.carry(near, far_out), self.carry(far, near_out))
        finally:
            self.pairs.discard(pair)
            for end in pair:
                end.transport.abort()

    async def carry(self, source, sink):
        """Carries one direction to its end, and ends the other; the end of a connection waits, too,
        while nothing is carried.
        """
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self.carries.wait()
                sink.write(data)
                await sink.drain()
        await self.carries.wait()
        with contextlib.suppress(OSError):
            if not sink.transport.is_closing():
                sink.close()

    def hold(self):
        """Carries nothing any more, in either direction, until `go_on`; ends nothing."""
        self.carries.clear()

    def go_on(self):
        """Carries what it holds, and all that comes."""
        self.carries.set()

    def shut(self):
        """Ends all connections without a word, and takes no new ones until `is_open`."""
        self.is_open = False
        self.reset()

    def reset(self):
        """Ends all connections without a word."""
        for pair in [*self.pairs]:
            for end in pair:
                end.transport.abort()
        self.carries.set()


@contextlib.asynccontextmanager
async def line(port):
    """A line to a port on loopback; yields it, with `port` for the clients."""
    made = Line(port)
    server = await asyncio.start_server(made.take, "127.0.0.1", 0, limit=CHUNK)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.reset()
