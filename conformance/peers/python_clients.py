"""Two Python WebSocket clients behind one face, and the checks that each makes of our server."""

import asyncio
import contextlib
import json
import os
import signal

import aiohttp
import websockets
from harness import CONFORMANCE, expect_equal, serve

BATTERY = json.loads((CONFORMANCE / "battery.json").read_text())
# Twice the largest message of the battery: what does not compress grows a little in its frame.
LONGEST_MESSAGE = 2 * 1024 * 1024
LIMIT = ["--max-message", "2MiB"]


class Refused(Exception):
    """The server answered the opening handshake with another status than 101."""

    def __init__(self, status):
        super().__init__(f"refused with {status}")
        self.status = status


class WebsocketsClient:
    """PyPI `websockets`."""

    name = "websockets"

    @classmethod
    async def open(cls, url, *, deflate=False, subprotocols=None, tls=None, origin=None, headers=()):
        self = cls()
        try:
            self.socket = await websockets.connect(
                url,
                compression="deflate" if deflate else None,
                subprotocols=subprotocols,
                ssl=tls,
                origin=origin,
                additional_headers=dict(headers),
                max_size=None,
                ping_interval=None,
                proxy=None,
            )
        except websockets.InvalidStatus as error:
            raise Refused(error.response.status_code) from None
        return self

    @property
    def deflates(self):
        return any(e.name == "permessage-deflate" for e in self.socket.protocol.extensions)

    @property
    def subprotocol(self):
        return self.socket.subprotocol

    async def send(self, message):
        await self.socket.send(message)

    async def receive(self):
        return await self.socket.recv()

    async def ping(self, payload):
        await (await self.socket.ping(payload))

    async def close(self, code=1000, reason=""):
        await self.socket.close(code, reason)
        return self.socket.close_code, self.socket.close_reason

    async def closed(self):
        await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason

    async def abort(self):
        self.socket.transport.abort()


