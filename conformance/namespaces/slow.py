"""Slow is not dead: a peer at the slowest link that we promise to keep takes a long queue."""

import asyncio
import contextlib
import os
import time

import ends
import world
from harness import expect_equal
from raw import peer

# The slowest link at which the default send queue of 1 MiB passes within the default timeout of
# 20 s. A ping does not wait for that queue, so here it gets less.
SLOWEST = 64 * 1024
HEARTBEAT = ["--heartbeat", "2s", "--heartbeat-timeout", "8s"]
# The kernel tells a writer of room in steps of 64 KiB, and pauses when the wire loses packets.
STALL = ["--write-stall", "10s"]
MESSAGE = 64 * 1024
# A little less than the queue, so that the server reads on and judges; more, so that it is held back.
BELOW, BEYOND = 15, 24


async def takes_a_long_queue(bounds, messages, shaped):
    """Asks for more echoes than the wire carries soon, and reads at the pace of that link."""
    async with world.pair() as pair, ends.server(pair, *HEARTBEAT, *STALL) as server:
        async with peer(pair, "/echo", receive_buffer=None if shaped else 16_384) as slow:
            if shaped:
                await asyncio.to_thread(pair.slow, SLOWEST)
            started = time.monotonic()
            asking = asyncio.create_task(ask(slow, messages))
            pace = 1 << 30 if shaped else SLOWEST
            await slow.read_paced(pace, lambda: slow.messages == messages)
            seconds = time.monotonic() - started
            await asking
            if slow.ended:
                _, why = await server.closed()
                raise AssertionError(
                    f"ended after {slow.messages} messages, {seconds:.1f} s, "
                    f"silent for {slow.gap:.1f} s at most: {why}"
                )
            # It was slow indeed, and it was asked whether it lives.
            least = messages * MESSAGE / SLOWEST / 2
            expect_equal(seconds > least, True, f"{seconds:.1f} s is longer than {least:.1f} s")
            expect_equal(slow.pings > 0, True, "pings seen")
            expect_equal(await server.count("connections"), 1, "live connections")


async def ask(slow, messages):
    # The reader tells of an end.
    with contextlib.suppress(ConnectionError):
        for _ in range(messages):
            await slow.send(os.urandom(MESSAGE))
