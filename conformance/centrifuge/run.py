#!/usr/bin/env python3
"""SDKs for the Centrifuge client protocol that are not ours, unmodified, against the built binary.

    HOLDWIRE_BIN=target/release/holdwire conformance/centrifuge/run.py [--only WORD] [--kind WORD]

npm `centrifuge` in Node and in Chromium and PyPI `centrifuge-python`, each in JSON and in Protobuf,
feature by feature; then commands that no SDK would send.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

# Checks that run at a time: most of them wait most of the time.
AT_A_TIME = 8
CHECK_SECONDS = 150

NAMESPACES = """
[keys.suite]
secret = "{secret}"

[namespaces.open]
access = "anyone"
history = 20000
history-bytes = "256MiB"
publish = true
presence = true
read-history = true
grace = "1s"

[namespaces.users]
access = "user"
history = 1000
publish = true
presence = true
read-history = true

[namespaces.private]
access = "token"
history = 1000
publish = true
presence = true

[namespaces.brief]
access = "anyone"
history = 5
publish = true
read-history = true

[namespaces.silent]
access = "anyone"
"""


def partner(kind):
    """The kind of the other encoding that talks with this one, of the other language where it can be."""
    return {
        "npm centrifuge, JSON": "Python centrifuge-python, Protobuf",
        "npm centrifuge, Protobuf": "Python centrifuge-python, JSON",
        "Python centrifuge-python, JSON": "npm centrifuge, Protobuf",
        "Python centrifuge-python, Protobuf": "npm centrifuge, JSON",
        "npm centrifuge in Chromium, JSON": "npm centrifuge, Protobuf",
        "npm centrifuge in Chromium, Protobuf": "npm centrifuge, JSON",
    }[kind]


async def suite(checks, options, keep):
    import bad_commands
    import ends
    import features
    import recovery  # noqa: F401 (its features are among the others)
    import sdk

    places = asyncio.Semaphore(AT_A_TIME)

    def wanted(kind, sentence):
        return options.kind in kind and options.only in sentence

    async def check(kind, function, *arguments):
        if not wanted(kind, f"{function.__name__} {features.sentence(function)}"):
            return
        async with places:
            name = f"{kind}: {features.sentence(function)}"
            await checks.run(name, function, *arguments, seconds=CHECK_SECONDS)

    folder = Path(keep.enter_context(tempfile.TemporaryDirectory()))
    config = folder / "holdwire.toml"
    config.write_text(NAMESPACES.format(secret=sdk.SECRET))
    quick = folder / "quick.toml"
    quick.write_text('heartbeat = "1s"\nheartbeat-timeout = "4s"\n' + config.read_text())
    times = ["--heartbeat", "1s", "--heartbeat-timeout", "20s", "--token-leeway", f"{features.LEEWAY}s"]
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(harness.serve("--config", config, *times, checks=checks))
        agents = {}
        for kind in sdk.KINDS:
            agents[kind] = await stack.enter_async_context(sdk.agent(kind))
        await asyncio.gather(
            *[
                check(kind, function, features.Scene(agents[kind], agents[partner(kind)], served))
                for function in features.ALL
                for kind in sdk.KINDS
            ],
            *[check(kind, function, agents[kind], quick) for function in ends.ALL for kind in sdk.KINDS],
        )
    async with harness.serve("--config", config, *times, checks=checks) as served:
        await bad_commands.run(checks, wanted, served)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="WORD", help="features with this in their sentence")
    parser.add_argument("--kind", default="", metavar="WORD", help="SDKs with this in their name")
    options = parser.parse_args()
    with contextlib.ExitStack() as keep:
        return harness.run_suite(lambda checks: suite(checks, options, keep))


if __name__ == "__main__":
    harness.enter_venv()
    harness.binary()
    sys.exit(main())
