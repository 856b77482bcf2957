"""Measured times against what the product promises."""

import dataclasses

# Time for a busy machine to notice that a deadline has passed; no part of the promise.
SLACK = 5.0


@dataclasses.dataclass
class Row:
    """One thing that somebody noticed."""

    what: str
    who: str
    seconds: float
    bound: float


class Bounds:
    """Collects the rows of the table, each checked when it comes in."""

    def __init__(self):
        self.rows = []

    def noticed(self, what, who, seconds, bound):
        """Keeps a time; one beyond its bound and the slack is a failure."""
        self.rows.append(Row(what, who, seconds, bound))
        if seconds > bound + SLACK:
            raise AssertionError(f"{who} noticed after {seconds:.1f} s; the bound is {bound:.1f} s")

    def print(self):
        """The table, the slowest of each kind last."""
        if not self.rows:
            return
        width = max(len(row.what) for row in self.rows)
        who = max(len(row.who) for row in self.rows)
        print(f"\n{'what happened':{width}}  {'who':{who}}  after    bound")
        for row in sorted(self.rows, key=lambda row: (row.what, row.who)):
            over = "  (within the slack)" if row.seconds > row.bound else ""
            print(f"{row.what:{width}}  {row.who:{who}}  {row.seconds:5.1f} s  {row.bound:4.1f} s{over}")
        print(flush=True)
