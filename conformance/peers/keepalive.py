"""Heartbeats of others against ours, ours against theirs, and lines that come back from them."""

import asyncio
import re
import urllib.request
from pathlib import Path

import aiohttp
import harness
import lively_servers
import websockets
from harness import expect_equal

HERE = Path(__file__).resolve().parent
# Long enough for a line on which nobody answers to be ended.
IDLE = 4.0
OURS = ["--heartbeat", "300ms", "--heartbeat-timeout", "2s"]
NODE_SECONDS = 60
SERVERS = {
    "websockets": lively_servers.websockets_server,
    "aiohttp": lively_servers.aiohttp_server,
}


async def keeps_websockets(url, pings):
    every = lively_servers.KEEPALIVE if pings else None
    async with websockets.connect(
        url, ping_interval=every, ping_timeout=lively_servers.PATIENCE, proxy=None
    ) as socket:
        await asyncio.sleep(IDLE)
        await socket.send("still here")
        while await socket.recv() != "still here":
            pass
        if pings:
            expect_equal(socket.latency > 0, True, "its pings were answered")


async def keeps_aiohttp(url, pings):
    # Its patience is half of the interval.
    heartbeat = lively_servers.PATIENCE if pings else None
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, heartbeat=heartbeat) as socket:

            async def read():
                async for message in socket:
                    if message.data == "still here":
                        return True
                return False

            reading = asyncio.create_task(read())
            await asyncio.sleep(IDLE)
            await socket.send_str("still here")
            expect_equal(await asyncio.wait_for(reading, 5), True, "an echo after the pause")


def messages_received(served):
    with urllib.request.urlopen(served.page("/metrics"), timeout=5) as answer:
        text = answer.read().decode()
    return int(re.search(r"^holdwire_messages_received_total (\d+)$", text, re.MULTILINE)[1])


async def answers_the_word(served):
    """The word comes back, and no application sees it; bytes and other texts are its business."""
    before = messages_received(served)
    async with websockets.connect(served.url("/"), ping_interval=None, proxy=None) as socket:
        expect_equal(await socket.recv(), "Information from the server", "greeting")
        for _ in range(3):
            await socket.send("HeartBeat")
            expect_equal(await asyncio.wait_for(socket.recv(), 5), "HeartBeat", "answer")
        for other in ("heartbeat", "HeartBeat ", b"HeartBeat"):
            await socket.send(other)
        await socket.send("HeartBeat")
        expect_equal(await asyncio.wait_for(socket.recv(), 5), "HeartBeat", "the next answer")
        expect_equal(messages_received(served) - before, 3, "messages that the endpoint was given")


async def stays(url, *options):
    """`holdwire connect` sits there for a while, and is still connected."""
    ended = await harness.connect(url, "--no-close", "--timeout", f"{IDLE:.0f}s", *options)
    ended.succeeded()


async def line_comes_back(url, connections):
    """`holdwire connect --reconnect` is dropped twice; what is typed then arrives in order."""
    before = len(connections)
    child = await asyncio.create_subprocess_exec(
        harness.binary(),
        *("connect", "--reconnect", "--linger", "2s", *OURS, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=harness.clean_environment(),
    )
    try:
        for drops, line in enumerate(["first", "second", "third"]):
            while len(connections) - before <= drops:
                await asyncio.sleep(0.02)
            child.stdin.write(f"{line}\n".encode())
            expect_equal((await child.stdout.readline()).decode(), f"{line}\n", "echo")
            if drops < 2:
                child.stdin.write(b"drop\n")
        _, err = await child.communicate(b"")
        expect_equal(len(connections) - before, 3, "connections")
        expect_equal(err.count(b" down: "), 2, f"losses told in {err.decode()!r}")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def node(script, settings, checks):
    await harness.run_node(HERE / script, settings, checks, seconds=NODE_SECONDS)


async def check_our_server(checks):
    """Their keepalive and our heartbeat, each alone and both at once."""
    async with (
        harness.serve(*OURS, checks=checks) as beating,
        harness.serve("--heartbeat", "off", "--no-echo", checks=checks) as quiet,
        harness.serve("--heartbeat", "off", checks=checks) as passive,
    ):
        pauses = []
        for name, keeps in (("websockets", keeps_websockets), ("aiohttp", keeps_aiohttp)):
            for what, served, pings in (
                ("answers our pings", beating, False),
                ("has its own pings answered", passive, True),
                ("and we ping at the same time", beating, True),
            ):
                title = f"{name} client, idle: {what}"
                pauses.append(checks.run(title, keeps, served.url("/"), pings))
        await asyncio.gather(*pauses)
        await checks.run("websockets client: a text heartbeat", answers_the_word, quiet)
        settings = {"beating": beating.url("/"), "passive": passive.url("/"), "idle": IDLE * 1000}
        await node("node_keepalive.mjs", settings, checks)


async def check_our_clients(checks, module):
    """`holdwire connect` and `Socket` against servers that ping and drop."""
    for name, server in SERVERS.items():
        async with server() as (port, connections):
            url = f"ws://127.0.0.1:{port}/"
            await asyncio.gather(
                checks.run(f"{name} server: has its pings answered", stays, url, "--heartbeat", "off"),
                checks.run(f"{name} server: answers our pings", stays, url, *OURS),
            )
            title = f"{name} server: a line is dropped and comes back"
            await checks.run(title, line_comes_back, url, connections)
    async with (
        lively_servers.websockets_server() as (first, _),
        lively_servers.aiohttp_server() as (second, _),
    ):
        settings = {"module": str(module), "websockets": first, "aiohttp": second}
        await node("node_sockets.mjs", settings, checks)
