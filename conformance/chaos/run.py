#!/usr/bin/env python3
"""Chaos: readers and publishers of every kind while lines are cut and servers die, then a judge.

    HOLDWIRE_BIN=target/release/holdwire conformance/chaos/run.py [--minutes N] [--seed N]

Without `--minutes` every kind of fault strikes once or twice. The history is kept, and
`holdwire-conformance judge` says what holds of it. Needs Linux with network namespaces, as root or
with user namespaces, nftables, Node and Chromium.
"""

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

sys.path.insert(0, str(harness.CONFORMANCE / "namespaces"))

import world  # noqa: E402

# Every kind of fault at least once.
SHORT = [
    *("cut", "cut", "silence", "silence to server", "silence to client"),
    *("slow", "reader killed", "drain", "server killed"),
]
PUBLISH_EVERY = (0.005, 0.06)
# After the faults everybody must be at the top within this.
BOUND_SECONDS = 30
# Whoever is gone is listed no longer than this: a heartbeat, the grace, and what a busy machine adds.
GONE_SECONDS = 2 + 2 + 2 + 6
# A machine's network has small buffers, so that a slow reader is soon seen to be slow.
BUFFERS = "4096 16384 32768"


class Stage:
    """All that takes part."""

    def __init__(self, net, history, host):
        from clients import BRIEF, KEPT, ChatPublisher, Node, NodePublisher, Pages
        from clients import SdkPublisher, SdkReader, Terminal, TerminalPublisher

        self.net = net
        self.history = history
        self.host = host
        self.trouble = []
        own = iter(net.clients)
        both = [KEPT, BRIEF]
        pages = {
            "client-page": ("client", both),
            "chat-page": ("chat", [KEPT]),
            "brief-chat-page": ("chat", [BRIEF]),
        }
        self.pages = Pages(pages, next(own))
        self.readers = [
            Terminal("sub-1", KEPT, next(own)),
            Terminal("sub-2", KEPT, next(own)),
            Terminal("sub-3", BRIEF, next(own)),
            Node("node-1", both, next(own)),
            Node("node-2", both, next(own)),
            SdkReader("sdk-1", "npm centrifuge, JSON", both, next(own)),
            SdkReader("sdk-2", "centrifuge-python, Protobuf", both, next(own)),
            *self.pages.readers,
        ]
        self.publishers = [
            TerminalPublisher("pub-1", KEPT, next(own)),
            TerminalPublisher("pub-2", BRIEF, next(own)),
            NodePublisher("node-3", both, next(own)),
            SdkPublisher("sdk-3", "npm centrifuge, Protobuf", both, next(own)),
            SdkPublisher("sdk-4", "centrifuge-python, JSON", both, next(own)),
            ChatPublisher("chat-page", KEPT, self.pages),
        ]
        self.spare = next(own)
        self.burster = TerminalPublisher("burst", KEPT, self.spare)

    MACHINES = 14

    def ear(self, who):
        """What hears a reader."""

        def hear(line):
            try:
                self.history.hear(who, line)
            except (AssertionError, ValueError, KeyError) as error:
                self.trouble.append(f"{who}: {error}: {line}"[:300])

        return hear

    def programs(self):
        """All programs but the server."""
        readers = [reader for reader in self.readers if reader not in self.pages.readers]
        return [self.pages, *readers, *self.publishers, self.burster]


async def keep_publishing(publisher, rng):
    while True:
        await publisher.publish("x" * rng.randrange(10, 300))
        await asyncio.sleep(rng.uniform(*PUBLISH_EVERY))


