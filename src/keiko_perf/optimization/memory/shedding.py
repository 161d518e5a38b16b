"""
Shedding: which of several caches gives up how much, so that what is worth least per byte goes.

What a cache says of its worth (`Cache.worths`) counts: seconds of loading, times how often it was
asked for of late, per byte. A plain mapping says nothing of the kind: it goes first, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from functools import partial
from itertools import islice
from math import log2
from typing import Any, Protocol, runtime_checkable

from keiko_perf.errors import UsageError
from keiko_perf.optimization.caching.entry import CacheStatistics
from keiko_perf.optimization.memory.size import size_of

_SAMPLE = 16
_PIECES = 50
_SLICE = 200


class Sized(Protocol):
    """Says how many bytes there are."""

    @property
    def size_bytes(self) -> int: ...


@runtime_checkable
class Shrinkable(Protocol):
    """A cache that can make do with less; `Cache` is one."""

    def shrink(self, to_bytes: int) -> int: ...

    def statistics(self) -> CacheStatistics | Sized: ...


class ShrinkableMapping:
    """
    A plain mapping as something that can make do with less: its oldest entries go.

    Args:
        mapping: a dict, or anything like it. It is held, for it cannot be referred to weakly.
        runs: what runs a function where nobody is just going through the mapping.
    """

    def __init__(
        self, mapping: MutableMapping[Any, Any], runs: Callable[[Callable[[], int]], int]
    ) -> None:
        self.mapping = mapping
        self._runs = runs

    @property
    def size_bytes(self) -> int:
        """About what it takes, by a few of its entries."""
        return self._runs(self._size_bytes)

    def statistics(self) -> Sized:
        return self

    def shrink(self, to_bytes: int) -> int:
        """Drop the oldest entries, until about *to_bytes* are left; how many bytes that was."""
        size_bytes, entries = self.size_bytes, len(self.mapping)
        if size_bytes <= to_bytes or not entries:
            return 0
        to_drop = min(entries, -(-entries * (size_bytes - to_bytes) // size_bytes))
        dropped = 0
        while dropped < to_drop:
            gone = self._runs(partial(self._drop, min(_SLICE, to_drop - dropped)))
            if not gone:
                break
            dropped += gone
        return dropped * size_bytes // entries

    def _size_bytes(self) -> int:
        some = list(islice(self.mapping.items(), _SAMPLE))
        if not some:
            return 0
        return max(1, len(self.mapping) * size_of(some) // len(some))

    def _drop(self, most: int) -> int:
        oldest = list(islice(self.mapping, most))
        for key in oldest:
            self.mapping.pop(key, None)
        return len(oldest)


def shed(caches: Iterable[Shrinkable], excess_bytes: int) -> int:
    """
    Have *caches* give up *excess_bytes* together, or all there is; how many bytes that was.

    Of several that are worth the same each gives up the same share.
    """
    everyone = list(caches)
    sizes = [cache.statistics().size_bytes for cache in everyone]
    offers: list[tuple[int, float, float, int]] = []
    for at, (cache, size_bytes) in enumerate(zip(everyone, sizes, strict=True)):
        pieces = sorted(_worths(cache, size_bytes))
        offers += (
            (_about(worth), rank / len(pieces), piece_bytes, at)
            for rank, (worth, piece_bytes) in enumerate(pieces)
        )
    to_give, left_bytes = [0.0] * len(everyone), float(excess_bytes)
    for _, _, piece_bytes, at in sorted(offers):
        if left_bytes <= 0:
            break
        to_give[at] += min(piece_bytes, left_bytes)
        left_bytes -= piece_bytes
    return sum(
        cache.shrink(max(0, size_bytes - round(gives)))
        for cache, size_bytes, gives in zip(everyone, sizes, to_give, strict=True)
    )


def shrinkable(given: object, runs: Callable[[Callable[[], int]], int]) -> Shrinkable:
    """
    *given* as something that can make do with less.

    Raises:
        UsageError: it cannot.
    """
    if isinstance(given, Shrinkable):
        return given
    if isinstance(given, MutableMapping):
        return ShrinkableMapping(given, runs)
    raise UsageError(
        f"{type(given).__name__} cannot make do with less",
        cure="Give a Cache, a dict, or an object with shrink(to_bytes) and statistics()",
    )


def _about(worth: float) -> int:
    """*worth* to within a fifth or so: what differs by less is worth the same."""
    return round(2 * log2(worth)) if worth > 0 else -10_000


def _worths(cache: Shrinkable, size_bytes: int) -> list[tuple[float, float]]:
    worths: Any = getattr(cache, "worths", None)
    if worths is not None:
        told: list[tuple[float, float]] = worths()
        return told
    return [(0.0, size_bytes / _PIECES)] * _PIECES
