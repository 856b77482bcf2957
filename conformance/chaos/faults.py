"""What is done to a run: each fault strikes some readers, is over, and is in the history."""

import asyncio
import random
import signal

from clients import KEPT, until

# A silence is longer than the bound within which both ends notice it; in a long run it may be longer
# than a session is kept.
SILENT_SECONDS = (10.0, 70.0)
# What a reader that stands still is sent meanwhile: more than all queues on the way hold.
BURST, BURST_BYTES = 40, 30_000
# A fault begins when the one before is forgotten: each reader has had something new.
FORGOTTEN_SECONDS = 60.0


class Faults:
    """The faults by their kinds; each is `fault(stage)`."""

    def __init__(self, stage, rng: random.Random, is_long):
        self.stage = stage
        self.rng = rng
        self.is_long = is_long
        self.kinds = {
            "cut": self.cut,
            "silence": lambda: self.silence("silence", "drop"),
            "silence to server": lambda: self.silence("silence to server", "to server"),
            "silence to client": lambda: self.silence("silence to client", "to client"),
            "slow": self.slow,
            "reader killed": self.reader_killed,
            "drain": lambda: self.restart("drain", signal.SIGTERM),
            "server killed": lambda: self.restart("server killed", signal.SIGKILL),
        }

    async def strike(self, kind):
        """Does one of a kind."""
        await self.forgotten(self.stage.readers)
        await self.kinds[kind]()

    async def forgotten(self, readers):
        """Waits until these have something that was made after now."""
        stage, now = self.stage, self.stage.history.now()
        pairs = [(reader.who, channel) for reader in readers for channel in reader.channels]

        def is_so():
            return all(stage.history.newest.get(pair, 0) > now for pair in pairs)

        def late():
            return [pair for pair in pairs if stage.history.newest.get(pair, 0) <= now]

        try:
            await until(is_so, FORGOTTEN_SECONDS, "")
        except AssertionError:
            raise AssertionError(f"nothing new for {FORGOTTEN_SECONDS} s: {late()}") from None

    async def cut(self):
        """Connections are reset, and for a moment no new one is to be had."""
        await self.wire("cut", "reset", self.rng.uniform(0.5, 3.0))

    async def silence(self, kind, how):
        """Packets vanish; nobody is told."""
        shortest, longest = SILENT_SECONDS
        is_longer = self.is_long and self.rng.random() < 0.3
        await self.wire(kind, how, longest if is_longer else shortest)

    async def wire(self, kind, how, seconds):
        """Cuts a reader's wire, and every other time that of a publisher as well."""
        stage = self.stage
        machines = [self.rng.choice(stage.readers).machine]
        if self.rng.random() < 0.5:
            machines.append(self.rng.choice(stage.publishers).machine)
        whom = [reader.who for reader in stage.readers if reader.machine in machines]
        for machine in machines:
            await asyncio.to_thread(stage.net.cut, how, machine)
        stage.history.tell("fault", kind=kind, whom=whom)
        await asyncio.sleep(seconds)
        if how != "reset":
            dropped = [await asyncio.to_thread(stage.net.dropped, machine) for machine in machines]
            stage.history.tell("counted", name="dropped_packets", value=sum(dropped))
        # Told before it is mended: what comes then comes after.
        stage.history.tell("healed", kind=kind, whom=whom)
        for machine in machines:
            await asyncio.to_thread(stage.net.mend, machine)

    async def slow(self):
        """A reader stands still while more is published than anybody keeps for it."""
        stage = self.stage
        # A whole browser that stands still would be three readers.
        able = [r for r in stage.readers if r.channels[0] == KEPT and r.machine != stage.pages.machine]
        reader = self.rng.choice(able)
        before = await stage.host.served.count("slow_consumers_total")
        reader.pause(True)
        stage.history.tell("fault", kind="slow", whom=[reader.who])
        for _ in range(BURST):
            await stage.burster.publish("x" * BURST_BYTES)
        await asyncio.sleep(2.0)
        counted = await stage.host.served.count("slow_consumers_total") - before
        stage.history.tell("counted", name="slow_consumers", value=counted)
        stage.history.tell("healed", kind="slow", whom=[reader.who])
        reader.pause(False)

    async def reader_killed(self):
        """A reader is killed, and another goes on from the position that it had printed."""
        stage = self.stage
        reader = self.rng.choice([r for r in stage.readers if r.kind == "holdwire sub"])
        stage.history.tell("fault", kind="reader killed", whom=[reader.who])
        stage.history.tell("healed", kind="reader killed", whom=[reader.who])
        await reader.die()

    async def restart(self, kind, sign):
        """The server ends, and another takes its place. What was in its memory is gone."""
        stage = self.stage
        whom = [reader.who for reader in stage.readers]
        stage.history.tell("fault", kind=kind, whom=whom)
        await stage.host.stop(sign)
        await asyncio.sleep(self.rng.uniform(0.0, 2.0))
        await stage.host.start()
        stage.history.tell("healed", kind=kind, whom=whom)
