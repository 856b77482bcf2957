#!/usr/bin/env python3
"""Clients and servers of other authors against the built binary.

    HOLDWIRE_BIN=target/release/holdwire conformance/peers/run.py [--only server|client]

Python `websockets` and `aiohttp`, npm `ws` and Node's own WebSocket drive `holdwire serve`; the
servers of the first three are driven by `holdwire connect` and the TypeScript `Socket`, and examined
by `holdwire check`; two of them are killed and started again under `holdwire connect --reconnect`.
"""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

HERE = Path(__file__).resolve().parent
MODULE = harness.REPOSITORY / "crates" / "server" / "console" / "socket.js"
NODE_SECONDS = 300


async def check_our_server(checks, certificate):
    """Every client library against `holdwire serve`."""
    import classic_request
    import keepalive
    import python_clients as python

    options = [*python.LIMIT, "--subprotocol", "chat", "--subprotocol", "superchat"]
    async with (
        harness.serve(*options, checks=checks) as served,
        harness.serve(certificate=certificate, checks=checks) as secured,
    ):
        await checks.run("the classic request, literally", classic_request.check, served.port)
        for client in (python.WebsocketsClient, python.AiohttpClient):
            trust = certificate.client_context()
            await python.check_client(checks, client, served, secured, trust)
        name = "websockets client: text that is not UTF-8: 1007"
        await checks.run(name, python.closed_for_utf8, served.url("/echo"))
        settings = {
            "root": served.url("/"),
            "echo": served.url("/echo"),
            "nowhere": served.url("/nowhere"),
            "secured": secured.url("/echo", host="localhost"),
            "authority": str(certificate.authority),
            "longest": python.LONGEST_MESSAGE,
        }
        script = HERE / "node_clients.mjs"
        await harness.run_node(script, settings, checks, seconds=NODE_SECONDS)
    await keepalive.check_our_server(checks)


async def check_our_client(checks, certificate):
    """`holdwire connect`, `holdwire check` and `Socket` against every server library."""
    import keepalive
    from doctor import check_doctor
    from returning_line import check_returning_line
    from terminal_client import check_terminal_client

    await check_terminal_client(checks, certificate)
    await check_returning_line(checks)
    await check_doctor(checks, certificate)
    await keepalive.check_our_clients(checks, MODULE)


async def suite(checks, only):
    from certificates import certificate

    with certificate() as fresh:
        if only in (None, "server"):
            await check_our_server(checks, fresh)
        if only in (None, "client"):
            await check_our_client(checks, fresh)


if __name__ == "__main__":
    harness.enter_venv()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["server", "client"], help="which side of ours is tested")
    harness.binary()
    only = parser.parse_args().only
    sys.exit(harness.run_suite(lambda checks: suite(checks, only)))
