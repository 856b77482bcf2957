"""What every peer test needs: the program under test, a free port, one line a check.

The program is the built binary that the environment variable HOLDWIRE_BIN names. Scripts re-enter
themselves under the virtual environment of HOLDWIRE_VENV (default: target/venv in the repository),
where the packages of requirements.txt are.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parent
REPOSITORY = CONFORMANCE.parent
START_SECONDS = 20
STOP_SECONDS = 5
CHECK_SECONDS = 30


def enter_venv():
    """Runs the script again with the virtual environment's Python, unless that one is running.

    From here on SIGTERM unwinds like SIGINT, so that every started process is ended.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(os.environ.get("HOLDWIRE_VENV") or REPOSITORY / "target" / "venv")
    python = home / "bin" / "python"
    if Path(sys.prefix).resolve() == home.resolve():
        return
    if not python.exists():
        raise SystemExit(
            f"{python} is missing: python3 -m venv {home} && "
            f"{python} -m pip install -r {CONFORMANCE / 'requirements.txt'}"
        )
    os.execv(python, [str(python), *sys.argv])


def binary():
    """The program under test."""
    path = os.environ.get("HOLDWIRE_BIN")
    if not path or not os.access(path, os.X_OK):
        raise SystemExit("set HOLDWIRE_BIN to the built holdwire binary")
    return str(Path(path).resolve())


def packaged():
    """The browser's module of the npm package, built from the present sources."""
    client = REPOSITORY / "client"
    module = client / "dist" / "client.js"
    newest = max(source.stat().st_mtime for source in client.glob("src/*.ts"))
    if not module.exists() or module.stat().st_mtime < newest:
        subprocess.run(["node", client / "scripts" / "build.mjs"], check=True)
    return module


def tool(*names, hint):
    """The first of `names` that is installed; system directories are searched also without PATH."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise SystemExit(f"{names[0]} is not installed: {hint}")


def clean_environment():
    """The environment without our own variables: the program reads HOLDWIRE_* as its settings."""
    ours = ("HOLDWIRE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    return {k: v for k, v in os.environ.items() if not k.upper().startswith(ours)}


def free_port():
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def has_ipv6():
    """Tells whether this machine has an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        return False
    return True


class Checks:
    """Runs named checks, prints one line for each, and counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def record(self, name, problem=None):
        """Counts one result; `problem` is the reason of a failure."""
        if problem is None:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {name}: {problem}", flush=True)

    async def run(self, name, function, *arguments, seconds=CHECK_SECONDS):
        """Awaits `function(*arguments)`; an exception or the time limit is a failure."""
        try:
            await asyncio.wait_for(function(*arguments), seconds)
        except TimeoutError:
            self.record(name, f"not done within {seconds} s")
        except Exception as error:  # every kind of failure becomes one line
            self.record(name, f"{type(error).__name__}: {error}"[:600])
        else:
            self.record(name)

    def finish(self):
        """Prints the closing line; the result is the exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.passed and not self.failed else 1


def run_suite(suite):
    """Runs `suite(checks)` whole; whatever stops it early is a failed check. Gives the exit code."""
    checks = Checks()
    try:
        asyncio.run(suite(checks))
    except Exception as error:  # the closing line comes in any case
        checks.record("the suite ran to its end", f"{type(error).__name__}: {error}")
    return checks.finish()


def expect_equal(actual, expected, what="value"):
    """Fails a check with both values in the message."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r:.200}, got {actual!r:.200}")


@dataclasses.dataclass
class Process:
    """A child process in its own session, its output in a file."""

    child: asyncio.subprocess.Process
    log: Path

    def tail(self):
        """The last lines that the process wrote."""
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])

    async def stop(self, sign=signal.SIGINT):
        """Asks it to end, then makes it end."""
        if self.child.returncode is None:
            self.child.send_signal(sign)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.child.wait(), STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        return await self.child.wait()


@contextlib.asynccontextmanager
async def running(*command, sign=signal.SIGINT, cwd=None):
    """Starts a background program and ends it, with all its children, at the end of the block."""
    handle, name = tempfile.mkstemp(prefix="holdwire-", suffix=".log")
    with os.fdopen(handle, "wb") as output:
        child = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=clean_environment(),
            cwd=cwd,
            start_new_session=True,
        )
    process = Process(child, Path(name))
    try:
        yield process
    finally:
        await process.stop(sign)
        process.log.unlink(missing_ok=True)


async def wait_until(ready, process, what):
    """Polls `ready()` in a thread until it is true, the process ended or the time is over."""
    deadline = time.monotonic() + START_SECONDS
    while process.child.returncode is None and time.monotonic() < deadline:
        if await asyncio.to_thread(ready):
            return
        await asyncio.sleep(0.05)
    ended = process.child.returncode
    how = "in time" if ended is None else f"but ended with exit code {ended}"
    raise RuntimeError(f"{what} did not start {how}: {process.tail()}")


def accepts(port):
    """Tells whether something listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclasses.dataclass
