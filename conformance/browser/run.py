#!/usr/bin/env python3
"""Headless Chromium against the built binary: its own pages, plain pages, ws and wss, Origin rules.

    HOLDWIRE_BIN=target/release/holdwire conformance/browser/run.py
"""

import contextlib
import functools
import http.server
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

HERE = Path(__file__).resolve().parent
SECONDS = 230
HINT = "apt-get install chromium"
# A name of another site; the browser is told that it lives on this machine.
FOREIGN = "other.test"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the fixtures without a line for each request."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def fixtures():
    """An ordinary web server for the pages in `fixtures/`; yields its port."""
    handler = functools.partial(Quiet, directory=HERE / "fixtures")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


async def suite(checks):
    from certificates import certificate

    limit = ["--max-message", "2MiB"]
    preference = ["--subprotocol", "chat", "--subprotocol", "superchat"]
    with certificate() as fresh, fixtures() as port:
        permitted = ["--origin", f"http://{FOREIGN}:{port}"]
        one = ["--max-connections-per-ip", "1"]
        async with (
            harness.serve(*limit, *preference, checks=checks, ipv6=True) as plain,
            harness.serve(*limit, *preference, checks=checks, ipv6=True, certificate=fresh) as tls,
            harness.serve(*permitted, checks=checks, ipv6=True) as permitting,
            harness.serve(*one, checks=checks, ipv6=True) as full,
            harness.serve(*one, checks=checks, ipv6=True, certificate=fresh) as full_tls,
        ):
            settings = {
                "chromium": harness.tool("chromium", "chromium-browser", hint=HINT),
                "sandbox": os.getuid() != 0,
                "spki": fresh.spki(),
                "foreign": FOREIGN,
                "binary": harness.binary(),
                "fixtures": f"http://localhost:{port}",
                "foreignFixtures": f"http://{FOREIGN}:{port}",
                "files": (HERE / "fixtures").as_uri(),
                "plain": plain.url("", host="localhost"),
                "secure": tls.url("", host="localhost"),
                "permitting": permitting.url("", host="localhost"),
                "full": [full.url("", host="localhost"), full_tls.url("", host="localhost")],
                "plainPage": plain.page("", host="localhost"),
                "securePage": tls.page("", host="localhost"),
                "packaged": str(harness.packaged()),
                "example": (harness.REPOSITORY / "examples/browser/chat.html").as_uri(),
                "spare": harness.free_port(),
                "pictures": str(harness.REPOSITORY / "target" / "browser"),
                "longest": 2 * 1024 * 1024,
            }
            await harness.run_node(HERE / "checks.mjs", settings, checks, seconds=SECONDS)


if __name__ == "__main__":
    harness.enter_venv()
    harness.binary()
    sys.exit(harness.run_suite(suite))
