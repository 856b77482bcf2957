#!/usr/bin/env python3
"""Backends of other authors against the built binary's HTTP interface.

    HOLDWIRE_BIN=target/release/holdwire conformance/api/run.py [--only cent|wire|guide|schemathesis]

Unmodified `cent` calls every method while sessions of both protocols are connected; `curl` and plain
sockets try what a library would not do, and every example of the guide; schemathesis makes calls from
the description of the interface.
"""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

PARTS = ("cent", "wire", "guide", "schemathesis")


async def suite(checks, only, seed):
    import guide
    import methods
    import properties
    import wire
    import world

    async def calls(options):
        if only in (None, "cent"):
            async with harness.serve(*options, checks=checks) as served:
                await methods.check(checks, served)
        if only in (None, "wire"):
            await wire.check(checks, options)
        if only in (None, "guide"):
            await guide.check(checks)

    with world.files() as options:
        async with asyncio.TaskGroup() as both:
            both.create_task(calls(options))
            if only in (None, "schemathesis"):
                both.create_task(properties.check(checks, options, seed))


if __name__ == "__main__":
    harness.enter_venv()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="which part is run")
    parser.add_argument("--seed", type=int, default=6, help="what schemathesis begins with; default: %(default)s")
    harness.binary()
    asked = parser.parse_args()
    sys.exit(harness.run_suite(lambda checks: suite(checks, asked.only, asked.seed)))
