"""Calls that schemathesis makes from the description of the interface."""

import asyncio
import sys
import tempfile
from pathlib import Path

import harness
from world import KEY

CASES = 100
SECONDS = 200


async def holds(served, seed):
    """Fails unless every call is answered as the description says."""
    command = [
        str(Path(sys.prefix) / "bin" / "schemathesis"),
        *("run", served.page("/api/openapi.json"), "-H", f"X-API-Key: {KEY}"),
        *("-c", "all", "-n", str(CASES), "--seed", str(seed), "--no-color"),
    ]
    # It keeps what it has found where it is started.
    with tempfile.TemporaryDirectory() as folder:
        async with harness.running(*command, cwd=folder) as process:
            code = await process.child.wait()
            said = process.log.read_text(errors="replace")
    if code != 0:
        print(said, flush=True)
        raise AssertionError(f"exit code {code}, seed {seed}")
    summary = [line.strip() for line in said.splitlines() if "generated" in line or "passed" in line]
    print(f"      {'; '.join(summary)}; seed {seed}", flush=True)


async def check(checks, options, seed):
    """All of it is one check, with a server of its own: it disconnects whomever it can name."""
    async with harness.serve(*options, checks=checks) as served:
        await checks.run("schemathesis finds nothing", holds, served, seed, seconds=SECONDS)
