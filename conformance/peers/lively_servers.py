"""Servers of other authors with a keepalive of their own. They echo, and drop who says `drop`.

Each yields its port and a list with one entry a connection.
"""

import contextlib

import aiohttp
import websockets
from aiohttp import web

KEEPALIVE = 0.3
PATIENCE = 2.0


@contextlib.asynccontextmanager
async def websockets_server():
    """PyPI `websockets`: it pings, and closes with 1011 when no pong comes."""
    connections = []

    async def handle(socket):
        connections.append(socket.request.path)
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                if message == "drop":
                    socket.transport.abort()
                else:
                    await socket.send(message)

    async with websockets.serve(
        handle, "127.0.0.1", 0, ping_interval=KEEPALIVE, ping_timeout=PATIENCE
    ) as server:
        yield server.sockets[0].getsockname()[1], connections


@contextlib.asynccontextmanager
async def aiohttp_server():
    """PyPI `aiohttp`: it pings, and drops who does not answer."""
    connections = []

    async def handle(request):
        connections.append(request.path)
        socket = web.WebSocketResponse(heartbeat=PATIENCE)
        await socket.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for message in socket:
                if message.data == "drop":
                    request.transport.abort()
                elif message.type is aiohttp.WSMsgType.TEXT:
                    await socket.send_str(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1], connections
    finally:
        await runner.cleanup()
