"""The programs of a run: a server that may die, readers of six kinds and publishers of five."""

import asyncio
import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import harness

sys.path.insert(0, str(harness.CONFORMANCE / "namespaces"))

import ends  # noqa: E402

HERE = Path(__file__).resolve().parent
MODULE = harness.REPOSITORY / "target" / "chaos" / "client.js"
CHAT = harness.REPOSITORY / "examples" / "browser" / "chat.html"

# The interval and the timeout of every heartbeat: the checker knows them as well.
INTERVAL_MS, TIMEOUT_MS = 2_000, 2_000
TERMINAL = ["--heartbeat", "2s", "--heartbeat-timeout", "2s", "--connect-timeout", "2s"]
OPTIONS = {
    "heartbeat": {"interval": INTERVAL_MS, "timeout": TIMEOUT_MS},
    "backoff": {"cap": 2_000},
    "connectTimeout": 2_000,
}
# Without an answer for `timeout` a command of an SDK has failed.
SDK_OPTIONS = {
    "minReconnectDelay": 200,
    "maxReconnectDelay": 2_000,
    "maxServerPingDelay": TIMEOUT_MS,
    "timeout": 4_000,
}
PAGE_TIMES = {"SILENCE": INTERVAL_MS, "ANSWER": TIMEOUT_MS, "CAP": 2_000}
SERVER = [
    *("--heartbeat", "2s", "--heartbeat-timeout", "2s", "--write-stall", "3s"),
    *("--send-queue", "64KiB", "--drain", "2s", "--max-message", "64KiB"),
]

KEPT, BRIEF = "kept:a", "brief:b"
KEEPS = {KEPT: 1_000_000, BRIEF: 20}
NAMESPACES = """
[namespaces.kept]
history = 1000000
history-bytes = "1GiB"
history-age = "24h"
publish = true
presence = true
grace = "2s"

[namespaces.brief]
history = 20
publish = true
presence = true
grace = "2s"
"""


class Host:
    """The server's machine: one server after the other."""

    def __init__(self, net, history, config):
        self.net = net
        self.history = history
        self.options = ["--config", str(config), *SERVER]
        self.stack = contextlib.AsyncExitStack()

    async def start(self):
        """Starts a server, whose logs are new."""
        self.history.tell("restarted")
        self.served = await self.stack.enter_async_context(ends.server(self.net, *self.options))

    async def stop(self, sign):
        """Ends it, by this signal; waits for its end."""
        os.killpg(self.served.running.child.pid, sign)
        await self.served.running.ends(seconds=20)
        await self.close()

    async def close(self):
        """Takes what is left of it away."""
        await self.stack.aclose()


class Reader:
    """Reads channels on a machine of its own, or in a page; tells the history of all that comes."""

    def __init__(self, who, kind, channels, machine):
        self.who = who
        self.kind = kind
        self.channels = channels
        self.machine = machine
        self.process = None

    def pause(self, is_paused):
        """Stops its process where it is, or lets it go on."""
        os.killpg(self.process.child.pid, signal.SIGSTOP if is_paused else signal.SIGCONT)


class Terminal(Reader):
    """`holdwire sub` for one channel. It can be killed, and another goes on where it was."""

    def __init__(self, who, channel, machine):
        super().__init__(who, "holdwire sub", [channel], machine)

    @contextlib.asynccontextmanager
    async def run(self, stage):
        self.stage = stage
        self.stack = contextlib.AsyncExitStack()
        try:
            await self.start()
            yield
        finally:
            await self.stack.aclose()

    async def start(self, since="last"):
        stage, channel = self.stage, self.channels[0]
        url = ["--url", stage.net.url("/connection")]
        command = [harness.binary(), "sub", "--json", *url, *TERMINAL, "--since", since, channel]
        self.process = await self.stack.enter_async_context(
            ends.program(stage.net, self.machine, *command, hear=stage.ear(self.who))
        )

    async def die(self):
        """Killed with -9; another takes up the last position that this one has printed."""
        await self.stack.aclose()
        await asyncio.sleep(1)
        await self.start(self.stage.history.places[self.who, self.channels[0]])


