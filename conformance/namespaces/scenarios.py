"""Every scenario of the suite with its name, which is a sentence about behaviour."""

from functools import partial

from attempts import meet_silence
from loss import CHROMIUM, CUTS, SOCKET, TERMINAL, cut_and_mend, never_reads
from slow import BELOW, BEYOND, takes_a_long_queue

MATRIX = {
    TERMINAL: [("drop", "idle"), ("link", "flowing")],
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
}

ATTEMPTING = [SOCKET]


def scenarios():
    """Names and functions, which take the table of bounds."""
    for client, cuts in MATRIX.items():
        end = "comes back once" if client.returns else "ends"
        for how, traffic in cuts:
            name = f"{client.name}, {CUTS[how]}, {traffic}: both ends notice in time, the client {end}"
            yield name, lambda bounds, c=client, h=how, t=traffic: cut_and_mend(bounds, c, h, t)
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
