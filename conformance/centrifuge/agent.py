#!/usr/bin/env python3
"""Drives unmodified `centrifuge-python` clients by orders, and tells what they say.

Orders are JSON objects on standard input, one a line, as those of `agent.mjs`; the argument is `json`
or `protobuf`.
"""

import asyncio
import base64
import dataclasses
import json
import sys

import centrifuge
from centrifuge import ClientEventHandler, SubscriptionEventHandler

OF_CLIENT = ("connecting", "connected", "disconnected", "error")
IS_PROTOBUF = sys.argv[1:] == ["protobuf"]


def tell(**what):
    """Says one thing."""
    print(json.dumps(what), flush=True)


def plain(value):
    """A payload in JSON."""
    if not isinstance(value, bytes):
        return value
    try:
        return json.loads(value.decode("utf-8"))
    except ValueError:
        return {"bytes": base64.b64encode(value).decode()}


def payload(order):
    """What to publish."""
    if "bytes" in order:
        return base64.b64decode(order["bytes"])
    return json.dumps(order["data"]).encode() if IS_PROTOBUF else order.get("data")


def camel(name):
    """A member's name as JavaScript has it."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def view(value):
    """What an SDK hands out, as JSON in the words of `agent.mjs`."""
    if dataclasses.is_dataclass(value):
        members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {camel(name): view(member) for name, member in members.items()}
    if isinstance(value, Exception):
        return failure(value)
    if isinstance(value, dict):
        return {name: view(member) for name, member in value.items()}
    if isinstance(value, list):
        return [view(member) for member in value]
    return plain(value)


def failure(error):
    """Code and message of what an SDK raised."""
    return {"code": getattr(error, "code", None), "message": str(error) or type(error).__name__}


def told(handlers, client, **more):
    """Handlers that tell of every event, under the name that JavaScript has for it."""
    made = handlers()
    for name in dir(handlers):
        if name.startswith("on_"):
            event = name.removeprefix("on_")
            is_of_server = handlers is ClientEventHandler and event not in OF_CLIENT
            also = {"server": True} if is_of_server else {}
            setattr(made, name, telling({"client": client, "event": event, **also, **more}))
    return made


def telling(what):
    """A handler that tells this and what it is handed."""

    async def heard(context):
        seen = view(context)
        if "client" in seen:
            seen["clientId"] = seen["client"]
        tell(**{**seen, **seen.pop("pub", {}), **what})

    return heard


class Agent:
    """All clients."""

    def __init__(self):
        self.clients = {}
        self.asked = {}

    async def ask(self, client, channel=None):
        """Asks for a token."""
        number = len(self.asked) + 1
        self.asked[number] = asyncio.get_running_loop().create_future()
        tell(client=client, event="token", ask=number, channel=channel)
        return await self.asked[number]

    async def make(self, order):
        options, client = order.get("options", {}), order["client"]
        delays = ("minReconnectDelay", "maxReconnectDelay", "maxServerPingDelay", "timeout")
        names = dict(
            zip(delays, ("min_reconnect_delay", "max_reconnect_delay", "max_server_ping_delay", "timeout"))
        )
        more = {name: options[key] / 1000 for key, name in names.items() if key in options}
        if order.get("asksToken"):
            more["get_token"] = lambda: self.ask(client)
        self.clients[client] = centrifuge.Client(
            order["url"],
            events=told(ClientEventHandler, client),
            token=options.get("token", ""),
            use_protobuf=IS_PROTOBUF,
            proxy=None,
            **more,
        )

    async def connect(self, made, _):
        await made.connect()

    async def disconnect(self, made, _):
        await made.disconnect()

    async def subscribe(self, made, order):
        channel, options, client = order["channel"], order.get("options", {}), order["client"]
        subscription = made.get_subscription(channel)
        if subscription is None:
            more = {"get_token": lambda channel: self.ask(client, channel)} if order.get("asksToken") else {}
            names = {
                "token": "token",
                "joinLeave": "join_leave",
                "positioned": "positioned",
                "recoverable": "recoverable",
            }
            more.update({name: options[key] for key, name in names.items() if key in options})
            events = told(SubscriptionEventHandler, client, channel=channel)
            subscription = made.new_subscription(
                channel, events, min_resubscribe_delay=0.05, max_resubscribe_delay=0.5, **more
            )
        await subscription.subscribe()

    async def unsubscribe(self, made, order):
        await made.get_subscription(order["channel"]).unsubscribe()

    async def publish(self, made, order):
        return await made.publish(order["channel"], payload(order))

    async def presence(self, made, order):
        there = await made.presence(order["channel"])
        return {"clients": view(list(there.clients.values()))}

    async def presenceStats(self, made, order):  # noqa: N802 - the order's name
        return await made.presence_stats(order["channel"])

    async def history(self, made, order):
        options = dict(order.get("options", {}))
        if since := options.get("since"):
            options["since"] = centrifuge.StreamPosition(**since)
        return await made.history(order["channel"], **options)

    async def rpc(self, made, order):
        return await made.rpc(order["method"], payload(order))

    async def token(self, _, order):
        self.asked[order["ask"]].set_result(order["token"])

    async def take(self, order):
        """Does one order, and says how it ended."""
        number, name = order["id"], order["order"]
        try:
            if name == "make":
                done = await self.make(order)
            else:
                done = await getattr(self, name)(self.clients.get(order.get("client")), order)
        except Exception as error:
            tell(id=number, failed=failure(error))
        else:
            tell(id=number, ok=view(done))


async def main():
    agent, tasks = Agent(), set()
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async for line in reader:
        task = asyncio.create_task(agent.take(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
