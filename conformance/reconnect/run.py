#!/usr/bin/env python3
"""`Socket` in headless Chromium, beside a page in the classic style: the flaws, losses, sleep.

    HOLDWIRE_BIN=target/release/holdwire conformance/reconnect/run.py
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

HERE = Path(__file__).resolve().parent
MODULE = harness.REPOSITORY / "crates" / "server" / "console" / "socket.js"
SECONDS = 220
HINT = "apt-get install chromium"


async def suite(checks):
    settings = {
        "chromium": harness.tool("chromium", "chromium-browser", hint=HINT),
        "sandbox": os.getuid() != 0,
        "binary": harness.binary(),
        "module": str(MODULE),
    }
    await harness.run_node(HERE / "checks.mjs", settings, checks, seconds=SECONDS)


if __name__ == "__main__":
    harness.enter_venv()
    harness.binary()
    sys.exit(harness.run_suite(suite))