class Node(Reader):
    """The TypeScript client in Node."""

    def __init__(self, who, channels, machine):
        super().__init__(who, "TypeScript, Node", channels, machine)

    @contextlib.asynccontextmanager
    async def run(self, stage):
        settings = {"role": "reader", "channels": self.channels}
        async with node(stage, self.machine, settings, stage.ear(self.who)) as self.process:
            yield


class Pages:
    """Chromium with a page for each reader. In the first chat somebody types."""

    KINDS = {"client": "TypeScript, Chromium", "chat": "new WebSocket, Chromium"}

    def __init__(self, pages, machine):
        self.pages = pages
        self.machine = machine
        self.is_free = asyncio.Event()
        self.readers = [
            Reader(who, self.KINDS[kind], channels, machine)
            for who, (kind, channels) in pages.items()
        ]

    @contextlib.asynccontextmanager
    async def run(self, stage):
        chromium = harness.tool("chromium", "chromium-browser", hint="apt-get install chromium")
        settings = {
            "executable": chromium,
            "module": str(MODULE),
            "client": str(HERE / "client.mjs"),
            "chat": str(CHAT),
            "url": stage.net.url("/connection"),
            "pages": {
                who: {"kind": kind, "channels": channels}
                for who, (kind, channels) in self.pages.items()
            },
            "options": OPTIONS,
            "times": PAGE_TIMES,
        }

        def hear(line):
            if line.startswith("{"):
                told = json.loads(line)
                who = told.pop("who")
                if "typed" in told:
                    self.is_free.set()
                else:
                    stage.ear(who)(json.dumps(told))
            elif "page error" in line:
                stage.trouble.append(line)

        command = [harness.tool("node", hint="Node.js 20 or newer"), HERE / "pages.mjs", json.dumps(settings)]
        async with ends.program(stage.net, self.machine, *command, hear=hear) as self.process:
            for reader in self.readers:
                reader.process = self.process
            yield

    async def type(self, who, text):
        """Has the user of a chat send this; nobody says whether it was published."""
        self.is_free.clear()
        await self.process.type(f"{who} {text}")
        await self.is_free.wait()


class TerminalPublisher:
    """`holdwire pub`: a line in, a place out, in the same order."""

    kind = "holdwire pub"

    def __init__(self, who, channel, machine):
        self.who = who
        self.channel = channel
        self.machine = machine
        self.waiting = collections.deque()
        self.life = 0

    @contextlib.asynccontextmanager
    async def run(self, stage):
        self.stage = stage
        self.stack = contextlib.AsyncExitStack()
        try:
            await self.start()
            yield
        finally:
            await self.stack.aclose()

    async def start(self):
        stage, self.life, self.number = self.stage, self.life + 1, 0
        url = ["--url", stage.net.url("/connection")]
        command = [harness.binary(), "pub", "--json", *url, *TERMINAL, self.channel]
        self.process = await self.stack.enter_async_context(
            ends.program(stage.net, self.machine, *command, hear=self.hear)
        )

    def hear(self, line):
        if line.startswith("{"):
            told = json.loads(line)
            place = {name: told[name] for name in ("epoch", "offset")}
            key = self.waiting.popleft()
            self.stage.history.tell("acknowledged", channel=self.channel, key=key, **place)

    async def publish(self, padding):
        """Publishes once, and gives the key. What it cannot tell the outcome of ends it: then another
        begins.
        """
        if self.process.ended_at is not None:
            self.waiting.clear()
            await self.stack.aclose()
            await self.start()
        self.number += 1
        key = f"{self.who}.{self.life}:{self.number}"
        self.stage.history.invoke(self.channel, key)
        self.waiting.append(key)
        with contextlib.suppress(ConnectionError):
            await self.process.type(f"{key} {padding}")
        return key

    async def finish(self):
        """Waits until all is answered."""
        self.process.child.stdin.close()
        await self.process.ends(seconds=60)


