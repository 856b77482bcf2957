"""Two Python WebSocket servers with the behaviour that `node_server.mjs` has too.

/echo echoes; /info sends one line about the handshake; /drive makes the client echo a battery and
pings it; /bye closes at once with 3005; /refused answers 403. Each connection that the server does
not end itself leaves its verdict: what the server saw of the client's end.
"""

import asyncio
import contextlib
import json
import os

import aiohttp
import websockets
from aiohttp import web
from harness import CONFORMANCE, expect_equal

BATTERY = json.loads((CONFORMANCE / "battery.json").read_text())
SUBPROTOCOL = "superchat"
PAYLOAD = b"still there?"


def drive_messages():
    """What /drive wants echoed, in order."""
    return [
        *BATTERY["texts"].values(),
        *(os.urandom(size) for size in BATTERY["binary_sizes"]),
        *(f"message {n}" for n in range(BATTERY["ordered"])),
    ]


async def drive(send, receive, ping):
    """Has the battery echoed, then asks for a pong; the result is the verdict."""
    messages = drive_messages()
    try:
        await asyncio.gather(send_all(send, messages), receive_all(receive, messages))
        await asyncio.wait_for(ping(PAYLOAD), 5)
    except Exception as error:  # the verdict tells the test
        return f"{type(error).__name__}: {error}"
    return "echoed and ponged"


async def send_all(send, messages):
    for message in messages:
        await send(message)


async def receive_all(receive, messages):
    for number, message in enumerate(messages):
        answer = await receive()
        expect_equal(type(answer), type(message), f"kind of message {number}")
        expect_equal(answer, message, f"message {number}")


def info(deflates, subprotocol, headers):
    """The line of /info."""
    deflate = "yes" if deflates else "no"
    check = headers.get("x-check", "-")
    return f"deflate={deflate} subprotocol={subprotocol or '-'} x-check={check}"


@contextlib.asynccontextmanager
async def websockets_server(tls=None):
    """PyPI `websockets`; yields its port and the queue of verdicts."""
    verdicts = asyncio.Queue()

    async def refuse(connection, request):
        if request.path == "/refused":
            return connection.respond(403, "not you\n")

    async def handle(socket):
        path = socket.request.path
        if path == "/bye":
            return await socket.close(3005, "bye now")
        if path == "/drive":

            async def ping(payload):
                await (await socket.ping(payload))

            await verdicts.put(await drive(socket.send, socket.recv, ping))
            return await socket.close(1000, "driven")
        if path == "/info":
            deflates = any(e.name == "permessage-deflate" for e in socket.protocol.extensions)
            await socket.send(info(deflates, socket.subprotocol, socket.request.headers))
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                await socket.send(message)
        await verdicts.put(f"closed with {int(socket.close_code)}")

    async with websockets.serve(
        handle,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL],
        select_subprotocol=lambda _, offered: SUBPROTOCOL if SUBPROTOCOL in offered else None,
        process_request=refuse,
        ping_interval=None,
        max_size=None,
        ssl=tls,
    ) as server:
        yield server.sockets[0].getsockname()[1], verdicts


@contextlib.asynccontextmanager
async def aiohttp_server(tls=None):
    """PyPI `aiohttp`; yields its port and the queue of verdicts."""
    verdicts = asyncio.Queue()

    async def handle(request):
        if request.path == "/refused":
            return web.Response(status=403, text="not you\n")
        socket = web.WebSocketResponse(
            protocols=[SUBPROTOCOL], autoping=False, max_msg_size=0, compress=True
        )
        await socket.prepare(request)

        async def send(message):
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)

        async def receive(kinds=(aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)):
            message = await socket.receive()
            if message.type not in kinds:
                raise ConnectionError(f"{message.type.name} came")
            return message.data

        async def ping(payload):
            await socket.ping(payload)
            expect_equal(bytes(await receive((aiohttp.WSMsgType.PONG,))), payload, "pong")

        if request.path == "/bye":
            await socket.close(code=3005, message=b"bye now")
        elif request.path == "/drive":
            await verdicts.put(await drive(send, receive, ping))
            await socket.close(code=1000, message=b"driven")
        else:
            if request.path == "/info":
                await send(info(socket.compress, socket.ws_protocol, request.headers))
            with contextlib.suppress(ConnectionError):
                while True:
                    await send(await receive())
            await verdicts.put(f"closed with {socket.close_code}")
        return socket

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield runner.addresses[0][1], verdicts
    finally:
        await runner.cleanup()
