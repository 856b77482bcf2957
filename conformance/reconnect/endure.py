#!/usr/bin/env python3
"""A page with the classic heartbeat stays connected to `holdwire serve` for minutes on end.

    HOLDWIRE_BIN=target/release/holdwire conformance/reconnect/endure.py [--minutes 10] [--page FILE]

In the page nothing is changed but the URL that it connects to. Without --page it is one of ours in
that style, with its times: a beat after 60 s of silence, 60 s for the answer.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

HERE = Path(__file__).resolve().parent
HINT = "apt-get install chromium"


async def suite(checks, minutes, page):
    async with harness.serve(checks=checks) as served:
        settings = {
            "chromium": harness.tool("chromium", "chromium-browser", hint=HINT),
            "sandbox": os.getuid() != 0,
            "module": "",
            "url": served.url(),
            "minutes": minutes,
            "page": str(page),
        }
        seconds = (minutes + 2) * 60
        await harness.run_node(HERE / "endure.mjs", settings, checks, seconds=seconds)
        log = served.process.log.read_text()
        opened, closed = log.count("holdwire::connection: opened"), log.count("connection: closed")
        checks.record(
            "the server saw one connection open, and none close before the end of the page",
            None if opened == 1 and closed <= 1 else f"{opened} opened, {closed} closed",
        )


if __name__ == "__main__":
    harness.enter_venv()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--page", type=Path, default=HERE / "fixtures" / "classic.html")
    options = parser.parse_args()
    harness.binary()
    sys.exit(harness.run_suite(lambda checks: suite(checks, options.minutes, options.page)))
