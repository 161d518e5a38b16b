"""
Prompt: what users have in common who all ask one and the same, the moment that they are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from keiko_perf.loadtest.books import Books
from keiko_perf.loadtest.meter import StepMeter


class Prompt:
    """
    Args:
        wire: the request.
        clock: the owner's.
        meter: of the one step.
        books: where it counts what it did.

    Attributes:
        record: counts a response time.
        since: answers to what was due before this instant are for the owner,
        until: as are those that come from this instant on.
        count: how many answers were counted here that nobody else has heard of.
    """

    __slots__ = (
        "_books",
        "_ends",
        "_meter",
        "_size",
        "clock",
        "count",
        "record",
        "since",
        "until",
        "wire",
    )

    def __init__(
        self, *, wire: bytes, clock: Callable[[], float], meter: StepMeter, books: Books
    ) -> None:
        self.wire = wire
        self.clock = clock
        self._meter = meter
        self._books = books
        self._ends = self.until = -inf
        self.since = inf
        self.record = meter.record
        self.count = 0
        self._size = 0

    def begin(self, until: float) -> None:
        """Ask until that instant."""
        self._ends = until

    def stop(self) -> None:
        """Ask no more."""
        self._ends = self.until = -inf

    def learn(self, size_bytes: int) -> None:
        """See what the owner made of an answer: where it counts. The next ones are that long."""
        self.settle()
        self._size = size_bytes
        self.since, self.until = self._meter.since, min(self._meter.until, self._ends)

    def settle(self) -> None:
        """Tell the books what was counted here."""
        self._meter.received_bytes += self.count * self._size
        self._books.again += self.count
        self.count = 0
