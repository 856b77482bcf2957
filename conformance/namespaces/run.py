#!/usr/bin/env python3
"""Real silent loss: a server, a client and a wire between them that is cut, slow or loses packets.

    HOLDWIRE_BIN=target/release/holdwire conformance/namespaces/run.py [--only WORD] [--pictures FOLDER]

Needs Linux with network namespaces, as root or with user namespaces, and nftables. Everything
happens in namespaces of the suite's own; the machine's network is not touched.
"""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402
import world  # noqa: E402

# Each scenario waits more than it works.
AT_ONCE = 10
SECONDS = 100


async def suite(checks, only, pictures):
    from bounds import Bounds
    from scenarios import scenarios

    bounds = Bounds()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name, scenario):
        async with places:
            await checks.run(name, scenario, bounds, seconds=SECONDS)

    chosen = [(name, scenario) for name, scenario in scenarios(pictures) if not only or only in name]
    await asyncio.gather(*(one(name, scenario) for name, scenario in chosen))
    bounds.print()


if __name__ == "__main__":
    harness.enter_venv()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="WORD", help="scenarios with this in their name")
    parser.add_argument("--pictures", metavar="FOLDER", help="for pictures of the page on /")
    options = parser.parse_args()
    harness.binary()
    world.enter()
    sys.exit(harness.run_suite(lambda checks: suite(checks, options.only, options.pictures)))