class Served:
    """A running `holdwire serve`."""

    port: int
    process: Process
    secure: bool = False

    def url(self, path="/", host="127.0.0.1"):
        """The WebSocket URL of a path."""
        return f"{'wss' if self.secure else 'ws'}://{host}:{self.port}{path}"

    def page(self, path="/", host="127.0.0.1"):
        """The HTTP URL of a path."""
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def serve(*options, port=None, certificate=None, checks=None, ipv6=False, under=()):
    """Runs `holdwire serve` on a free port until the end of the block.

    With `checks`, a server that died meanwhile is a failed check. `under` is a command that starts
    another, such as a tracer.
    """
    port = port or free_port()
    listen = ["--listen", f"127.0.0.1:{port}"]
    if ipv6 and has_ipv6():
        listen += ["--listen", f"[::1]:{port}"]
    tls = certificate.server_options() if certificate else []
    async with running(*under, binary(), "serve", *listen, *tls, *options) as process:
        served = Served(port, process, secure=certificate is not None)
        context = certificate.client_context() if certificate else None

        def ready():
            try:
                url = served.page("/health/ready", host="localhost" if certificate else "127.0.0.1")
                with urllib.request.urlopen(url, timeout=2, context=context) as answer:
                    return answer.status == 200
            except OSError:
                return False

        await wait_until(ready, process, "holdwire serve")
        yield served
        if checks and process.child.returncode is not None:
            checks.record("the server is still up", f"it ended: {process.tail()}")


@dataclasses.dataclass
class Ended:
    """How a run of the terminal client ended."""

    code: int
    out: str
    err: str

    def lines(self):
        """What it printed to standard output."""
        return self.out.splitlines()

    def succeeded(self):
        """Fails the check unless the exit code is 0."""
        if self.code != 0:
            raise AssertionError(f"exit code {self.code}: {(self.err or self.out).strip()[-300:]}")
        return self


async def connect(url, *options, lines=(), seconds=CHECK_SECONDS):
    """Runs `holdwire connect URL`; standard input stays open after `lines` until it ends."""
    return await run_program("connect", url, *options, lines=lines, seconds=seconds)


async def check(url, *options, seconds=CHECK_SECONDS):
    """Runs `holdwire check URL`; gives its exit code and the report."""
    ended = await run_program("check", url, "--json", *options, seconds=seconds)
    if not ended.out:
        raise AssertionError(f"exit code {ended.code}: {ended.err.strip()[-300:]}")
    return ended.code, json.loads(ended.out)


async def run_program(command, url, *options, lines=(), seconds=CHECK_SECONDS):
    """Runs a command of the program with a URL to its end."""
    child = await asyncio.create_subprocess_exec(
        binary(),
        command,
        *map(str, options),
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
        start_new_session=True,
    )
    try:
        if lines:
            child.stdin.write("".join(f"{line}\n" for line in lines).encode())
            await child.stdin.drain()
        readers = asyncio.gather(child.stdout.read(), child.stderr.read(), child.wait())
        out, err, code = await asyncio.wait_for(readers, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
    return Ended(code, out.decode(errors="replace"), err.decode(errors="replace"))


async def run_node(script, settings, checks, *, seconds):
    """Runs a node script that prints one JSON object a check and `{"done": true}` at the end."""
    child = await asyncio.create_subprocess_exec(
        tool("node", hint="Node.js 20 or newer"),
        str(script),
        json.dumps(settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=clean_environment(),
        start_new_session=True,
        limit=1 << 20,
    )
    done = False

    async def read():
        nonlocal done
        async for line in child.stdout:
            report = json.loads(line)
            done = done or report.get("done", False)
            if "name" in report:
                checks.record(report["name"], report.get("problem"))

    problem = None
    try:
        await asyncio.wait_for(read(), seconds)
        if not done:
            problem = f"it ended early with exit code {await child.wait()}"
    except TimeoutError:
        problem = f"not done within {seconds} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
    if problem:
        checks.record(f"{Path(script).name} ran to its end", problem)
