"""The two ends of a wire: `holdwire serve`, the terminal client, a `Socket` in Node.

Each is a process on its machine, and what it says is kept with the moment it was said.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import time
import urllib.request
from pathlib import Path

import harness
import world

HERE = Path(__file__).resolve().parent
MODULE = harness.REPOSITORY / "crates" / "server" / "console" / "socket.js"
LINE_LIMIT = 1 << 22
# What the log of the server says of a message, and what the terminal client shows of one.
HEARD = re.compile(r'"message":"received|^message \d|^x{99}')


@dataclasses.dataclass
class Said:
    """One line of output and when it came."""

    at: float
    text: str


class Program:
    """A running program whose lines of output are kept."""

    def __init__(self, child, hear=None):
        self.child = child
        self.hear = hear
        self.said = []
        self.news = asyncio.Condition()
        self.ended_at = None

    async def listen(self):
        """Keeps lines until the output ends."""
        async for line in self.child.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if self.hear:
                self.hear(text)
                continue
            async with self.news:
                self.said.append(Said(time.monotonic(), text))
                self.news.notify_all()
        await self.child.wait()
        async with self.news:
            self.ended_at = time.monotonic()
            self.news.notify_all()

    async def says(self, pattern, *, since=0.0, seconds=20.0, times=1):
        """Waits for a line with the pattern, said at `since` or later; gives the last of `times`."""
        wanted = re.compile(pattern)

        def found():
            lines = [line for line in self.said if line.at >= since and wanted.search(line.text)]
            return lines[times - 1] if len(lines) >= times else None

        async with self.news:
            ready = self.news.wait_for(lambda: found() or self.ended_at)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ready, seconds)
            if line := found():
                return line
        how = "ended" if self.ended_at else f"said nothing like it for {seconds} s"
        raise AssertionError(f"wanted {pattern!r}, but the program {how}: {self.last(since)}")

    async def ends(self, *, seconds=20.0):
        """Waits for its end; gives the moment."""
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: self.ended_at), seconds)
        return self.ended_at

    def last_heard(self, start, end):
        """When it last told of a message between two moments; the first of them if it did not."""
        heard = [line.at for line in self.said if HEARD.search(line.text)]
        return max([start, *(at for at in heard if at <= end)])

    def last(self, since=0.0):
        """The last lines that it said; before them the first since a moment, without messages."""
        told = [line for line in self.said if line.at >= since and not HEARD.search(line.text)]
        first = told[:3] if since else []
        lines = first + [line for line in self.said[-6:] if line not in first]
        return " | ".join(line.text[:200] for line in lines) or "nothing said"

    async def type(self, text):
        """Writes a line to its standard input."""
        self.child.stdin.write(f"{text}\n".encode())
        await self.child.stdin.drain()


@contextlib.asynccontextmanager
async def program(pair, where, *command, hear=None):
    """Runs a program on a machine until the end of the block.

    Its lines are kept, or handed to `hear`.
    """
    child = await asyncio.create_subprocess_exec(
        *world.Net.inside(where),
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=harness.clean_environment() | {"PATH": world.search_path()},
        limit=LINE_LIMIT,
        start_new_session=True,
    )
    running = Program(child, hear)
    listener = asyncio.create_task(running.listen())
    try:
        yield running
    finally:
        listener.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


class Server:
    """`holdwire serve` on a server machine, asked from the wire: a cut does not hide it from us."""

    def __init__(self, pair, running):
        self.pair = pair
        self.running = running

    def get(self, path):
        """The body of a page of it."""
        url = f"http://{self.pair.address}:{world.PORT}{path}"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode()

    def is_ready(self):
        """Whether it takes connections."""
        try:
            self.get("/health/ready")
        except OSError:
            return False
        return True

    async def count(self, name):
        """One number of its metrics, summed over the labels."""
        text = await asyncio.to_thread(self.get, "/metrics")
        found = re.findall(rf"^holdwire_{name}(?:\{{.*\}})? (\d+)$", text, re.MULTILINE)
        return sum(map(int, found))

    async def closed(self, *, since=0.0, seconds=20.0, times=1):
        """Waits until a connection has ended; gives the moment and how the log tells it."""
        line = await self.running.says(r'"message":"closed"', since=since, seconds=seconds, times=times)
        return line.at, json.loads(line.text)["closed"]

    async def settles_at(self, connections, *, seconds, steady=1.5):
        """Waits until it has this many connections and keeps them; gives the moment it began.

        An attempt that was given up just when the wire was mended may open and end before.
        """
        deadline = time.monotonic() + seconds
        since = None
        while True:
            now = time.monotonic()
            live = await self.count("connections")
            since = (since or now) if live == connections else None
            if since and now - since >= steady:
                return since
            if now > deadline + steady:
                raise AssertionError(f"{live} live connections, not {connections}")
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def server(pair, *options):
    """A server on the pair's server machine."""
    listen = ["--listen", f"{pair.address}:{world.PORT}", "--log", "json", "--origin", "any"]
    command = [harness.binary(), "serve", *listen, *options]
    async with program(pair, pair.server, *command) as running:
        served = Server(pair, running)
        deadline = time.monotonic() + harness.START_SECONDS
        while not await asyncio.to_thread(served.is_ready):
            if running.ended_at or time.monotonic() > deadline:
                raise RuntimeError(f"holdwire serve did not start: {running.last()}")
            await asyncio.sleep(0.05)
        yield served


def terminal(pair, path, *options):
    """`holdwire connect` on the client machine."""
    url = pair.url(path)
    return program(pair, pair.client, harness.binary(), "connect", *options, url)


def socket(pair, path, **times):
    """The TypeScript `Socket` in Node on the client machine."""
    return script(pair, "socket_client.mjs", url=pair.url(path), **times)


def chromium(pair, path, **times):
    """The same in a page of Chromium."""
    executable = harness.tool("chromium", "chromium-browser", hint="apt-get install chromium")
    browser = {"executable": executable, "sandbox": False}
    return script(pair, "chromium_client.mjs", url=pair.url(path), **browser, **times)


def page(pair, path):
    """The page that the server has on `/`, in Chromium."""
    executable = harness.tool("chromium", "chromium-browser", hint="apt-get install chromium")
    browser = {"executable": executable, "sandbox": False}
    return script(pair, "page_client.mjs", url=pair.url(path), **browser)


def script(pair, name, **settings):
    """A Node script on the client machine."""
    node = harness.tool("node", hint="Node.js 20 or newer")
    return program(pair, pair.client, node, HERE / name, json.dumps({"module": str(MODULE), **settings}))
