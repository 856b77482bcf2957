"""Silent loss: the wire is cut, both ends must notice, and the client must come back once."""

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable

import ends
import world
from bounds import SLACK
from harness import expect_equal
from raw import peer

INTERVAL, TIMEOUT = 2.0, 2.0
# No less than the write stall.
BOUND = INTERVAL + TIMEOUT
HEARTBEAT = ["--heartbeat", "2s", "--heartbeat-timeout", "2s"]
SERVER = [*HEARTBEAT, "--write-stall", "3s"]
# Of a client: the time of an attempt, and the longest pause between two.
CONNECT_TIMEOUT, CAP = 2.0, 4.0
BIG_LINE = "x" * 16_384
# Cut in the middle of a message with a full queue, the time for the message ends with the write stall:
# 30 s, either may come first.
NOTICED = "(?i)heartbeat|stopped reading|not finished in time"


@dataclasses.dataclass(frozen=True)
class Client:
    """One kind of client: how it is started, and what it promises."""

    name: str
    start: Callable
    # From the last sign of life to the loss; and when the socket takes nothing, not even a ping.
    bound: float = BOUND
    stall: float = BOUND
    # From the network's return to the line's: one attempt may just have begun, and ends in
    # silence; then comes one pause. None: it ends for good.
    back: float | None = CONNECT_TIMEOUT + CAP


TIMES = {
    "interval": INTERVAL * 1000,
    "timeout": TIMEOUT * 1000,
    "connectTimeout": CONNECT_TIMEOUT * 1000,
    "cap": CAP * 1000,
}
TERMINAL = Client("holdwire connect", lambda pair: ends.terminal(pair, "/", *HEARTBEAT), back=None)
# Between two attempts a `Line` in the terminal waits for 20 s at most.
LINE = Client(
    "holdwire connect --reconnect",
    lambda pair: ends.terminal(pair, "/", "--reconnect", "--connect-timeout", "2s", *HEARTBEAT),
    stall=30.0,
    back=CONNECT_TIMEOUT + 20.0,
)
SOCKET = Client("Socket in Node", lambda pair: ends.socket(pair, "/", **TIMES))
CHROMIUM = Client("Socket in Chromium", lambda pair: ends.chromium(pair, "/", **TIMES))
# It has times of its own: 5 s and 5 s, and for coming back what a `Socket` has by default.
PAGE = Client("the page on /", lambda pair: ends.page(pair, "/"), bound=10.0, back=30.0)


@contextlib.asynccontextmanager
async def flow(client, traffic):
    """Keeps a client sending until the end of the block; the server answers with the same."""

    async def pump():
        number = 0
        while True:
            number += 1
            await client.type(f"message {number}" if traffic == "flowing" else BIG_LINE)
            if traffic == "flowing":
                await asyncio.sleep(0.02)

    task = asyncio.create_task(pump()) if traffic != "idle" else None
    try:
        yield
    finally:
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task


async def cut_and_mend(bounds, client, how, traffic, pictures=None):
    """Cuts the wire; both ends notice within their bounds; then mends it, and one comes back."""
    what = f"{CUTS[how]}, {traffic}"
    async with world.pair() as pair, ends.server(pair, *SERVER) as server:
        async with client.start(pair) as running, flow(running, traffic):
            await server.running.says(r'"message":"opened"')
            await asyncio.sleep(1.0)
            expect_equal(await server.count("connections"), 1, "live connections")
            expect_equal(running.ended_at, None, "the client's end")

            cut_at = time.monotonic()
            await asyncio.to_thread(pair.cut, how)
            is_full = traffic == "full queue"
            bound = client.stall if is_full else client.bound
            noticed, closed = await asyncio.gather(
                running.says(NOTICED, since=cut_at, seconds=bound + 2 * SLACK),
                server.closed(since=cut_at),
            )
            # Where the cut is one way, the other end hears what was under way for a moment longer.
            heard_at = server.running.last_heard(cut_at, closed[0])
            bounds.noticed(what, "server", closed[0] - heard_at, BOUND)
            heard_at = running.last_heard(cut_at, noticed.at)
            bounds.noticed(what, client.name, noticed.at - heard_at, bound)
            if client.back is None:
                await running.ends()
                return

            # Long enough for attempts that meet the same silence.
            await asyncio.sleep(CONNECT_TIMEOUT)
            if pictures:
                await picture(running, f"{pictures}/cut.png")
            mended_at = time.monotonic()
            await asyncio.to_thread(pair.mend)
            back_at = await server.settles_at(1, seconds=client.back + SLACK)
            bounds.noticed(what, f"{client.name}, back", back_at - mended_at, client.back)
            if pictures:
                await picture(running, f"{pictures}/back.png")


async def picture(page, path):
    """Has the page pictured."""
    await page.type(f"picture {path}")
    await page.says(f"^pictured {path}")


CUTS = {
    "drop": "packets vanish",
    "link": "link down",
    "to server": "packets to the server vanish",
    "to client": "packets to the client vanish",
}


async def never_reads(bounds, burst):
    """A peer with a closed window: it takes nothing, not even pings, and is ended."""
    what = f"peer never reads, {burst >> 20} MiB queued for it" if burst else "peer never reads"
    async with world.pair() as pair, ends.server(pair, *SERVER) as server:
        async with peer(pair, "/echo", receive_buffer=4096) as silent:
            started = time.monotonic()
            with contextlib.suppress(TimeoutError, ConnectionError):
                # It is held back at some point: our own queue is bounded too.
                async with asyncio.timeout(1.0):
                    for _ in range(burst >> 16):
                        await silent.send(os.urandom(1 << 16))
            last_byte = time.monotonic()
            closed_at, why = await server.closed(since=started)
            bounds.noticed(what, "server", closed_at - last_byte, BOUND)
            expect_equal(await server.count("connections"), 0, f"connections after {why}")
