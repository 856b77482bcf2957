#!/usr/bin/env python3
"""The Autobahn test suite against the built binary, in both roles, judged strictly.

    HOLDWIRE_BIN=target/release/holdwire conformance/autobahn/run.py --role both

The server role drives `holdwire serve` on /echo; in the client role every case is one
`holdwire connect --echo`. OK is required; INFORMATIONAL passes only where the suite knows no other
verdict. NON-STRICT and UNIMPLEMENTED are failures. --quick leaves out the hour-long compression
cases but for a handful.
"""

import argparse
import asyncio
import collections
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

# Case 9.* sends messages of 16 MiB and of 65,536 fragments.
LIMITS = ["--max-message", "16MiB", "--max-fragments", "65536"]
CASES_BY_GROUP = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}
ALWAYS_INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
WITHOUT_COMPRESSION = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
# Text and binary, both ways of fragmenting, and each of the seven parameter sets.
COMPRESSION_SAMPLE = ["12.1.1", "12.2.5", "12.4.11"] + [f"13.{n}.{n}" for n in range(1, 8)]
CASE_SECONDS = 600
QUICK_SECONDS = 240
WHOLE_SECONDS = 3 * 3600
AGENT = "holdwire"


def expected_count(selection):
    """How many cases the patterns choose, where that is known."""
    if not selection:
        return sum(CASES_BY_GROUP.values())
    total = 0
    for pattern in selection:
        group, _, rest = pattern.partition(".")
        if rest == "*" and group.isdigit():
            total += CASES_BY_GROUP[int(group)]
        elif "*" in pattern:
            return None
        else:
            total += 1
    return total


def kosoku(*arguments):
    """The command line of the suite's runner."""
    return [sys.executable, str(Path(__file__).with_name("suite.py")), *arguments]


def include(selection):
    """The runner's options for a selection; none means all."""
    return [part for pattern in selection for part in ("--include", pattern)]


async def run_server_role(selection, parallel, out):
    """The suite is the client of `holdwire serve`."""
    async with harness.serve(*LIMITS) as served:
        suite = await asyncio.create_subprocess_exec(
            *kosoku("-m", "fuzzingclient", "-p", str(parallel), "-o", str(out)),
            *include(selection),
            served.url("/echo"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await suite.wait()
        finally:
            if suite.returncode is None:
                os.killpg(suite.pid, signal.SIGKILL)
        if served.process.child.returncode is not None:
            raise RuntimeError(f"the server ended: {served.process.tail()}")


async def run_client_role(selection, parallel, out):
    """The suite is the server; each case is one run of `holdwire connect --echo`."""
    import websockets

    command = kosoku("-m", "fuzzingserver", "-o", str(out), *include(selection), "127.0.0.1:0")
    async with harness.running(*command) as suite:
        listening = re.compile(r"listening on (ws://\S+)")
        await harness.wait_until(
            lambda: listening.search(suite.log.read_text()), suite, "the fuzzing server"
        )
        base = listening.search(suite.log.read_text())[1]
        async with websockets.connect(f"{base}/getCaseCount") as control:
            count = int(await control.recv())

        slots = asyncio.Semaphore(parallel)

        async def one(number):
            async with slots:
                url = f"{base}/runCase?case={number}&agent={AGENT}"
                try:
                    await harness.connect(
                        url, "--echo", "--deflate", *LIMITS, seconds=CASE_SECONDS
                    )
                except TimeoutError:
                    print(f"case number {number}: stopped after {CASE_SECONDS} s", flush=True)

        await asyncio.gather(*(one(number) for number in range(1, count + 1)))
        async with websockets.connect(f"{base}/updateReports?agent={AGENT}") as control:
            await control.wait_closed()
        await asyncio.wait_for(suite.child.wait(), harness.CHECK_SECONDS)


def problem_of(case, verdict):
    """Why a case is not good enough, or None."""
    allowed = {"OK", "INFORMATIONAL"} if case in ALWAYS_INFORMATIONAL else {"OK"}
    found = [verdict["behavior"], verdict["behaviorClose"]]
    return None if set(found) <= allowed else " / ".join(found)


def judge(role, out, selection):
    """Reads the report, prints the counts and the failures; returns (passed, failed)."""
    index = out / "index.json"
    if not index.exists():
        print(f"FAIL  {role}: the suite wrote no report")
        return 0, 1
    verdicts = {}
    for agent in json.loads(index.read_text()).values():
        verdicts.update(agent)
    order = sorted(verdicts, key=lambda case: [int(part) for part in case.split(".")])
    problems = {case: problem_of(case, verdicts[case]) for case in order}

    counts = collections.Counter(verdicts[case]["behavior"] for case in order)
    print(f"{role}: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()))
    failed = 0
    for case in order:
        if problems[case]:
            failed += 1
            report = f"{out}/{verdicts[case]['reportfile']}"
            print(f"FAIL  {role} {case}: {problems[case]} ({report})")
    wanted = expected_count(selection)
    if not order or (wanted is not None and len(order) != wanted):
        failed += 1
        print(f"FAIL  {role}: {len(order)} cases were run, {wanted or 'some'} expected")
    return sum(1 for case in order if not problems[case]), failed


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--role", choices=["server", "client", "both"], default="both")
    parser.add_argument("--quick", action="store_true", help="12.* and 13.* by a few samples only")
    parser.add_argument("--cases", action="append", default=[], help="a case or glob; repeatable")
    parser.add_argument("--parallel", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, help="keep the reports in this folder")
    return parser.parse_args()


def main():
    options = arguments()
    harness.binary()
    selection = options.cases or (
        WITHOUT_COMPRESSION + COMPRESSION_SAMPLE if options.quick else []
    )
    out = options.out or Path(tempfile.mkdtemp(prefix="holdwire-autobahn-"))
    limit = QUICK_SECONDS if options.quick else WHOLE_SECONDS
    passed = failed = 0
    for role, run in (("server", run_server_role), ("client", run_client_role)):
        if options.role not in (role, "both"):
            continue
        folder = out / role
        shutil.rmtree(folder, ignore_errors=True)
        started = time.monotonic()
        try:
            asyncio.run(asyncio.wait_for(run(selection, options.parallel, folder), limit))
        except Exception as error:  # whatever stopped the run, the report is still judged
            failed += 1
            print(f"FAIL  {role}: {type(error).__name__}: {error}")
        good, bad = judge(role, folder, selection)
        print(f"{role}: {time.monotonic() - started:.0f} s", flush=True)
        passed, failed = passed + good, failed + bad
    if not options.out and not failed:
        shutil.rmtree(out)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    harness.enter_venv()
    sys.exit(main())