class AiohttpClient:
    """PyPI `aiohttp`."""

    name = "aiohttp"

    @classmethod
    async def open(cls, url, *, deflate=False, subprotocols=None, tls=None, origin=None, headers=()):
        self = cls()
        self.session = aiohttp.ClientSession()
        try:
            self.socket = await self.session.ws_connect(
                url,
                compress=15 if deflate else 0,
                protocols=subprotocols or (),
                ssl=tls or True,
                origin=origin,
                headers=dict(headers),
                max_msg_size=0,
                autoping=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            await self.session.close()
            raise Refused(error.status) from None
        return self

    @property
    def deflates(self):
        return bool(self.socket.compress)

    @property
    def subprotocol(self):
        return self.socket.protocol

    async def send(self, message):
        if isinstance(message, str):
            await self.socket.send_str(message)
        else:
            await self.socket.send_bytes(message)

    async def receive(self):
        message = await self.socket.receive()
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise ConnectionError(f"{message.type.name} {message.data!r} {message.extra!r}")
        return message.data

    async def ping(self, payload):
        await self.socket.ping(payload)
        pong = await self.socket.receive()
        expect_equal((pong.type, bytes(pong.data)), (aiohttp.WSMsgType.PONG, payload), "pong")

    async def close(self, code=1000, reason=""):
        await self.socket.close(code=code, message=reason.encode())
        return self.socket.close_code, reason

    async def closed(self):
        message = await self.socket.receive()
        if message.type != aiohttp.WSMsgType.CLOSE:
            raise ConnectionError(f"{message.type.name} instead of a close frame")
        return message.data, message.extra

    async def abort(self):
        await self.session.close()


@contextlib.asynccontextmanager
async def opened(client, url, **options):
    """A connection that is gone at the end of the block, whatever happened in it."""
    connection = await client.open(url, **options)
    try:
        yield connection
    finally:
        await connection.abort()


async def echoes(client, url, messages, **options):
    """Sends all, then receives all: order and content must be the same."""
    async with opened(client, url, **options) as connection:
        for message in messages:
            await connection.send(message)
        for message in messages:
            answer = await connection.receive()
            expect_equal(type(answer), type(message), "kind")
            expect_equal(answer, message, "message")
        expect_equal((await connection.close())[0], 1000, "close code")


async def negotiates_deflate(client, url, deflate):
    async with opened(client, url, deflate=deflate) as connection:
        expect_equal(connection.deflates, deflate, "permessage-deflate")
        await connection.close()


async def many_at_once(client, url, deflate):
    await asyncio.gather(
        *(
            echoes(client, url, [f"socket {n}, message {i}" for i in range(10)], deflate=deflate)
            for n in range(BATTERY["sockets"])
        )
    )


async def answers_pings(client, url, deflate):
    async with opened(client, url, deflate=deflate) as connection:
        for payload in (b"are you there?", b"\x00" * 125):
            await connection.ping(payload)
        await connection.send("still in order")
        expect_equal(await connection.receive(), "still in order")
        await connection.close()


async def closes(client, url, code, reason):
    async with opened(client, url) as connection:
        # The answer repeats the code (RFC 6455 §5.5.1); a reason in it is nobody's duty.
        expect_equal((await connection.close(code, reason))[0], code, "the server's close code")


async def closed_for_size(client, url, deflate):
    async with opened(client, url, deflate=deflate) as connection:
        await connection.send(os.urandom(LONGEST_MESSAGE + 1))
        code, reason = await connection.closed()
        expect_equal(code, 1009, f"close code (reason {reason!r})")


async def closed_for_utf8(url):
    async with opened(WebsocketsClient, url) as connection:
        await connection.socket.send(b"\xf0\x28\x8c\x28", text=True)
        expect_equal((await connection.closed())[0], 1007, "close code")


async def closed_for_shutdown(client):
    async with serve() as served, opened(client, served.url("/echo")) as connection:
        served.process.child.send_signal(signal.SIGINT)
        code, _ = await connection.closed()
        # Going away, or service restart of the IANA registry.
        expect_equal(code in (1001, 1012), True, f"close code {code} says so")


async def chooses(client, url, offered, expected):
    async with opened(client, url, subprotocols=offered) as connection:
        expect_equal(connection.subprotocol, expected, "subprotocol")
        await connection.close()


async def refused(client, url, status, **options):
    try:
        async with opened(client, url, **options):
            raise AssertionError("the handshake was accepted")
    except Refused as refusal:
        expect_equal(refusal.status, status, "status")


async def greets(client, url):
    async with opened(client, url) as connection:
        expect_equal(await connection.receive(), "Information from the server", "greeting")
        await connection.send("Hello WebSockets!")
        expect_equal(await connection.receive(), "Hello WebSockets!", "echo")
        await connection.close()


async def echoes_securely(client, served, authority):
    url = served.url("/echo", host="localhost")
    await echoes(client, url, ["心跳", b"\x00" * 70000], tls=authority, deflate=True)


async def check_client(checks, client, served, secured, authority):
    """The whole battery of one client library against a running server."""
    echo, root = served.url("/echo"), served.url("/")
    for deflate in (False, True):
        title = f"{client.name} client{' with deflate' if deflate else ''}:"
        options = {"deflate": deflate}

        async def same(name, *messages, title=title, options=options):
            await checks.run(f"{title} {name}", lambda: echoes(client, echo, messages, **options))

        await checks.run(f"{title} is negotiated as asked", negotiates_deflate, client, echo, deflate)
        for name, text in BATTERY["texts"].items():
            await same(name, text)
        for size in BATTERY["binary_sizes"]:
            await same(f"binary of {size} B", os.urandom(size))
        await same("compressible binary of 1 MiB", b"holdwire" * (1024 * 1024 // 8))
        await same("500 in order", *(f"message {n}" for n in range(BATTERY["ordered"])))
        await checks.run(f"{title} 20 sockets at once", many_at_once, client, echo, deflate)
        await checks.run(f"{title} pings are answered", answers_pings, client, echo, deflate)
        await checks.run(f"{title} too long: 1009", closed_for_size, client, echo, deflate)

    title = f"{client.name} client:"
    for code, reason in ((1000, ""), (1000, "done"), (3001, "für heute"), (4999, "r" * 123)):
        name = f"{title} closes with {code} and {len(reason)} characters"
        await checks.run(name, closes, client, echo, code, reason)
    await checks.run(f"{title} shutdown is said", closed_for_shutdown, client)
    await checks.run(f"{title} greeting, then echo", greets, client, root)
    await checks.run(
        f"{title} /echo takes the first subprotocol", chooses, client, echo, ["b", "a"], "b"
    )
    await checks.run(
        f"{title} / takes the server's preference", chooses, client, root, ["superchat", "chat"], "chat"
    )
    await checks.run(f"{title} wss", echoes_securely, client, secured, authority)

    async def is_refused(name, path, status, **options):
        url = served.url(path)
        name = f"{title} {name}: {status}"
        await checks.run(name, lambda: refused(client, url, status, **options))

    await is_refused("foreign Origin", "/", 403, origin="http://evil.example")
    await is_refused("unknown path", "/nowhere", 404)
    repeated = {"Sec-WebSocket-Protocol": "chat, chat"}
    await is_refused("repeated subprotocol", "/echo", 400, headers=repeated)
