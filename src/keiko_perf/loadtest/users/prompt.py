"""
Prompt: what users have in common who all ask one and the same, the moment that they are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

from keiko_perf.loadtest.engine.books import Books
from keiko_perf.loadtest.engine.meter import StepMeter


class Prompted(Protocol):
    """
    A connection of such users.

    Attributes:
        is_prompt: it waits for an answer from its beginning on, and counts that by itself.
    """

    is_prompt: bool


class Prompt:
    """
    Args:
        wire: the request.
        clock: the owner's.
        meter: of the one step.
        books: where it counts what it did.

    Attributes:
        whole: an answer that may come again to the byte, and is a success; None if there is none.
        until: what comes from this instant on is for the owner to count.
        record: gathers a response time, until `settle`.
        channels: those of the users.
    """

    __slots__ = (
        "_books",
        "_ends",
        "_gathered",
        "_meter",
        "_since",
        "_size",
        "channels",
        "clock",
        "record",
        "until",
        "whole",
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
        self._since = inf
        self._size = 0
        self._gathered: list[float] = []
        self.record = self._gathered.append
        self.whole: bytes | None = None
        self.channels: set[Prompted] = set()

    def begin(self, until: float) -> None:
        """Ask until that instant."""
        self._ends = until

    def stop(self) -> None:
        """Ask no more."""
        self._ends = self.until = -inf

    def learn(self, whole: bytes | None, size_bytes: int) -> None:
        """See what the owner made of an answer, and where it counts now."""
        self.whole, self._size = whole, size_bytes
        self.until = min(self._meter.until, self._ends)
        if self._since != self._meter.since:
            self._since = self._meter.since
            for channel in self.channels:  # what they wait for was due in another interval
                channel.is_prompt = False

    def is_counted(self, due: float) -> bool:
        """Whether what is due then belongs to where is counted now, or later."""
        return due >= self._since

    def settle(self) -> None:
        """Tell the books what was gathered; to be called before the owner counts elsewhere."""
        gathered = self._gathered
        count = len(gathered)
        self._meter.record_many(gathered)
        self._meter.received_bytes += count * self._size
        self._books.again += count
        gathered.clear()
