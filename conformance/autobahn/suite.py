"""Runs `kosoku` with one repair, then hands over to its command line.

Its cases 12.* and 13.* hash what comes back, and crash ("Strings must be encoded before hashing")
when a message came back uncompressed: the runner hands those over as `str`. A peer may send any
message uncompressed (RFC 7692 §6), and ours does with short ones, so the cases get bytes here.
"""

import functools

from kosoku import _caseindex
from kosoku._cli import main

COMPRESSION_GROUPS = ("12", "13")


def with_bytes(on_message):
    """The same case method, given bytes in any case."""

    @functools.wraps(on_message)
    def repaired(self, message, binary):
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        return on_message(self, message, binary)

    return repaired


def repaired_index(build_index):
    """The index of cases with those of the compression groups repaired."""

    @functools.wraps(build_index)
    def build(*arguments, **options):
        cases, groups = build_index(*arguments, **options)
        for name, case in cases.items():
            if name.split(".")[0] in COMPRESSION_GROUPS:
                case.onMessage = with_bytes(case.onMessage)
        return cases, groups

    return build


if __name__ == "__main__":
    _caseindex.build_index = repaired_index(_caseindex.build_index)
    main()
