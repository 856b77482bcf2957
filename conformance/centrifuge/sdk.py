"""Clients made with SDKs that are not ours, as a suite holds them: it gives orders and awaits events."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import signal
import sys
import time

import harness

HERE = harness.CONFORMANCE / "centrifuge"
PATH = "/connection/websocket"
# For whatever must happen; this machine may be busy.
SECONDS = 40
SECRET = "a secret of the suite, which is thirty-two bytes or more"
LINE_LIMIT = 1 << 24


class Failed(Exception):
    """An order failed; `code` is that of the protocol or of the SDK."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


def token(user=None, expires=600, **claims):
    """A token, valid for so many seconds from now."""

    def encode(part):
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")

    claims |= {"sub": user} if user else {}
    claims |= {"exp": int(time.time() + expires)} if expires is not None else {}
    message = encode({"alg": "HS256", "kid": "suite"}) + b"." + encode(claims)
    mark = hmac.new(SECRET.encode(), message, hashlib.sha256).digest()
    return (message + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


class Agent:
    """A program that has clients of one SDK, which all speak one encoding."""

    def __init__(self, kind, is_protobuf, child):
        self.kind = kind
        self.is_protobuf = is_protobuf
        self.is_python = "Python" in kind
        self.child = child
        self.numbers = itertools.count(1)
        self.answers = {}
        self.clients = {}
        self.is_over = False

    async def read(self):
        """Hands on what the program tells."""
        async for line in self.child.stdout:
            told = json.loads(line)
            if client := self.clients.get(told.get("client")):
                await client.hear(told)
            elif answer := self.answers.pop(told.get("id"), None):
                if not answer.done():
                    answer.set_result(told)
        self.is_over = True
        for answer in self.answers.values():
            answer.cancel()

    async def order(self, order, **details):
        """Has something done; gives the answer."""
        number = next(self.numbers)
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        said = json.dumps({"id": number, "order": order, **details}) + "\n"
        self.child.stdin.write(said.encode())
        await self.child.stdin.drain()
        try:
            told = await asyncio.wait_for(answer, SECONDS)
        except TimeoutError:
            raise AssertionError(f"the SDK did not answer {said}"[:300]) from None
        if failed := told.get("failed"):
            raise Failed(failed["code"], failed["message"])
        return told["ok"]

    async def client(self, url, *, tokens=None, **options):
        """Makes a client that is not connected. `tokens()` gives it tokens when it asks."""
        name = f"c{next(self.numbers)}"
        client = self.clients[name] = Client(self, name, tokens)
        options = {"minReconnectDelay": 50, "maxReconnectDelay": 1_000, "timeout": 20_000} | options
        details = {"protobuf": self.is_protobuf, "asksToken": tokens is not None}
        await self.order("make", client=name, url=url, options=options, **details)
        return client


class Client:
    """One client, and all that it has told."""

    def __init__(self, agent, name, tokens):
        self.agent = agent
        self.name = name
        self.tokens = tokens
        self.channel_tokens = {}
        self.told = []
        self.news = asyncio.Condition()
        self.asked = 0

    async def hear(self, told):
        """Keeps what is told; a wish for a token is granted."""
        async with self.news:
            self.told.append(told)
            self.news.notify_all()
        if told["event"] == "token":
            channel = told.get("channel")
            give = self.channel_tokens[channel] if channel else self.tokens
            details = {"ask": told["ask"], "token": give()}
            task = asyncio.create_task(self.agent.order("token", **details))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def do(self, order, **details):
        """Has the client do something."""
        return await self.agent.order(order, client=self.name, **details)

    def mark(self):
        """From here on: for `since`."""
        return len(self.told)

    def all(self, event, since=0, **members):
        """What was told of an event with these members."""
        wanted = members | {"event": event}
        return [told for told in self.told[since:] if wanted.items() <= told.items()]

    async def event(self, event, *, since=0, times=1, where=None, seconds=SECONDS, **members):
        """Waits for an event that has these members; gives the last of `times`."""

        def found():
            events = [e for e in self.all(event, since, **members) if where is None or where(e)]
            return events[times - 1] if len(events) >= times else None

        async with self.news:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait_for(lambda: found() or self.agent.is_over), seconds)
        if told := found():
            return told
        last = [json.dumps(told) for told in self.told[-6:]]
        raise AssertionError(
            f"no event {event} {members or ''} x{times}; the last were {' '.join(last)}"[:560]
        )

    async def connect(self):
        """Connects; gives the event."""
        since = self.mark()
        await self.do("connect")
        return await self.event("connected", since=since)

    async def subscribe(self, channel, *, tokens=None, **options):
        """Subscribes; gives the event."""
        since = self.mark()
        if tokens:
            self.channel_tokens[channel] = tokens
        details = {"options": options, "asksToken": tokens is not None}
        await self.do("subscribe", channel=channel, **details)
        return await self.event("subscribed", since=since, channel=channel)

    async def publish(self, channel, data):
        """Publishes and waits for the answer."""
        return await self.do("publish", channel=channel, data=data)

    def data(self, channel, since=0):
        """The payloads that have come from a channel, in their order."""
        return [told.get("data") for told in self.all("publication", since, channel=channel)]

    def offsets(self, channel, since=0):
        """Their offsets."""
        return [told["offset"] for told in self.all("publication", since, channel=channel)]

    async def has(self, channel, data, *, seconds=SECONDS):
        """Waits until so many have come from a channel, and wants them to be these."""
        wanted = [*data]
        await self.event("publication", channel=channel, times=len(wanted), seconds=seconds)
        harness.expect_equal(self.data(channel), wanted, f"what came from {channel}")

    def is_steady(self, since):
        """Fails when the connection was lost meanwhile."""
        lost = self.all("connecting", since) + self.all("disconnected", since)
        harness.expect_equal(lost, [], "losses")


KINDS = {
    "npm centrifuge, JSON": ("node_agent.mjs", "json"),
    "npm centrifuge, Protobuf": ("node_agent.mjs", "protobuf"),
    "Python centrifuge-python, JSON": ("agent.py", "json"),
    "Python centrifuge-python, Protobuf": ("agent.py", "protobuf"),
    "npm centrifuge in Chromium, JSON": ("page_agent.mjs", "json"),
    "npm centrifuge in Chromium, Protobuf": ("page_agent.mjs", "protobuf"),
}


@contextlib.asynccontextmanager
async def agent(kind):
    """Starts an agent of a kind, until the end of the block."""
    script, encoding = KINDS[kind]
    node = harness.tool("node", hint="Node.js 20 or newer")
    command = [sys.executable if script.endswith(".py") else node, str(HERE / script), encoding]
    if script.startswith("page"):
        command.append(harness.tool("chromium", "chromium-browser", hint="apt-get install chromium"))
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=harness.clean_environment(),
        start_new_session=True,
        limit=LINE_LIMIT,
    )
    made = Agent(kind, encoding == "protobuf", child)
    reader = asyncio.create_task(made.read())
    try:
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
