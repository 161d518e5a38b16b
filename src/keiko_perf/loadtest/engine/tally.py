"""
Tally: durations that are gathered while requests come and go, and counted many at a time.

To count one costs as much as all the rest of what is done for a request; to put it aside costs a
twentieth of that, and many that are counted together cost half each. The counting is a pause of a
fraction of a millisecond, so this is for load that has no schedule to be late for.
"""

from __future__ import annotations

from collections.abc import Iterable

from keiko_perf.model import Histogram

ENOUGH = 1024
"""So many are worth to be counted; more are soon gathered, and fewer cost more each."""


class Tally:
    """
    Args:
        into: the histogram in which they are counted.

    Attributes:
        record: gathers a duration in seconds.
    """

    __slots__ = ("_gathered", "_into", "record")

    def __init__(self, into: Histogram) -> None:
        self._into = into
        self._gathered: list[float] = []
        self.record = self._gathered.append

    @property
    def histogram(self) -> Histogram:
        """All that was recorded so far."""
        self.settle(at_least=1)
        return self._into

    def gather(self, durations_s: Iterable[float]) -> None:
        """As `record` of each."""
        self._gathered.extend(durations_s)
        self.settle()

    def move_to(self, into: Histogram) -> None:
        """Count in another histogram from now on."""
        self.settle(at_least=1)
        self._into = into

    def settle(self, *, at_least: int = ENOUGH) -> None:
        """Count what was gathered, if that is enough to be worth it."""
        if len(self._gathered) >= at_least:
            self._into.record_many(self._gathered)
            self._gathered.clear()
