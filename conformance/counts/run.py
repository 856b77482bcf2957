#!/usr/bin/env python3
"""What does not wobble: instructions, system calls and memory, each against a bound.

    HOLDWIRE_BIN=target/release/holdwire conformance/counts/run.py

`holdwire-instructions` is built beside that binary. The bounds are in `bounds.json`; whoever makes
something cheaper lowers them, and whoever must raise one says why in the commit. Times are printed
and judged by nobody.
"""

import asyncio
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402
from load import Load, raise_open_files  # noqa: E402

BOUNDS = HERE / "bounds.json"

# The difference of a short and a long run has no start and no end of the program in it.
SHORT, LONG = 100, 1100
COLLECTED = re.compile(r"Collected : (\d+)")

# Calls that move bytes of a socket, in a line of strace that is not the rest of one begun before.
CALLS = "read|readv|recvfrom|recvmsg|write|writev|sendto|sendmsg"
MOVES = re.compile(rf"^\d+ +({CALLS})\(\d+<socket:", re.M)
CONNECTIONS, EVENTS = 20, 50

IDLE = 2000
# Memory is settled when it stays the same for so long.
SETTLE = 0.3


def judge(checks, group, name, value):
    """Compares a count with its bound, and says how to move it."""
    bound = json.loads(BOUNDS.read_text())[group][name]
    print(f"      {name}: {value:.0f} {group}, bound {bound}")
    raised = (
        f"{value:.0f} {group}, bound {bound}; find what got dearer, "
        f"or write a new bound into {BOUNDS.relative_to(harness.REPOSITORY)} and say why"
    )
    checks.record(f"{name}: {group}", raised if value > bound else None)


def instructions(checks):
    """What the protocol's connection costs, without a socket."""
    program = Path(harness.binary()).with_name("holdwire-instructions")
    valgrind = harness.tool("valgrind", hint="apt-get install valgrind")
    if platform.machine() != "x86_64":
        print("      no instructions are counted: the bounds are for x86-64")
        return
    output = subprocess.run([program], check=True, capture_output=True, text=True)
    for case in output.stdout.splitlines():
        short, long = (counted(valgrind, program, case, calls) for calls in (SHORT, LONG))
        messages, collected = (one - other for one, other in zip(long, short, strict=True))
        judge(checks, "instructions a message", case, collected / messages)


def counted(valgrind, program, case, calls):
    """How many messages went through, for how many instructions."""
    callgrind = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*callgrind, program, case, str(calls)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(ended.stdout), int(COLLECTED.search(ended.stderr)[1])


async def system_calls(checks, in_flight):
    """One receive and one send for all that one read has."""
    strace = harness.tool("strace", hint="apt-get install strace")
    handle, name = tempfile.mkstemp(prefix="holdwire-counts-")
    os.close(handle)
    log = Path(name)
    try:
        async with harness.serve(under=[strace, "-f", "-y", "-o", log]) as served:
            server = only_child(served.process.child.pid)
            with Load(served.port, CONNECTIONS) as load:
                load.echo(64, in_flight)
                before = await settled(log.read_text)
                started = time.monotonic()
                for _ in range(EVENTS):
                    load.echo(64, in_flight)
                seconds = time.monotonic() - started
                after = await settled(log.read_text)
            # The tracer keeps signals for itself; it ends with what it traces.
            os.kill(server, signal.SIGKILL)
            await served.process.child.wait()
    finally:
        log.unlink(missing_ok=True)
    counts = {"receives": 0, "sends": 0}
    for call in MOVES.findall(after[len(before) :]):
        counts["receives" if call.startswith(("read", "recv")) else "sends"] += 1
    events = CONNECTIONS * EVENTS
    print(f"      {in_flight} in flight, {events} events: {counts}, {seconds:.2f} s under strace")
    name = f"{in_flight} in flight: one receive and one send an event"
    right = counts == {"receives": events, "sends": events}
    checks.record(name, None if right else f"{counts} for {events} events")


async def memory(checks):
    """What a connection that says nothing holds, the heartbeat on."""
    async with harness.serve(checks=checks) as served:
        rollup = Path(f"/proc/{served.process.child.pid}/smaps_rollup")

        def resident():
            return 1024 * int(re.search(r"^Rss: +(\d+) kB", rollup.read_text(), re.M)[1])

        # What is allocated once, for the first connection, is not charged to the others.
        with Load(served.port, 1) as first:
            first.echo(1024, 1)
        base = await settled(resident)
        with Load(served.port, IDLE) as load:
            untouched = await settled(resident)
            load.echo(1024, 1)
            echoed = await settled(resident)
    for name, value in (("untouched", untouched), ("after an echo", echoed)):
        judge(checks, "bytes an idle connection", name, (value - base) / IDLE)


async def settled(look):
    """What `look()` says once it says the same for a while."""
    seen = look()
    while True:
        await asyncio.sleep(SETTLE)
        if (now := look()) == seen:
            return now
        seen = now


def only_child(pid):
    """The process that a tracer started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


async def suite(checks):
    instructions(checks)
    for in_flight in (1, 16):
        await system_calls(checks, in_flight)
    await memory(checks)


if __name__ == "__main__":
    if sys.platform != "linux":
        print("skipped: the counts need Linux")
        sys.exit(0)
    harness.enter_venv()
    harness.binary()
    raise_open_files()
    sys.exit(harness.run_suite(suite))
