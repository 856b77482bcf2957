"""The examples of docs/guide/api.md, each run as it stands, and what the guide says comes of it."""

import asyncio
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import harness
from world import SECONDS, Own

GUIDE = harness.REPOSITORY / "docs" / "guide" / "api.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "localhost:3000"
# What is another one each time.
VARIES = ("epoch", "uid", "version", "client", "uptime")
CLIENT = re.compile(r"[0-9a-f]{32}")


def leveled(value, name=None):
    """A value without what is another one each time."""
    if isinstance(value, dict):
        return {CLIENT.sub("CLIENT", key): leveled(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [leveled(member) for member in value]
    return type(value).__name__ if name in VARIES else value


def answers(text):
    """What is in a text, one JSON object a line."""
    return [leveled(json.loads(line)) for line in text.splitlines() if line.strip()]


class Reader:
    """Somebody who types what the guide says, in a folder of their own."""

    def __init__(self, folder, port):
        self.folder = folder
        self.port = port
        self.environment = harness.clean_environment()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "holdwire").symlink_to(harness.binary())
        self.environment["PATH"] = f"{programs}{os.pathsep}{self.environment['PATH']}"
        # Variables that an example has set are there in the next ones.
        self.said = ""

    def here(self, text):
        """The text with this server's address."""
        return text.replace(ADDRESS, f"localhost:{self.port}")

    async def types(self, script):
        """What a script prints; what it sets is set from now on."""
        script = self.here(script)
        lines = [line for line in script.splitlines() if re.match(r"[A-Z]+=", line)]
        out = await self.runs("sh", "-euc", f"{self.said}\n{script}")
        self.said += "\n".join(lines) + "\n" if lines else ""
        return out

    async def runs(self, *command):
        """What a command prints."""
        child = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(child.communicate(), SECONDS)
        if child.returncode:
            raise AssertionError(f"exit code {child.returncode}: {err.decode().strip()[-300:]}")
        return out.decode()


async def is_as_shown(reader, script, shown):
    """Fails unless a script prints what is shown."""
    out = await reader.types(script.replace("curl ", "curl -sS "))
    harness.expect_equal(answers(out), answers(shown), "the answer")


async def runs_in_python(reader, script):
    """Fails unless a script of Python prints a number."""
    out = await reader.runs(sys.executable, "-c", reader.here(script))
    harness.expect_equal(out.strip().isdecimal(), True, f"it printed {out!r}")


def heading(text, at):
    """The heading above a place."""
    return re.findall(r"^#+ (.*)$", BLOCK.sub("", text[:at]), re.MULTILINE)[-1]


async def check(checks):
    """The configuration, the two commands that begin, and each example in turn."""
    text = GUIDE.read_text()
    blocks = [(kind, body, heading(text, at.start())) for at in BLOCK.finditer(text) for kind, body in [at.groups()]]
    (_, config, _), (_, begin, _), *examples = blocks
    make_keys, start = begin.strip().splitlines()
    with tempfile.TemporaryDirectory(prefix="holdwire-guide-") as folder:
        folder, port = Path(folder), harness.free_port()
        (folder / "holdwire.toml").write_text(config)
        reader = Reader(folder, port)
        await reader.types(make_keys)
        options = [str(folder / word) if (folder / word).exists() else word for word in start.split()[2:]]
        async with harness.serve(*options, port=port, checks=checks) as served:
            shown = await reader.types("holdwire token make --config holdwire.toml --user ann")
            async with Own.of(served, None, "chat:lobby", shown=shown.strip()):
                later = None
                for (kind, body, where), (after, answer, _) in zip(examples, [*examples[1:], ("", "", "")]):
                    name = f"guide: {where}"
                    if kind == "sh" and after == "json":
                        await checks.run(name, is_as_shown, reader, body, answer)
                    elif kind == "python":
                        # Its publication would be in the way of the others.
                        later = (name + " (Python)", body)
                    elif kind != "json":
                        checks.record(name, f"a block of {kind} is not tried")
                if later:
                    await checks.run(later[0], runs_in_python, reader, later[1])
