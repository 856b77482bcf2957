"""What a library would not do: `curl`, and bytes over a socket."""

import asyncio
import contextlib
import json
import signal
import tempfile
from pathlib import Path

import harness
from harness import expect_equal
from world import KEY, OTHER_KEY, Own, fresh

ALL = []
LIMIT = 1 << 20
# A request is to be there within this time, and is sent away soon after.
PATIENCE = 1
SECONDS = 15
HEADER = f"X-API-Key: {KEY}"


def attempt(function):
    """Has a function be one of these."""
    ALL.append(function)
    return function


async def curl(*options, data=None):
    """The status, the header and the body that curl gets."""
    command = [harness.tool("curl", hint="apt-get install curl"), "-sS", "-i", "-m", str(SECONDS), *map(str, options)]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=harness.clean_environment(),
    )
    out, err = await child.communicate(data)
    if not out:
        raise AssertionError(f"curl: exit code {child.returncode}: {err.decode()}")
    return answered(out.decode())


def answered(text):
    """The last response of a text that is not an interim one."""
    head, _, rest = text.partition("\r\n\r\n")
    lines = head.split("\r\n")
    status = int(lines[0].split()[1])
    if status < 200:
        return answered(rest)
    fields = [line.split(": ", 1) for line in lines[1:]]
    return status, {name.lower(): value for name, value in fields}, rest


async def info(url, *options):
    """The status of a call that needs nothing, and the code of its error."""
    status, _, body = await curl(*options, "-d", "{}", f"{url}/info")
    return status, json.loads(body).get("error", {}).get("code")


@attempt
async def key_comes_in_either_header_and_nowhere_else(served, url):
    for options, wanted in [
        (("-H", HEADER), (200, None)),
        (("-H", f"X-API-Key: {OTHER_KEY}"), (200, None)),
        (("-H", f"Authorization: apikey {KEY}"), (200, None)),
        (("-H", f"Authorization: Bearer {KEY}"), (401, 103)),
        (("-u", f"apikey:{KEY}"), (401, 103)),
        (("-H", f"Cookie: X-API-Key={KEY}"), (401, 103)),
        (("-H", f"{HEADER}0"), (401, 103)),
        (("-H", HEADER[:-1]), (401, 103)),
        ((), (401, 103)),
    ]:
        expect_equal(await info(url, *options), wanted, " ".join(options))
    status, head, _ = await curl("-d", "{}", f"{url}/info?api_key={KEY}")
    expect_equal((status, head.get("www-authenticate")), (401, "apikey"), "the key in the URL")