class NodePublisher:
    """The TypeScript client in Node: any number under way at a time."""

    kind = "TypeScript, Node"

    def __init__(self, who, channels, machine):
        self.who = who
        self.channels = channels
        self.machine = machine
        self.number = 0

    @contextlib.asynccontextmanager
    async def run(self, stage):
        self.stage = stage
        async with node(stage, self.machine, {"role": "publisher"}, self.hear) as self.process:
            yield

    def hear(self, line):
        if not line.startswith("{"):
            self.stage.trouble.append(f"{self.who}: {line}")
            return
        told = json.loads(line)
        if published := told.get("published"):
            self.stage.history.tell("acknowledged", **published)
        elif (failed := told.get("failed")) and failed["known"] in ("refused", "unsent"):
            self.stage.history.tell("refused", key=failed["key"])

    async def publish(self, padding):
        self.number += 1
        channel = self.channels[self.number % len(self.channels)]
        key = f"{self.who}:{self.number}"
        self.stage.history.invoke(channel, key)
        await self.process.type(f"{channel} {key} {padding}")

    async def finish(self):
        self.process.child.stdin.close()
        await self.process.ends(seconds=60)


class ChatPublisher:
    """Somebody who types into a chat: it is sent while the line is open, and never again."""

    kind = "new WebSocket, Chromium"

    def __init__(self, who, channel, pages):
        self.who = who
        self.channel = channel
        self.pages = pages
        self.machine = pages.machine
        self.number = 0

    @contextlib.asynccontextmanager
    async def run(self, stage):
        self.stage = stage
        yield

    async def publish(self, padding):
        self.number += 1
        key = f"{self.who}-typed:{self.number}"
        self.stage.history.invoke(self.channel, key)
        await self.pages.type(self.who, f"{key} {padding}")

    async def finish(self):
        """Nothing is answered."""


class Sdk:
    """A client of an SDK for the Centrifuge protocol that is not ours, on a machine of its own."""

    KINDS = {
        "npm centrifuge, JSON": ("node_agent.mjs", "json"),
        "npm centrifuge, Protobuf": ("node_agent.mjs", "protobuf"),
        "centrifuge-python, JSON": ("agent.py", "json"),
        "centrifuge-python, Protobuf": ("agent.py", "protobuf"),
    }

    def __init__(self, kind, machine):
        script, self.encoding = self.KINDS[kind]
        self.machine = machine
        node = harness.tool("node", hint="Node.js 20 or newer")
        program = sys.executable if script.endswith(".py") else node
        self.command = [program, harness.CONFORMANCE / "centrifuge" / script, self.encoding]
        self.orders = 0

    @contextlib.asynccontextmanager
    async def run(self, stage, hear):
        """Runs it, connected; `hear` is handed all that it tells."""

        def take(line):
            if line.startswith("{"):
                hear(json.loads(line))
            else:
                stage.trouble.append(f"{self.command[1].name}: {line}")

        async with ends.program(stage.net, self.machine, *self.command, hear=take) as self.process:
            url = stage.net.url("/connection/websocket")
            details = {"url": url, "protobuf": self.encoding == "protobuf", "options": SDK_OPTIONS}
            await self.order("make", **details)
            await self.order("connect")
            yield self

    async def order(self, order, **details):
        """Has something done; gives the number that the answer has."""
        self.orders += 1
        details = {"id": self.orders, "order": order, "client": "it", **details}
        await self.process.type(json.dumps(details))
        return self.orders


