"""`holdwire check` against the servers of three other libraries: what it must find out of each."""

import harness
import python_servers
from harness import expect_equal
from terminal_client import node_server

# What these libraries answer to a version that does not exist; 426 is meant for it.
WRONG_VERSION = 400


def findings(report, level):
    """The names of the findings of a level."""
    return [found["id"] for found in report["findings"] if found["level"] == level]


async def sound(url):
    """A server that does all as it should, and is asked for all."""
    asked = ["--pings", 5, "--echo", "--max-message", "64KiB", "--idle", "500ms"]
    code, report = await harness.check(url, *asked)
    expect_equal(code, 0, f"exit code, with {report['findings']}")
    expect_equal(findings(report, "broken"), [], "what is broken")
    expect_equal(len(report["pings"]["times_ms"]), 5, "pongs")
    expect_equal(report["agreed"]["deflate"], True, "compression")
    for kind in ("text", "binary", "compressed"):
        expect_equal(list(report["echo"][kind]), ["echoed"], f"the fate of the {kind} message")
    expect_equal(report["largest"]["accepted"], 64 * 1024, "the largest message")
    expect_equal(report["closing"]["code"], 1000, "the code that came back")
    expect_equal(report["version"]["status"], WRONG_VERSION, "the answer to a wrong version")
    expect_equal(report["origin"]["status"], 101, "the answer to a foreign Origin")
    expect_equal(report["idle"]["silently_cut"], False, "a silent cut")
    expect_equal(report["idle"]["cut"], None, "a cut")
    expect_equal(report["changes"], None, "what proxies changed")


async def warned_of_foreign_pages(url):
    code, report = await harness.check(url, "--pings", 2, "--header", "Cookie: who=ann")
    expect_equal(code, 0, "exit code")
    expect_equal("foreign_origin" in findings(report, "warning"), True, "a warning")


async def takes_pings_amiss(url):
    """This server was told not to answer pings, and ends when one comes."""
    code, report = await harness.check(url)
    expect_equal(code, 1, "exit code")
    expect_equal(findings(report, "broken"), ["ended"], "what is broken")
    expect_equal(report["pings"]["times_ms"], [], "pongs")


async def closed_at_once(url):
    code, report = await harness.check(url)
    expect_equal(code, 1, "exit code")
    expect_equal(report["pings"]["ended"]["code"], 3005, "close code")
    expect_equal(findings(report, "broken"), ["ended"], "what is broken")


async def refused(url):
    code, report = await harness.check(url)
    expect_equal(code, 1, "exit code")
    expect_equal(report["trouble"]["status"], 403, "status")


async def distrusts(url, authority):
    code, report = await harness.check(url)
    expect_equal((code, report["trouble"]["kind"]), (1, "tls"), "exit code and trouble")
    names = report["way"]["tls"]["certificate"]["names"]
    expect_equal("localhost" in names, True, f"localhost in {names}")
    _, report = await harness.check(url, "--pings", 2, "--cacert", authority)
    expect_equal(report["trouble"], None, "trouble with a trusted authority")


async def check_doctor(checks, certificate):
    """Every check against every server."""
    tls = {"key": str(certificate.key), "chain": str(certificate.chain)}
    context = certificate.server_context()
    for name, serve, plain, secure in (
        ("websockets", python_servers.websockets_server, [], [context]),
        ("aiohttp", python_servers.aiohttp_server, [], [context]),
        ("npm ws", node_server, [{}], [tls]),
    ):
        title = f"{name} server, check:"
        async with serve(*plain) as (port, _):
            base = f"ws://127.0.0.1:{port}"
            echo = f"{base}/echo"
            if serve is python_servers.aiohttp_server:
                await checks.run(f"{title} pings end it", takes_pings_amiss, echo)
            else:
                await checks.run(f"{title} all is well", sound, echo)
                await checks.run(f"{title} a cookie for anybody", warned_of_foreign_pages, echo)
            await checks.run(f"{title} closed at once", closed_at_once, f"{base}/bye")
            await checks.run(f"{title} refused", refused, f"{base}/refused")
        async with serve(*secure) as (port, _):
            url = f"wss://localhost:{port}/echo"
            await checks.run(f"{title} certificate", distrusts, url, certificate.authority)
