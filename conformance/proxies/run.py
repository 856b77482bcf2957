#!/usr/bin/env python3
"""The built binary behind nginx and haproxy, its client through a CONNECT proxy, and what
`holdwire check` says of them all.

    HOLDWIRE_BIN=target/release/holdwire conformance/proxies/run.py
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402
from harness import expect_equal  # noqa: E402

# What visitors see; the proxy's own port is no part of it, as behind port 80.
NAME = "app.example"
ORIGIN = f"http://{NAME}"
GREETING = "Information from the server"
TIMEOUT = ["--timeout", "10s"]


def open_front(port, path, *, deflate=False, origin=None, tls=None, headers=None):
    """A visitor's connection: to the proxy's port, with the public name as Host."""
    import websockets

    return websockets.connect(
        f"{'wss' if tls else 'ws'}://{NAME}{path}",
        host="127.0.0.1",
        port=port,
        ssl=tls,
        compression="deflate" if deflate else None,
        origin=origin,
        additional_headers=headers,
        max_size=None,
        proxy=None,
    )


async def echoes(port, deflate):
    messages = ["Hello WebSockets!", "", "心跳 🦀", b"", bytes(range(256)) * 4096]
    async with open_front(port, "/echo", deflate=deflate) as socket:
        names = [extension.name for extension in socket.protocol.extensions]
        expect_equal(names, ["permessage-deflate"] if deflate else [], "extensions")
        for message in messages:
            await socket.send(message)
            expect_equal(await socket.recv(), message, "message")
        await (await socket.ping(b"through"))
        await socket.close(3001, "done")
        expect_equal(socket.close_code, 3001, "close code")


async def greets(port, origin, **options):
    async with open_front(port, "/", origin=origin, **options) as socket:
        expect_equal(await socket.recv(), GREETING, "greeting")


async def refuses(port, origin, **options):
    import websockets

    try:
        async with open_front(port, "/", origin=origin, **options):
            raise AssertionError("the handshake was accepted")
    except websockets.InvalidStatus as error:
        expect_equal(error.response.status_code, 403, "status")


async def gets_page(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    expect_equal(answer.split(b"\r\n")[0], b"HTTP/1.1 200 OK", "status")
    expect_equal(b"<!doctype html" in answer.lower(), True, "a page")


async def check_front(checks, title, port):
    """What must work behind every reverse proxy."""
    await checks.run(f"{title}: echo, ping, close", echoes, port, False)
    await checks.run(f"{title}: the same with deflate", echoes, port, True)
    await checks.run(f"{title}: no Origin", greets, port, None)
    await checks.run(f"{title}: its own Origin", greets, port, ORIGIN)
    await checks.run(f"{title}: a foreign Origin: 403", refuses, port, "http://evil.example")
    lookalike = f"{ORIGIN}.evil.example"
    await checks.run(f"{title}: a lookalike Origin: 403", refuses, port, lookalike)
    await checks.run(f"{title}: the page", gets_page, port)


async def check_reverse_proxies(checks, certificate):
    import front

    named = ["--host", NAME, "--max-message", "2MiB"]
    trusting = [*named, "--trusted-proxy", "127.0.0.1/32"]
    async with harness.serve(*trusting, checks=checks) as served:
        async with front.nginx(served.port, front.FORWARDED) as port:
            await check_front(checks, "nginx, X-Forwarded-*", port)
        async with front.nginx(served.port, front.FORWARDED, certificate) as port:
            tls = certificate.client_context()
            title = "nginx with TLS, X-Forwarded-*"
            secure = f"https://{NAME}"
            await checks.run(f"{title}: its own Origin", lambda: greets(port, secure, tls=tls))
    async with harness.serve(*named, checks=checks) as served:
        async with front.nginx(served.port, front.SAME_HOST) as port:
            await check_front(checks, "nginx, Host $host", port)
        async with front.haproxy(served.port) as port:
            await check_front(checks, "haproxy", port)
        # Nobody was trusted: what a visitor claims about itself changes nothing.
        claim = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
        name = "forwarding headers of a stranger are not believed: 403"
        foreign = "http://evil.example"
        await checks.run(name, lambda: refuses(served.port, foreign, headers=claim))


async def goes_through(proxy, port, url, *options):
    """The client talks to the server, and the proxy logged the tunnel."""
    before = proxy.log.read_text().count("CONNECT ")
    ended = await harness.connect(
        url, "--proxy", port, "--send", "心跳", "--expect", "心跳", *TIMEOUT, *options
    )
    ended.succeeded()
    expect_equal(proxy.log.read_text().count("CONNECT ") > before, True, "a tunnel in the log")


async def is_stopped(url, proxy_url):
    ended = await harness.connect(
        url, "--proxy", proxy_url, "--send", "x", "--expect", "x", *TIMEOUT
    )
    expect_equal(ended.code != 0, True, "a failing exit code")
    shown = "407" in ended.err or "401" in ended.err
    expect_equal(shown, True, f"the proxy's status in {ended.err!r}")


async def check_connect_proxy(checks, certificate):
    import front

    async with (
        harness.serve(checks=checks) as served,
        harness.serve(certificate=certificate, checks=checks) as secured,
    ):
        plain, secure = served.url("/echo"), secured.url("/echo", host="localhost")
        trust = ["--cacert", certificate.authority]
        async with front.tinyproxy() as (port, proxy):
            address = f"http://127.0.0.1:{port}"
            await checks.run("tinyproxy: ws", goes_through, proxy, address, plain)
            await checks.run("tinyproxy: wss", goes_through, proxy, address, secure, *trust)
            deflate = "--deflate"
            await checks.run("tinyproxy: deflate", goes_through, proxy, address, plain, deflate)
        async with front.tinyproxy("visitor", "s3cret") as (port, proxy):
            known = f"http://visitor:s3cret@127.0.0.1:{port}"
            wrong = f"http://visitor:guess@127.0.0.1:{port}"
            nobody = f"http://127.0.0.1:{port}"
            title = "tinyproxy with credentials"
            await checks.run(f"{title}: ws", goes_through, proxy, known, plain)
            await checks.run(f"{title}: wss", goes_through, proxy, known, secure, *trust)
            await checks.run(f"{title}: wrong ones are refused", is_stopped, plain, wrong)
            await checks.run(f"{title}: none are refused", is_stopped, plain, nobody)


async def names(port, expected, warnings, *options, url=None):
    """The doctor names what the proxy changed, and warns of what hurts."""
    url = url or f"ws://localhost:{port}/echo/headers"
    code, report = await harness.check(url, "--pings", 3, *options)
    expect_equal(code, 0, f"exit code, with {report['findings']}")
    changes = report["changes"]
    fields = {
        kind: sorted(field["name"] for field in changes[kind])
        for kind in ("added", "removed", "changed")
    }
    expect_equal(fields, {"added": [], "removed": [], "changed": []} | expected, "changes")
    warned = [found["id"] for found in report["findings"] if found["level"] == "warning"]
    expect_equal(warned, warnings, "warnings")


async def is_cut(port, seconds):
    """The doctor sees when and how the proxy cuts a silent connection."""
    url = f"ws://localhost:{port}/echo/headers"
    _, report = await harness.check(url, "--pings", 2, "--idle", "20s", seconds=40)
    idle = report["idle"]
    expect_equal(idle["cut"]["transport"], "fin", "the end of the transport")
    expect_equal(idle["cut"]["close_frame"], False, "a Close frame")
    expect_equal(seconds - 1 < idle["silence_ms"] / 1000 < seconds + 10, True, f"{idle}")


async def is_no_way(url):
    """A proxy that was not told of WebSocket is found out."""
    code, report = await harness.check(url)
    expect_equal((code, report["trouble"]["kind"]), (1, "refused"), "exit code and trouble")
    expect_equal("Upgrade" in report["findings"][0]["advice"], True, "the advice")


async def check_doctor(checks, certificate):
    import front

    forwarded = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
    async with harness.serve(checks=checks) as served:
        await checks.run("check: nothing between", names, served.port, {}, [])
        async with front.nginx(served.port, "") as port:
            changed = {"changed": ["host"]}
            await checks.run("check: nginx, Host lost", names, port, changed, ["proxy_host"])
            reflect = ["--reflect", f"ws://localhost:{port}/echo/headers"]
            own = f"ws://localhost:{port}/"
            name = "check: nginx, told by another endpoint"
            await checks.run(
                name, lambda: names(port, changed, ["proxy_host"], *reflect, url=own)
            )
        async with front.nginx(served.port, front.FORWARDED) as port:
            expected = {"added": forwarded, "changed": ["host"]}
            await checks.run("check: nginx, X-Forwarded-*", names, port, expected, [])
        async with front.nginx(served.port, "", certificate) as port:
            url = f"wss://localhost:{port}/echo/headers"
            trust = ["--cacert", certificate.authority]
            await checks.run(
                "check: nginx with TLS",
                lambda: names(port, {"changed": ["host"]}, ["proxy_host"], *trust, url=url),
            )
        async with front.nginx(served.port, front.NO_OFFER) as port:
            expected = {"removed": ["sec-websocket-extensions"]}
            warnings = ["proxy_extensions"]
            await checks.run("check: nginx without deflate", names, port, expected, warnings)
        async with front.nginx(served.port, front.IMPATIENT) as port:
            await checks.run("check: nginx, cut after 2 s", is_cut, port, 2, seconds=50)
        async with front.haproxy(served.port) as port:
            await checks.run("check: haproxy", names, port, {}, [])
        async with front.haproxy(served.port, backend="  option forwardfor") as port:
            expected = {"added": ["x-forwarded-for"]}
            await checks.run("check: haproxy, forwardfor", names, port, expected, [])
        async with front.haproxy(served.port, tunnel="2s") as port:
            await checks.run("check: haproxy, cut after 2 s", is_cut, port, 2, seconds=50)
        async with front.nginx(served.port, front.NO_UPGRADE) as port:
            url = f"ws://localhost:{port}/echo"
            await checks.run("check: nginx that was not told", is_no_way, url)
        async with front.tinyproxy() as (port, _):
            through = ["--proxy", f"http://127.0.0.1:{port}"]
            await checks.run("check: tinyproxy", names, served.port, {}, [], *through)


async def suite(checks):
    from certificates import certificate

    with certificate(NAME) as fresh:
        await check_reverse_proxies(checks, fresh)
        await check_connect_proxy(checks, fresh)
        await check_doctor(checks, fresh)


if __name__ == "__main__":
    harness.enter_venv()
    harness.binary()
    sys.exit(harness.run_suite(suite))