class SdkReader(Reader):
    """Reads channels with such a client. It is told whether it has recovered, and where it goes on; what
    is missing follows from that and from where it was.
    """

    def __init__(self, who, kind, channels, machine):
        super().__init__(who, kind, channels, machine)
        self.sdk = Sdk(kind, machine)
        self.at = {}

    @contextlib.asynccontextmanager
    async def run(self, stage):
        ear = stage.ear(self.who)
        async with self.sdk.run(stage, lambda told: self.hear(told, ear)):
            self.process = self.sdk.process
            for channel in self.channels:
                await self.sdk.order("subscribe", channel=channel, options={})
            yield

    def hear(self, told, ear):
        """Hands on what the judge wants to know."""

        def tell(**what):
            ear(json.dumps(what))

        event, channel = told.get("event"), told.get("channel")
        if "failed" in told:
            raise AssertionError(f"{self.who}: {told}")
        if event == "connecting" and told["code"] != 0:
            tell(lost=True)
        elif event == "subscribed":
            epoch, offset = (told["streamPosition"][name] for name in ("epoch", "offset"))
            place, before = {"epoch": epoch, "offset": offset}, self.at.get(channel)
            recovered = told["recovered"] if told["wasRecovering"] else None
            tell(channel=channel, subscribed={**place, "recovered": recovered})
            if recovered is False and before:
                is_same = before["epoch"] == epoch
                begins = before["offset"] + 1 if is_same else 1
                gap = {"reason": "unrecovered", "from": begins, **place}
                tell(channel=channel, gap=gap)
            self.at[channel] = place
        elif event == "publication":
            self.at[channel] = {**self.at[channel], "offset": told["offset"]}
            tell(channel=channel, publication={**self.at[channel], "data": told["data"]})
        elif event in ("unsubscribed", "disconnected"):
            tell(channel=channel, ended={"code": told["code"], "reason": told["reason"]})


class SdkPublisher:
    """Publishes with such a client, one at a time: its commands have no keys, so none is repeated. After
    one without an answer it is a new publisher, since that one may still be on its way.
    """

    def __init__(self, who, kind, channels, machine):
        self.who = who
        self.kind = kind
        self.channels = channels
        self.machine = machine
        self.sdk = Sdk(kind, machine)
        self.life, self.number = 1, 0
        self.waits = None

    @contextlib.asynccontextmanager
    async def run(self, stage):
        self.stage = stage
        async with self.sdk.run(stage, self.hear):
            yield

    def hear(self, told):
        if self.waits and told.get("id") == self.waits[0] and not self.waits[1].done():
            self.waits[1].set_result(told)
        elif told.get("event") == "disconnected":
            self.stage.trouble.append(f"{self.who}: {told}")

    async def publish(self, padding):
        self.number += 1
        channel = self.channels[self.number % len(self.channels)]
        key = f"{self.who}.{self.life}:{self.number}"
        self.stage.history.invoke(channel, key)
        answer = asyncio.get_running_loop().create_future()
        self.waits = (self.sdk.orders + 1, answer)
        await self.sdk.order("publish", channel=channel, data=f"{key} {padding}")
        told = await answer
        if "failed" not in told:
            self.stage.history.tell("published", key=key)
            return
        self.life += 1

    async def finish(self):
        """Nothing waits for an answer but what was given up."""


def bundle():
    """Makes one module of the TypeScript client's sources, as its own build does."""
    client = harness.REPOSITORY / "client"
    esbuild = client / "node_modules" / ".bin" / "esbuild"
    if not esbuild.exists():
        raise SystemExit(f"{esbuild} is missing: npm ci --prefix client")
    source = client / "src" / "client.ts"
    options = ["--bundle", "--format=esm", "--target=es2022", f"--outfile={MODULE}"]
    subprocess.run([esbuild, source, *options, "--log-level=warning"], check=True)


def node(stage, machine, settings, hear):
    """`node.mjs` on a machine."""
    url = stage.net.url("/connection")
    settings = {"module": str(MODULE), "url": url, "options": OPTIONS, **settings}
    command = [harness.tool("node", hint="Node.js 20 or newer"), HERE / "node.mjs", json.dumps(settings)]
    return ends.program(stage.net, machine, *command, hear=hear)


async def until(is_so, seconds, what):
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)
