"""Attempts that meet silence: each has its own time, and only one connection lives at the end."""

import asyncio
import time

import ends
import world
from bounds import SLACK
from harness import expect_equal
from loss import SERVER

SILENT = 6.0
TIMED_OUT = "down: (timeout|the attempt took too long)"


async def meet_silence(bounds, client, how):
    """After a loss the network is back but for the opening packets, then for those too."""
    what = {"syn": "first packets vanish", "to client": "answers to first packets vanish"}[how]
    async with world.pair() as pair, ends.server(pair, *SERVER) as server:
        async with client.start(pair) as running:
            await server.running.says(r'"message":"opened"')
            cut_at = time.monotonic()
            await asyncio.to_thread(pair.cut, "drop")
            await asyncio.gather(
                running.says("(?i)heartbeat", since=cut_at), server.closed(since=cut_at)
            )

            silent_at = time.monotonic()
            await asyncio.to_thread(pair.cut, how)
            first = await running.says(TIMED_OUT, since=silent_at, seconds=client.bound + client.back)
            again = await running.says(TIMED_OUT, since=silent_at, seconds=client.bound + 2 * client.back, times=2)
            bounds.noticed(what, f"{client.name}, attempt given up", again.at - first.at, client.back)
            await asyncio.sleep(max(0, SILENT - (time.monotonic() - silent_at)))
            expect_equal(await server.count("connections"), 0, "connections while it is silent")
            expect_equal(await asyncio.to_thread(pair.dropped) > 1, True, "more than one packet lost")

            mended_at = time.monotonic()
            await asyncio.to_thread(pair.mend)
            back_at = await server.settles_at(1, seconds=client.back + SLACK)
            bounds.noticed(what, f"{client.name}, back", back_at - mended_at, client.back)
