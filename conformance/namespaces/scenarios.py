"""Every scenario of the suite with its name, which is a sentence about behaviour."""

from functools import partial

from attempts import meet_silence
from loss import CHROMIUM, CUTS, LINE, PAGE, SOCKET, TERMINAL, cut_and_mend, never_reads
from slow import BELOW, BEYOND, takes_a_long_queue

MATRIX = {
    TERMINAL: [("drop", "idle"), ("link", "flowing")],
    LINE: [
        ("drop", "idle"),
        ("drop", "flowing"),
        ("drop", "full queue"),
        ("link", "idle"),
        ("link", "flowing"),
        ("to server", "flowing"),
        ("to client", "flowing"),
    ],
    SOCKET: [
        ("drop", "idle"),
        ("drop", "flowing"),
        ("drop", "full queue"),
        ("link", "idle"),
        ("to server", "flowing"),
        ("to client", "flowing"),
    ],
    CHROMIUM: [
        ("drop", "idle"),
        ("drop", "flowing"),
        ("link", "idle"),
    ],
    PAGE: [("drop", "idle")],
}

ATTEMPTING = [LINE, SOCKET]


def scenarios(pictures=None):
    """Names and functions, which take the table of bounds; pictures of the page go to a folder."""
    for client, cuts in MATRIX.items():
        end = "comes back once" if client.back else "ends"
        for how, traffic in cuts:
            name = f"{client.name}, {CUTS[how]}, {traffic}: both ends notice in time, the client {end}"
            into = pictures if client is PAGE else None
            yield name, partial(cut_and_mend, client=client, how=how, traffic=traffic, pictures=into)
    yield "peer that never reads and answers no ping is ended in time", partial(never_reads, burst=0)
    yield (
        "peer that never reads, with a full queue, is ended in time",
        partial(never_reads, burst=8 << 20),
    )
    for shaped, what in ((True, "the wire"), (False, "the peer's reading")):
        for messages, queue in ((BELOW, "a long queue"), (BEYOND, "more than the queue holds")):
            yield (
                f"peer that lives is kept while {what} takes {queue} at 64 KiB/s",
                partial(takes_a_long_queue, messages=messages, shaped=shaped),
            )
    for how, what in (("syn", "the first packet"), ("to client", "the answer to the first packet")):
        for client in ATTEMPTING:
            yield (
                f"{client.name}, attempts lose {what}: each ends in time, then one connection lives",
                partial(meet_silence, client=client, how=how),
            )