async def play(history, seed, minutes):
    """Plays a run; gives what went wrong in it that is no matter of the history."""
    from clients import BRIEF, KEEPS, KEPT, NAMESPACES, Host, until
    from faults import Faults

    rng = random.Random(seed)
    config = history.path.with_suffix(".toml")
    config.write_text(NAMESPACES)
    for channel, keep in KEEPS.items():
        history.tell("channel", channel=channel, keep=keep)
    async with contextlib.AsyncExitStack() as stack:
        net = await stack.enter_async_context(world.net(Stage.MACHINES))
        await asyncio.to_thread(shrink, net)
        host = Host(net, history, config)
        stack.push_async_callback(host.close)
        await host.start()
        stage = Stage(net, history, host)
        for program in stage.programs():
            await stack.enter_async_context(program.run(stage))
        pairs = [(reader, channel) for reader in stage.readers for channel in reader.channels]
        for reader, channel in pairs:
            history.tell("reader", who=reader.who, kind=reader.kind, channel=channel)
        await until(
            lambda: all((reader.who, channel) in history.places for reader, channel in pairs),
            30,
            f"a position for everybody; {stage.trouble}",
        )

        faults = Faults(stage, rng, is_long=minutes is not None)
        for kind in faults.kinds:
            history.tell("demand", kind=kind)
        flow = [
            asyncio.create_task(keep_publishing(publisher, random.Random(f"{seed} {at}")))
            for at, publisher in enumerate(stage.publishers)
        ]
        for kind in schedule(rng, minutes, faults.kinds):
            print(f"{history.now() / 1000:7.1f} s  {kind}", flush=True)
            await faults.strike(kind)
        await faults.forgotten(stage.readers)
        for task in flow:
            task.cancel()
        for ended in await asyncio.gather(*flow, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                raise ended
        for publisher in stage.publishers:
            await publisher.finish()

        history.tell("rest", bound=BOUND_SECONDS * 1000)
        last = await last_words(stage, KEEPS)
        with contextlib.suppress(AssertionError):  # the judge says it better
            await until(
                lambda: all(
                    history.last.get((reader.who, channel)) == last[channel]
                    for reader, channel in pairs
                ),
                BOUND_SECONDS,
                "everybody at the top",
            )
        for channel in KEEPS:
            live = sum(1 for _, read in pairs if read == channel)
            listed = await settled_members(net, channel, live)
            history.tell("members", channel=channel, listed=listed, live=live)
        return stage.trouble


def schedule(rng, minutes, kinds):
    """Faults one after the other."""
    if minutes is None:
        order = SHORT[:]
        rng.shuffle(order)
        yield from order
        return
    until = time.monotonic() + minutes * 60
    # Each kind once, whatever the dice say.
    yield from kinds
    while time.monotonic() < until:
        yield rng.choice(list(kinds))


def shrink(net):
    """Gives all machines small buffers."""
    for name in net.machines():
        for which in ("tcp_rmem", "tcp_wmem"):
            path = f"/proc/sys/net/ipv4/{which}"
            world.run(*net.inside(name), "sh", "-c", f"echo '{BUFFERS}' > {path}")


async def last_words(stage, channels):
    """One more publication in each channel, with an answer: the top. Gives their keys."""
    from clients import TerminalPublisher

    await stage.burster.finish()
    keys = {}
    for channel in channels:
        publisher = TerminalPublisher(f"last-{channel}".replace(":", "-"), channel, stage.spare)
        async with publisher.run(stage):
            keys[channel] = await publisher.publish("the end")
            await publisher.finish()
    return keys


async def settled_members(net, channel, live):
    """How many are listed when whoever is gone is not any more: after a heartbeat and the grace."""
    deadline = time.monotonic() + GONE_SECONDS
    while (listed := await members(net, channel)) != live and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return listed


async def members(net, channel):
    """How many clients the server lists in a channel."""
    import websockets

    url = net.url("/connection")
    async with websockets.connect(url, subprotocols=["holdwire.v1"]) as socket:
        await socket.send('{"id":1,"connect":{}}')
        await socket.recv()
        await socket.send(json.dumps({"id": 2, "presence": {"channel": channel}}))
        return len(json.loads(await socket.recv())["presence"]["presence"])


def judge(path):
    """Runs the checker over a history, and over that history spoiled in every way."""
    program = Path(harness.binary()).parent / "holdwire-conformance"
    command = [str(program), "judge", str(path), "--mutants"]
    return subprocess.run(command, check=False).returncode


def main():
    from clients import bundle
    from history import History

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, metavar="N", help="faults for so long, by the seed")
    parser.add_argument("--seed", type=int, metavar="N", help="of the faults and their times")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    folder = harness.REPOSITORY / "target" / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    history = History(folder / f"{seed}.jsonl")
    bundle()
    print(f"seed {seed}, history {history.path}", flush=True)
    try:
        trouble = asyncio.run(play(history, seed, options.minutes))
    finally:
        history.close()
    for line in trouble[:20]:
        print(f"FAIL  {line}")
    print(f"faults and publishing took {history.now() / 1000:.0f} s", flush=True)
    return 1 if judge(history.path) or trouble else 0


if __name__ == "__main__":
    harness.enter_venv()
    harness.binary()
    world.enter()
    sys.exit(main())
