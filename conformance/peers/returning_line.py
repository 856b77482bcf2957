"""`holdwire connect --reconnect`, a `Line` in the terminal, against servers that die and return."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import quote

import harness
from harness import expect_equal

HERE = Path(__file__).resolve().parent
PATIENCE = 30
KILLS = 3
# Each loss of a young connection doubles the longest delay before the next attempt.
KILLS_SECONDS = 90


class Talker:
    """A child process that prints JSON lines on standard output and perhaps standard error."""

    def __init__(self, child):
        self.child = child
        self.out, self.err = asyncio.Queue(), asyncio.Queue()
        streams = [(child.stdout, self.out), (child.stderr, self.err)]
        self.readers = [
            asyncio.create_task(self.read(stream, queue)) for stream, queue in streams if stream
        ]

    @staticmethod
    async def read(stream, queue):
        async for line in stream:
            with contextlib.suppress(ValueError):
                await queue.put(json.loads(line))

    async def said(self, wanted, queue=None):
        """Passes lines by until one is wanted."""

        async def find():
            while True:
                line = await (queue or self.out).get()
                if wanted(line):
                    return line

        return await asyncio.wait_for(find(), PATIENCE)

    async def state(self, event):
        """Passes states by until this one."""
        return await self.said(lambda line: line["event"] == event, self.err)

    async def echoes(self, text):
        """Sends a line and waits for its echo; nothing else may come."""
        self.child.stdin.write(f"{text}\n".encode())
        await self.child.stdin.drain()
        line = await asyncio.wait_for(self.out.get(), PATIENCE)
        expect_equal(line["text"], text, "what came back")


@contextlib.asynccontextmanager
async def talker(*command, errors=False):
    """Runs such a process; it is killed at the end of the block, if not before."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe if errors else None,
        env=harness.clean_environment(),
        start_new_session=True,
    )
    talks = Talker(child)
    try:
        yield talks
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        for reader in talks.readers:
            reader.cancel()


def line(port, path="/"):
    """The line in the terminal, with everything as JSON."""
    url = f"ws://127.0.0.1:{port}{path}"
    options = ["--reconnect", "--json", "--no-close"]
    return talker(harness.binary(), "connect", *options, url, errors=True)


class Peer:
    """One server library."""

    def __init__(self, command):
        self.command = command
        self.port = harness.free_port()

    @contextlib.asynccontextmanager
    async def running(self):
        """The server until the end of the block, where it is killed with SIGKILL."""
        settings = json.dumps({"port": self.port})
        async with talker(*self.command, settings) as server:
            await server.said(lambda line: line == "listening")
            yield server

    async def one_connection(self, server):
        """The next connection is the only one."""
        opened = await server.said(lambda line: line.startswith("open"))
        expect_equal(opened, "open 1", "open connections")

    async def dies_and_returns(self):
        async with line(self.port) as client:
            for kill in range(KILLS):
                async with self.running() as server:
                    await client.state("up")
                    await self.one_connection(server)
                    await client.echoes(f"before kill {kill}")
                await client.state("down")
            client.child.stdin.write(b"while it is down\n")
            async with self.running() as server:
                await self.one_connection(server)
                answer = await client.said(lambda _: True)
                expect_equal(answer["text"], "while it is down", "what came back")

    async def stops_politely(self):
        async with self.running() as server, line(self.port) as client:
            await client.state("up")
            await client.echoes("last words")
            client.child.send_signal(signal.SIGINT)
            closed = await server.said(lambda line: line.startswith("closed"))
            expect_equal(closed, "closed with 1000", "what the server saw")
            expect_equal(await client.child.wait(), 0, "exit code")

    async def closes(self, code, reason=""):
        """What the line says of a server that closes so."""
        path = f"/?code={code}&reason={quote(reason)}"
        async with self.running(), line(self.port, path) as client:
            ends = ("down", "stopped")
            said = await client.said(lambda line: line["event"] in ends, client.err)
            expect_equal(said["code"], code, "close code")
            if said["event"] == "stopped":
                expect_equal(await client.child.wait(), 1, "exit code")
            return said

    async def is_obeyed(self):
        down = await self.closes(1012, '{"retry_after_ms":3000}')
        if not 3000 <= down["next_in_ms"] < 3500:
            raise AssertionError(f"advice of 3 s led to {down['next_in_ms']} ms")
        down = await self.closes(1013)
        if down["next_in_ms"] < 10_000:
            raise AssertionError(f"an overloaded server is left for {down['next_in_ms']} ms")

    async def refuses_for_good(self):
        stopped = await self.closes(4403, "not you")
        expect_equal(stopped["event"], "stopped", "what follows 4403")


async def check_returning_line(checks):
    """The line against npm `ws` and PyPI `websockets`, all at once: mostly it waits."""
    node = harness.tool("node", hint="Node.js 20 or newer")
    commands = {
        "ws": [node, HERE / "returning_server.mjs"],
        "websockets": [sys.executable, HERE / "returning_server.py"],
    }
    cases = {
        "one connection after each kill": Peer.dies_and_returns,
        "Ctrl-C closes with 1000": Peer.stops_politely,
        "1012 with advice and 1013 are obeyed": Peer.is_obeyed,
        "4403 stops it": Peer.refuses_for_good,
    }
    await asyncio.gather(
        *(
            checks.run(f"line to {name}: {case}", play, Peer(command), seconds=KILLS_SECONDS)
            for name, command in commands.items()
            for case, play in cases.items()
        )
    )
