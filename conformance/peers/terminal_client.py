"""`holdwire connect` against the servers of three other libraries."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import harness
import python_servers
from harness import expect_equal

HERE = Path(__file__).resolve().parent
LIMIT = ["--max-message", "2MiB"]
TIMEOUT = ["--timeout", "10s"]
OFFERED = ["--subprotocol", "chat", "--subprotocol", "superchat"]


@contextlib.asynccontextmanager
async def node_server(settings):
    """npm `ws` in its own process; yields its port and the queue of verdicts."""
    child = await asyncio.create_subprocess_exec(
        harness.tool("node", hint="Node.js 20 or newer"),
        str(HERE / "node_server.mjs"),
        json.dumps(settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    verdicts = asyncio.Queue()

    async def read():
        async for line in child.stdout:
            await verdicts.put(json.loads(line))

    reader = asyncio.create_task(read())
    try:
        yield await asyncio.wait_for(verdicts.get(), harness.START_SECONDS), verdicts
    finally:
        reader.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


class Battery:
    """The checks against one server."""

    def __init__(self, base, verdicts):
        self.base = base
        self.verdicts = verdicts

    async def verdict(self):
        return await asyncio.wait_for(self.verdicts.get(), 10)

    async def sends_and_expects(self, text, *options):
        url = f"{self.base}/echo"
        ended = await harness.connect(url, "--send", text, "--expect", text, *TIMEOUT, *options)
        ended.succeeded()
        expect_equal(await self.verdict(), "closed with 1000", "what the server saw")

    async def fails_without_the_expected(self):
        options = ["--send", "one", "--expect", "another", "--timeout", "500ms"]
        ended = await harness.connect(f"{self.base}/echo", *options)
        expect_equal(ended.code != 0, True, "a failing exit code")
        await self.verdict()

    async def pipes_lines(self):
        lines = ["Hello WebSockets!", "心跳 🦀", "three"]
        ended = await harness.connect(
            f"{self.base}/echo", "--count", len(lines), *TIMEOUT, lines=lines
        )
        expect_equal(ended.succeeded().lines(), lines, "standard output")
        await self.verdict()

    async def echoes_back(self, *options):
        ended = await harness.connect(f"{self.base}/drive", "--echo", *LIMIT, *options)
        expect_equal(await self.verdict(), "echoed and ponged", "what the server saw")
        ended.succeeded()

    async def tells_about_itself(self, expected, *options):
        ended = await harness.connect(f"{self.base}/info", "--count", 1, *TIMEOUT, *options)
        expect_equal(ended.succeeded().lines(), [expected], "what the server saw")
        await self.verdict()

    async def shows_refusal(self):
        ended = await harness.connect(f"{self.base}/refused", *TIMEOUT)
        expect_equal(ended.code != 0, True, "a failing exit code")
        expect_equal("403" in ended.err, True, f"403 in {ended.err!r}")
        expect_equal(ended.out, "", "standard output")

    async def shows_close(self):
        ended = await harness.connect(f"{self.base}/bye", *TIMEOUT)
        for part in ("3005", "bye now"):
            expect_equal(part in ended.err, True, f"{part} in {ended.err!r}")

    async def run(self, checks, title):
        async def check(name, function, *arguments):
            while not self.verdicts.empty():
                self.verdicts.get_nowait()  # left over by a check that failed
            await checks.run(f"{title} {name}", function, *arguments)

        for name, text in python_servers.BATTERY["texts"].items():
            await check(name, self.sends_and_expects, text)
            await check(f"{name}, deflate", self.sends_and_expects, text, "--deflate")
        await check("another text than expected", self.fails_without_the_expected)
        await check("lines in, messages out", self.pipes_lines)
        await check("echoes a battery, answers pings", self.echoes_back)
        await check("echoes a battery with deflate", self.echoes_back, "--deflate")
        for name, line, options in (
            ("plain", "deflate=no subprotocol=- x-check=-", []),
            ("deflate", "deflate=yes subprotocol=- x-check=-", ["--deflate"]),
            ("header", "deflate=no subprotocol=- x-check=a: b", ["--header", "X-Check: a: b"]),
            ("subprotocol", "deflate=no subprotocol=superchat x-check=-", OFFERED),
        ):
            await check(f"handshake: {name}", self.tells_about_itself, line, *options)
        await check("refused handshake", self.shows_refusal)
        await check("close code and reason shown", self.shows_close)


async def at_a_terminal(url):
    """What a user sees who types; the server echoes."""
    here, there = os.openpty()
    child = await asyncio.create_subprocess_exec(
        harness.binary(),
        "connect",
        url,
        stdin=there,
        stdout=there,
        stderr=there,
        env=harness.clean_environment() | {"TERM": "xterm"},
        start_new_session=True,
    )
    os.close(there)
    seen = b""

    async def see(*parts):
        nonlocal seen
        while not all(part in seen for part in parts):
            seen += await asyncio.to_thread(os.read, here, 4096)
        seen = b""

    try:
        await asyncio.wait_for(see(b"connected to", b"> "), 10)
        for typed, parts in (
            ("hi \x16\x1b[31m", [b"< hi \\u{1b}[31m"]),
            ("/ping", [b"pong after", b" ms"]),
            ("/hex 00 41", [b"00000000  00 41", b"|.A|"]),
            ("//ping", [b"< /ping"]),
            ("\x04", [b"closed with code 1000"]),
        ):
            os.write(here, typed.encode() + (b"" if typed == "\x04" else b"\n"))
            await asyncio.wait_for(see(*parts), 10)
        expect_equal(await asyncio.wait_for(child.wait(), 10), 0, "exit code")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        os.close(here)


async def check_secure(checks, title, base, verdicts, authority):
    """A server with a certificate of a private authority."""

    async def trusted():
        await Battery(base, verdicts).sends_and_expects("心跳", "--cacert", authority, "--deflate")

    async def untrusted():
        ended = await harness.connect(f"{base}/echo", "--send", "x", "--expect", "x", *TIMEOUT)
        expect_equal(ended.code != 0, True, "a failing exit code")
        expect_equal("certificate" in ended.err.lower(), True, f"the reason in {ended.err!r}")

    async def anybody():
        await Battery(base, verdicts).sends_and_expects("心跳", "--insecure")

    await checks.run(f"{title} wss with --cacert", trusted)
    await checks.run(f"{title} wss with --insecure", anybody)
    await checks.run(f"{title} wss without it is refused", untrusted)


async def check_terminal_client(checks, certificate):
    """Every check against every server."""
    tls = {"key": str(certificate.key), "chain": str(certificate.chain)}
    context = certificate.server_context()
    for name, plain, secure in (
        ("websockets", python_servers.websockets_server, [context]),
        ("aiohttp", python_servers.aiohttp_server, [context]),
        ("npm ws", node_server, [tls]),
    ):
        title = f"{name} server:"
        arguments = [{}] if plain is node_server else []
        async with plain(*arguments) as (port, verdicts):
            await Battery(f"ws://127.0.0.1:{port}", verdicts).run(checks, title)
            if plain is python_servers.websockets_server:
                url = f"ws://127.0.0.1:{port}/echo"
                await checks.run(f"{title} typed at a terminal", at_a_terminal, url)
        async with plain(*secure) as (port, verdicts):
            base = f"wss://localhost:{port}"
            await check_secure(checks, title, base, verdicts, certificate.authority)
