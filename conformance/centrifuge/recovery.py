"""What an SDK has after its line was lost; each function's first line says what is so."""

from harness import expect_equal

from features import feature
from line import line
from sdk import PATH, token


@feature
async def server_side(scene):
    """The channels of its token are subscribed by the server, and recovered when it comes back."""
    async with line(scene.served.port) as wire:
        channel = scene.channel("users")
        url = f"ws://127.0.0.1:{wire.port}{PATH}"
        client = await scene.joined(url=url, token=token("jan", channels=[channel]))
        first = await client.event("subscribed", channel=channel, server=True)
        expect_equal((first["recoverable"], first["wasRecovering"]), (True, False), "the first time")
        other = await scene.joined(agent=scene.other, token=token("kim"))
        await other.publish(channel, {"n": 1})
        await client.has(channel, [{"n": 1}])
        since = client.mark()
        wire.shut()
        await client.event("connecting", since=since)
        for n in (2, 3):
            await other.publish(channel, {"n": n})
        wire.is_open = True
        again = await client.event("subscribed", since=since, channel=channel, server=True)
        expect_equal((again["wasRecovering"], again["recovered"]), (True, True), "recovered")
        await other.publish(channel, {"n": 4})
        await client.has(channel, [{"n": n} for n in (1, 2, 3, 4)])
        expect_equal(client.offsets(channel), [1, 2, 3, 4], "offsets")


@feature
async def recovers(scene):
    """After a lost line it has each publication once and in order, and is told that it recovered."""
    async with line(scene.served.port) as wire:
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}")
        channel = scene.channel()
        first = await client.subscribe(channel)
        expect_equal((first["recoverable"], first["positioned"]), (True, True), "recoverable")
        other = await scene.joined(agent=scene.other)
        count = 0
        for batch in range(4):
            for _ in range(60):
                count += 1
                await other.publish(channel, {"n": count})
            since = client.mark()
            wire.shut()
            await client.event("connecting", since=since)
            for _ in range(60):
                count += 1
                await other.publish(channel, {"n": count})
            wire.is_open = True
            again = await client.event("subscribed", since=since, channel=channel)
            told = (again["wasRecovering"], again["recovered"])
            expect_equal(told, (True, True), f"recovered, time {batch + 1}")
            await client.event("publication", channel=channel, times=count)
        await other.publish(channel, "end")
        await client.has(channel, [*[{"n": n} for n in range(1, count + 1)], "end"])
        expect_equal(client.offsets(channel), [*range(1, count + 2)], "offsets")
        assert again["streamPosition"]["offset"] < 1 << 53, "an offset that JavaScript can have"


@feature
async def long_away(scene):
    """More than a page is recovered, while more is published."""
    async with line(scene.served.port) as wire:
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}")
        channel = scene.channel()
        await client.subscribe(channel)
        other = await scene.joined(agent=scene.other)
        await other.publish(channel, 1)
        await client.has(channel, [1])
        since = client.mark()
        wire.shut()
        await client.event("connecting", since=since)
        for n in range(2, 801):
            await other.publish(channel, n)
        wire.is_open = True
        for n in range(801, 1001):
            await other.publish(channel, n)
        again = await client.event("subscribed", since=since, channel=channel)
        expect_equal((again["wasRecovering"], again["recovered"]), (True, True), "recovered")
        await client.has(channel, range(1, 1001))
        expect_equal(client.offsets(channel), [*range(1, 1001)], "offsets")


@feature
async def cannot_recover(scene):
    """When what it missed is not kept any more it is told so, and goes on."""
    async with line(scene.served.port) as wire:
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}")
        channel = scene.channel("brief")
        await client.subscribe(channel)
        other = await scene.joined(agent=scene.other)
        await other.publish(channel, 1)
        await client.has(channel, [1])
        since = client.mark()
        wire.shut()
        await client.event("connecting", since=since)
        for n in range(2, 31):
            await other.publish(channel, n)
        wire.is_open = True
        again = await client.event("subscribed", since=since, channel=channel)
        expect_equal((again["wasRecovering"], again["recovered"]), (True, False), "recovered")
        await other.publish(channel, "on")
        await client.event("publication", since=since, channel=channel, data="on")
        # What comes is a slice that ends at the top.
        offsets = client.offsets(channel, since)
        expect_equal(offsets, [*range(offsets[0], 32)], "offsets")
        assert offsets[0] > again["streamPosition"]["offset"], "after the position it was told"


@feature
async def two_lines(scene):
    """Many subscriptions of one connection all recover."""
    async with line(scene.served.port) as wire:
        client = await scene.joined(url=f"ws://127.0.0.1:{wire.port}{PATH}")
        channels = [scene.channel() for _ in range(20)]
        for channel in channels:
            await client.subscribe(channel)
        other = await scene.joined(agent=scene.other)
        since = client.mark()
        wire.shut()
        await client.event("connecting", since=since)
        for n in (1, 2):
            for channel in channels:
                await other.publish(channel, n)
        wire.is_open = True
        for channel in channels:
            await client.has(channel, [1, 2])
            again = await client.event("subscribed", since=since, channel=channel)
            expect_equal(again["recovered"], True, f"recovered of {channel}")