@attempt
async def body_beyond_the_limit_is_refused(served, url):
    with tempfile.NamedTemporaryFile() as large:
        large.write(b'{"channel":"chat:a","data":"' + b"x" * LIMIT + b'"}')
        large.flush()
        for more in (("-H", "Expect: 100-continue"), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked")):
            status, _, body = await curl("-H", HEADER, *more, "--data-binary", f"@{large.name}", f"{url}/publish")
            expect_equal((status, json.loads(body)["error"]["code"]), (413, 107), more[1])
    expect_equal(await info(url, "-H", HEADER), (200, None), "the next call")


@attempt
async def body_within_the_limit_is_taken_however_it_comes(served, url):
    for number, (size, more) in enumerate([
        (10, "Transfer-Encoding: chunked"),
        (LIMIT // 2, "Transfer-Encoding: chunked"),
        (LIMIT // 2, "Expect: 100-continue"),
        (LIMIT // 2, "Expect:"),
    ], 1):
        channel = fresh("bare")
        asked = json.dumps({"channel": channel, "data": "x" * size}).encode()
        status, _, body = await curl("-H", HEADER, "-H", more, "--data-binary", "@-", f"{url}/publish", data=asked)
        expect_equal((status, json.loads(body)["result"]["offset"]), (200, 1), more)


@attempt
async def publication_is_known_by_its_header(served, url):
    asked = json.dumps({"channel": fresh(), "data": 1})
    again = ("-H", HEADER, "-H", "Idempotency-Key: k", "-d", asked, f"{url}/publish")
    first, second = await curl(*again), await curl(*again)
    expect_equal(json.loads(second[2]), json.loads(first[2]), "the answer")
    other = json.dumps(json.loads(asked) | {"idempotency_key": "other"})
    status, _, _ = await curl("-H", HEADER, "-H", "Idempotency-Key: k", "-d", other, f"{url}/publish")
    expect_equal(status, 409, "two names that differ")


@attempt
async def connection_serves_call_after_call(served, url):
    call = ("-H", HEADER, "-d", "{}", f"{url}/info")
    options = ("-w", "%{num_connects}\n")
    command = [harness.tool("curl", hint="apt-get install curl"), "-sS", *options, *call, "--next", "-sS", *options, *call]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    connects = [line for line in out.decode().splitlines() if not line.startswith("{")]
    expect_equal(connects, ["1", "0"], "connections of each call")


@attempt
async def other_methods_and_paths_are_refused(served, url):
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, head, _ = await curl("-H", HEADER, "-X", method, f"{url}/publish")
        expect_equal((status, head.get("allow")), (405, "POST"), method)
    status, _, _ = await curl("-H", HEADER, "--head", f"{url}/publish")
    expect_equal(status, 405, "HEAD")
    status, _, body = await curl("-H", HEADER, "-d", "{}", f"{url}/nothing")
    expect_equal((status, json.loads(body)["error"]["code"]), (404, 104), "an unknown method")
    for body in ("", "[]", "null", "{", '{"channel":"chat:a"', "\xff"):
        status, _, said = await curl("-H", HEADER, "--data-binary", body, f"{url}/presence")
        expect_equal((status, json.loads(said)["error"]["code"]), (400, 107), repr(body))


@attempt
async def page_of_another_site_is_told_nothing_of_origins(served, url):
    origin = ("-H", "Origin: https://example.com")
    asks = ("-H", "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: x-api-key")
    for options in ((*origin, "-H", HEADER, "-d", "{}"), (*origin, *asks, "-X", "OPTIONS")):
        _, head, _ = await curl(*options, f"{url}/info")
        named = [name for name in head if name.startswith("access-control")]
        expect_equal(named, [], "fields about origins")


@contextlib.asynccontextmanager
async def half_a_call(served, announced):
    """A connection on which half of a call has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST /api/info HTTP/1.1\r\nHost: localhost\r\n{HEADER}\r\n{announced}"
    writer.write(head.encode())
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.close()


@attempt
async def body_that_never_comes_is_not_waited_for(served, url):
    for announced in ("Content-Length: 10\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"):
        async with half_a_call(served, announced) as (reader, _):
            # What is said of it may be an error, or nothing.
            said = await asyncio.wait_for(reader.read(), SECONDS)
            expect_equal(said[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408"), True, f"{announced!r}: {said}")


@attempt
async def calls_are_counted(served, url):
    await info(url, "-H", HEADER)
    await info(url)
    _, _, said = await curl(served.page("/metrics"))
    for labels in ('method="info",outcome="ok"', 'method="publish",outcome="refused"', 'outcome="unauthorized"'):
        name = "holdwire_api_calls_total{"
        rows = [line for line in said.splitlines() if line.startswith(name) and labels in line]
        if not rows:
            raise AssertionError(f"{labels} is not in /metrics")


def holds_no_key(served):
    """Fails when a key is in what the server has logged."""
    log = served.process.log.read_text(errors="replace")
    if "called" not in log:
        raise AssertionError("calls are not logged")
    for key in (KEY, OTHER_KEY):
        if key in log:
            raise AssertionError("a key is in the log")


async def listener_of_its_own(options):
    """With `api-listen`, backends call there and nowhere else, and nobody else comes there."""
    port = harness.free_port()
    async with harness.serve(*options, "--api-listen", f"127.0.0.1:{port}") as served:
        own = f"http://127.0.0.1:{port}"
        expect_equal(await info(f"{own}/api", "-H", HEADER), (200, None), "a call there")
        for path in ("/api/info", "/api/openapi.json"):
            status, _, _ = await curl("-H", HEADER, served.page(path))
            expect_equal(status, 404, f"{path} where everybody is")
        status, _, _ = await curl("-H", HEADER, "-d", "{}", served.page("/api/info"))
        expect_equal(status in (404, 405), True, "a call where everybody is")
        for path in ("/", "/chat", "/metrics", "/health/ready", "/connection", "/ws/chat:a"):
            status, _, _ = await curl(f"{own}{path}")
            expect_equal(status, 404, f"{path} where backends are")
        status, _, _ = await curl(served.page("/health/ready"))
        expect_equal(status, 200, "the pages")
        channel = fresh()
        async with Own.of(served, "ann", channel) as session:
            asked = json.dumps({"channel": channel, "data": 1})
            await curl("-H", HEADER, "-d", asked, f"{own}/api/publish")
            await session.is_told("publication", data=1)


async def listener_ends_with_its_server(options):
    """SIGTERM ends both listeners."""
    port = harness.free_port()
    async with harness.serve(*options, "--api-listen", f"127.0.0.1:{port}", "--drain", "1s") as served:
        served.process.child.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(served.process.child.wait(), SECONDS)
        expect_equal((code, harness.accepts(port)), (0, False), "the end")


async def refuses_to_start(options):
    """A file without a good key is one line that says nothing of what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        for text in ("", "# none\n", "short-secret\n", "a secret with spaces\n", None):
            keys.unlink(missing_ok=True)
            if text is not None:
                keys.write_text(text)
            command = [harness.binary(), "serve", "--listen", "127.0.0.1:0", "--api-key-file", str(keys)]
            async with harness.running(*command) as process:
                code = await asyncio.wait_for(process.child.wait(), SECONDS)
                said = process.log.read_text()
            expect_equal((code, len(said.splitlines())), (2, 1), f"{text!r}: {said}")
            expect_equal(("api-key-file" in said, "secret" in said), (True, False), said)


async def check(checks, options):
    """Each of these with `curl`."""
    patience = ["--handshake-timeout", f"{PATIENCE}s"]
    async with harness.serve(*options, *patience, checks=checks, under=("env", "RUST_LOG=debug")) as served:
        for function in ALL:
            name = f"curl: {function.__name__.replace('_', ' ')}"
            await checks.run(name, function, served, served.page("/api"), seconds=60)
        await checks.run("no key is in the log", asyncio.to_thread, holds_no_key, served)
    await checks.run("api-listen: backends only there, the rest only elsewhere", listener_of_its_own, options)
    await checks.run("api-listen ends with its server", listener_ends_with_its_server, options)
    await checks.run("file without a good key: one line, exit 2", refuses_to_start, options)
