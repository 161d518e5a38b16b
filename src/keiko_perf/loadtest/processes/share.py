"""
Share: what one of several processes does of a load that is planned as one.

Arrival, user and data row number *j* belong to process *j mod n*, so the union of the shares is
exactly the whole, and no row is used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from keiko_perf.errors import UsageError

MOST_PROCESSES = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """
    Attributes:
        index: which process this is, from 0.
        of: how many there are.
    """

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.of <= MOST_PROCESSES:
            raise UsageError(
                f"a load generator of {self.of!r} processes", cure=f"Use 1 to {MOST_PROCESSES}"
            )
        if not 0 <= self.index < self.of:
            raise UsageError(
                f"process {self.index!r} of {self.of}", cure="Count the processes from 0"
            )

    def sequence(self, whole: Iterable[T]) -> Iterator[T]:
        """Every n-th of *whole*, this process' own."""
        return iter(whole) if self.of == 1 else islice(whole, self.index, None, self.of)

    def count(self, whole: int) -> int:
        """How many of *whole* are this process' own."""
        return whole // self.of + (self.index < whole % self.of)
