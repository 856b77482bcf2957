"""A server with keys for backends, and sessions that tell what befalls them."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import tempfile
import time
from pathlib import Path

import centrifuge
import harness
import websockets

KEY = "8f1c5a7e2b9d4c60a3e1f7d2958b6c04"
OTHER_KEY = "0b7d3e9a61c24f58b0d6a2c4e8f19375"
SECRET = "a secret of the suite, which is thirty-two bytes or more"
CONFIG = f"""
[keys.suite]
secret = "{SECRET}"

[namespaces.chat]
access = "anyone"
history = 1000
publish = true
presence = true
grace = "1ms"
page = 3

[namespaces.brief]
access = "anyone"
history = 2

[namespaces.bare]
access = "anyone"

[namespaces.room]
access = "token"
history = 100
"""
# For whatever must happen; the machine may be busy.
SECONDS = 20


@contextlib.contextmanager
def files():
    """A folder with a configuration and a file with two keys; gives the options of `serve`."""
    with tempfile.TemporaryDirectory(prefix="holdwire-api-") as folder:
        folder = Path(folder)
        (folder / "holdwire.toml").write_text(CONFIG)
        (folder / "api-keys").write_text(f"# of the suite\n{KEY}\n\n{OTHER_KEY}\n")
        yield ["--config", str(folder / "holdwire.toml"), "--api-key-file", str(folder / "api-keys")]


def token(user, expires=600, **claims):
    """A token of a user, valid for so many seconds."""

    def encode(part):
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")

    claims |= {"sub": user, "exp": int(time.time() + expires)}
    message = encode({"alg": "HS256", "kid": "suite"}) + b"." + encode(claims)
    mark = hmac.new(SECRET.encode(), message, hashlib.sha256).digest()
    return (message + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


NAMES = itertools.count(1)


def fresh(namespace="chat"):
    """A channel, or a user, of which nobody has heard."""
    return f"{namespace}:{next(NAMES)}"


class Session:
    """What a session was told, in order: an event's name and its members."""

    def __init__(self):
        self.events = asyncio.Queue()
        self.client = None

    def tell(self, event, **members):
        self.events.put_nowait((event, members))

    async def next(self):
        """What it is told next."""
        return await asyncio.wait_for(self.events.get(), SECONDS)

    async def is_told(self, event, **members):
        """Fails unless this is what it is told next."""
        told, has = await self.next()
        has = {name: has.get(name) for name in members}
        harness.expect_equal((told, has), (event, members), "what the session is told")

    def is_told_no_more(self):
        """Fails when there is something that it was told and that nobody has asked for."""
        if not self.events.empty():
            raise AssertionError(f"the session is told {self.events.get_nowait()}")


class Own(Session):
    """A session of our own protocol over a raw WebSocket."""

    door = "holdwire.v1"
    is_own = True

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, served, user, *channels, session=None, shown=None):
        """A session of a user, or of whom a token is `shown`, that has subscribed to these."""
        url = served.url("/connection")
        options = {"subprotocols": ["holdwire.v1"], "proxy": None}
        async with websockets.connect(url, **options) as socket:
            own = cls()
            reader = asyncio.create_task(own.read(socket))
            connect = {"session": session} if session else {"token": shown or token(user)} if shown or user else {}
            await socket.send(json.dumps({"id": 1, "connect": connect}))
            _, reply = await own.next()
            own.client, own.session = reply["connect"]["client"], reply["connect"]["session"]
            own.resumed = reply["connect"].get("resumed", False)
            own.socket = socket
            for number, channel in enumerate(channels, 2):
                await socket.send(json.dumps({"id": number, "subscribe": {"channel": channel}}))
                await own.is_told("reply", id=number)
            yield own
            reader.cancel()

    async def read(self, socket):
        try:
            async for text in socket:
                self.hear(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        self.tell("closed", code=socket.close_code, reason=socket.close_reason)

    def hear(self, message):
        push = message.get("push")
        if push is None:
            self.tell("reply", **message)
        elif "pub" in push:
            pub = push["pub"]
            self.tell("publication", channel=push["channel"], data=pub["data"], offset=pub["offset"])
        elif "subscribe" in push:
            self.tell("subscribed", channel=push["channel"])
        elif "unsubscribe" in push:
            self.tell("unsubscribed", channel=push["channel"], code=push["unsubscribe"]["code"])

    def ordered(self, code):
        """The close code of which a backend's becomes this."""
        return 4403 if 3500 <= code < 4000 or 4500 <= code < 5000 else code

    EXPIRED = 4401


class Sdk(Session):
    """A session of an unmodified `centrifuge-python`."""

    door = "centrifuge-python"
    is_own = False

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, served, user, *channels):
        """A session of a user that has subscribed to these."""
        sdk = cls()
        url = served.url("/connection/websocket")
        handlers = sdk.handlers(centrifuge.ClientEventHandler)
        asked = token(user) if user else ""
        client = centrifuge.Client(url, events=handlers, token=asked, proxy=None, min_reconnect_delay=60)
        await client.connect()
        _, connected = await sdk.next()
        sdk.client = connected["client"]
        for channel in channels:
            handlers = sdk.handlers(centrifuge.SubscriptionEventHandler, channel)
            await client.new_subscription(channel, handlers).subscribe()
            await sdk.is_told("subscribed", channel=channel)
        yield sdk
        await client.disconnect()

    def handlers(self, kind, channel=None):
        """Handlers of every event."""
        made = kind()

        async def connected(context):
            self.tell("connected", client=context.client)

        async def ended(context):
            # What it does at first, and what it does by itself.
            if context.code >= 1000:
                self.tell("closed", code=context.code, reason=context.reason)

        async def subscribed(context):
            self.tell("subscribed", channel=channel or context.channel)

        async def unsubscribed(context):
            code = getattr(context, "code", 2000)
            if code:
                self.tell("unsubscribed", channel=channel or context.channel, code=code)

        async def publication(context):
            pub = context.pub
            self.tell("publication", channel=channel or context.channel, data=pub.data, offset=pub.offset)

        if channel is None:
            made.on_connected, made.on_connecting, made.on_disconnected = connected, ended, ended
        made.on_subscribed, made.on_unsubscribed, made.on_publication = subscribed, unsubscribed, publication
        return made

    def ordered(self, code):
        """A backend's code comes as it is."""
        return code

    EXPIRED = 3005


DOORS = (Own, Sdk)
