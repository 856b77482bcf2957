"""docs/guide/backends.md, run as it stands: its Django and its Express, in a real browser.

Each file of the guide has its name in its first line. Ports are changed, and nothing else. The page's
line goes through a proxy of ours that is cut while others publish.
"""

import contextlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

GUIDE = harness.REPOSITORY / "docs/guide/backends.md"
SECONDS = 120
HINT = "apt-get install chromium"


def files():
    """The guide's files by their names."""
    found = {}
    for block in re.findall(r"^```\w+\n(.*?)^```", GUIDE.read_text(), re.M | re.S):
        name = re.match(r"(?:#|//|<!--) ([\w./-]+\.\w+)(?: -->)?\n", block)
        if name:
            found[name[1]] = block
    return found


@contextlib.contextmanager
def project(ports):
    """A folder with the guide's files, in which its commands may be given."""
    modules = harness.CONFORMANCE / "node_modules"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for name, text in files().items():
            for port, own in ports.items():
                text = text.replace(port, own)
            if "/" not in name:
                (folder / name).write_text(text)
        for key in ("api-key", "token-key"):
            (folder / key).write_text(secrets.token_hex(32) + "\n")
        shutil.copy(harness.packaged(), folder / "client.js")
        shutil.copy(modules / "centrifuge/dist/centrifuge.js", folder / "centrifuge.js")
        (folder / "node_modules").symlink_to(modules)
        yield folder


async def one(framework, command, checks):
    main, line, app = (str(harness.free_port()) for _ in range(3))
    ports = {
        # In this order: what is left of the port is that of the API.
        "ws://localhost:3000": f"ws://localhost:{line}",
        "localhost:3000": f"127.0.0.1:{main}",
        "localhost:8000": f"localhost:{app}",
        "listen(8000)": f"listen({app})",
    }
    with project(ports) as folder:
        serve = [harness.binary(), "serve", "--config", "holdwire.toml", "--listen", f"127.0.0.1:{main}"]
        command = [app if word == "8000" else word for word in command]
        async with (
            harness.running(*serve, cwd=folder) as server,
            harness.running(*command, cwd=folder) as backend,
        ):
            await harness.wait_until(lambda: harness.accepts(int(main)), server, "holdwire")
            await harness.wait_until(lambda: harness.accepts(int(app)), backend, framework)
            settings = {
                "chromium": harness.tool("chromium", "chromium-browser", hint=HINT),
                "sandbox": os.getuid() != 0,
                "framework": framework,
                "page": f"http://localhost:{app}",
                "line": int(line),
                "server": int(main),
            }
            await harness.run_node(HERE / "checks.mjs", settings, checks, seconds=SECONDS)


async def suite(checks):
    await one("Django", [sys.executable, "app.py", "runserver", "8000", "--noreload"], checks)
    await one("Express", ["node", "app.mjs"], checks)


if __name__ == "__main__":
    harness.enter_venv()
    harness.binary()
    sys.exit(harness.run_suite(suite))
