"""What becomes of an SDK's clients when servers end, lines carry nothing and readers stand still."""

import asyncio
import contextlib
import re
import signal
import time
import urllib.request

import harness
from harness import expect_equal

from features import Scene, over, soon
from line import line
from sdk import PATH, SECONDS, token

ALL = []


def ending(function):
    """Has a function be one of these."""
    ALL.append(function)
    return function


@contextlib.asynccontextmanager
async def server(setting, port=None, **options):
    """A server of one's own."""
    more = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    async with harness.serve("--config", setting, *more, port=port) as served:
        yield served


async def end(served, sign):
    """Ends a server, and waits for its end."""
    served.process.child.send_signal(sign)
    await soon(served.process.child.wait())


async def returns(agent, setting, sign, code):
    """A client through the end of its server and back."""
    port = harness.free_port()
    channel = "open:a"
    async with server(setting, port, drain="1s") as first:
        scene = Scene(agent, agent, first)
        client = await scene.joined(token=token("ann", channels=["users:mine"]))
        await client.subscribe(channel)
        await client.event("subscribed", channel="users:mine", server=True)
        for n in (1, 2):
            await client.publish(channel, n)
        await client.has(channel, [1, 2])
        since = client.mark()
        await end(first, sign)
        told = await client.event("connecting", since=since)
        if code:
            expect_equal((told["code"], told["reason"]), (code, "shutdown"), "the end")
    # It keeps trying while nobody is there.
    async with server(setting, port, drain="1s") as second:
        scene = Scene(agent, agent, second)
        again = await client.event("subscribed", since=since, channel=channel)
        expect_equal((again["wasRecovering"], again["recovered"]), (True, False), "recovered")
        mine = await client.event("subscribed", since=since, channel="users:mine", server=True)
        expect_equal((mine["wasRecovering"], mine["recovered"]), (True, False), "of the server's own")
        expect_equal(again["streamPosition"]["offset"], 0, "where the new log begins")
        since = client.mark()
        await client.publish(channel, "new")
        await client.event("publication", since=since, channel=channel, data="new", offset=1)
        expect_equal(client.all("disconnected"), [], "ends for good")


@ending
async def drained(agent, setting):
    """A server that goes down says 3001; the client comes back to the next one, whose log is new."""
    await returns(agent, setting, signal.SIGTERM, 3001)


@ending
async def killed(agent, setting):
    """A server that is killed says nothing; the client comes back to the next one, whose log is new."""
    await returns(agent, setting, signal.SIGKILL, None)


@ending
async def no_ping(agent, setting):
    """A line that carries nothing is noticed for want of pings; nothing is lost."""
    async with server(setting) as served, line(served.port) as wire:
        scene = Scene(agent, agent, served)
        options = {"maxServerPingDelay": 2_000}
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}", **options)
        await client.subscribe("open:a")
        other = await scene.joined()
        await other.publish("open:a", 1)
        await client.has("open:a", [1])
        since = client.mark()
        wire.hold()
        for n in (2, 3):
            await other.publish("open:a", n)
        # The line stays open: only the silence tells.
        told = await client.event("connecting", since=since, seconds=100)
        expect_equal((told["code"], told["reason"]), (2, "no ping"), "why")
        wire.reset()
        again = await client.event("subscribed", since=since, channel="open:a")
        expect_equal((again["wasRecovering"], again["recovered"]), (True, True), "recovered")
        await client.has("open:a", [1, 2, 3])


@ending
async def no_pong(agent, setting):
    """A client that answers no ping is closed by the server and gone from presence."""
    async with server(setting) as served, line(served.port) as wire:
        scene = Scene(agent, agent, served)
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}", maxServerPingDelay=600_000)
        await client.subscribe("open:a")
        other = await scene.joined()
        await other.subscribe("open:a", joinLeave=True)
        name = client.all("connected")[0]["clientId"]
        wire.hold()

        def is_it(told):
            return told["info"]["client"] == name

        await other.event("leave", channel="open:a", where=is_it, seconds=100)
        wire.shut()


@ending
async def slow(agent, setting):
    """Who reads too slowly is closed with 3008, comes back and has everything."""
    async with server(setting, send_queue="64KiB") as served, line(served.port) as wire:
        scene = Scene(agent, agent, served)
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}", maxServerPingDelay=600_000)
        await client.subscribe("open:a")
        other = await scene.joined()
        since = client.mark()
        wire.hold()
        text, count, deadline = "x" * 30_000, 0, time.monotonic() + SECONDS
        while time.monotonic() < deadline and not await is_slow(served):
            for _ in range(10):
                count += 1
                await other.publish("open:a", {"n": count, "text": text})
        assert await is_slow(served), f"nobody was too slow after {count} publications"
        wire.go_on()
        await over(client, "connecting", 3008, since=since)
        again = await client.event("subscribed", since=since, channel="open:a")
        expect_equal((again["wasRecovering"], again["recovered"]), (True, True), "recovered")
        await client.event("publication", channel="open:a", times=count)
        expect_equal(client.offsets("open:a"), [*range(1, count + 1)], "offsets")


async def is_slow(served):
    """Whether the server has met somebody who reads too slowly, by its metrics."""

    def get():
        with urllib.request.urlopen(served.page("/metrics"), timeout=SECONDS) as answer:
            return answer.read().decode()

    said = await asyncio.to_thread(get)
    return any(re.match(r"holdwire_slow_consumers_total.* [1-9]", line) for line in said.splitlines())
