"""
Batch: how many of some durations fall into each bucket, without looking at each of them.

A logarithm for each duration costs more than all else that is done to count it. Sorted, those of
one bucket stand together, and where they end is found by halving. Sorting, adding up and halving
are loops of the interpreter's own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import inf, log2, nextafter

FEWEST = 256
"""With fewer there are hardly more durations than buckets."""

WHOLE = 1.5 * 2.0**52
"""
Added to a number below 2^51 and taken away again, it leaves the nearest whole number: so far up, a
step of floating-point numbers is 1.
"""
_LARGEST_EXACT = 2.0**53


def by_bucket(ordered: Sequence[float]) -> Iterator[tuple[int, int]]:
    """For each bucket that sorted durations within 1 µs and 1 h fall into, its number, how many."""
    at, end = 0, len(ordered)
    while at < end:
        number = number_of(ordered[at])
        after = bisect_right(ordered, _last_of(number), at)
        yield number, after - at
        at = after


def number_of(value_s: float) -> int:
    """The bucket of a duration within 1 µs and 1 h; the longer that is, the smaller the number."""
    return int(1280.0 - log2(value_s) * 64.0)


def sum_ns_of(values_s: Iterable[float]) -> int:
    """All in nanoseconds, each rounded to a whole one."""
    whole = [value_s * 1e9 + WHOLE - WHOLE for value_s in values_s]
    total = sum(whole)
    return int(total) if total < _LARGEST_EXACT else sum(map(int, whole))


@lru_cache(maxsize=4096)
def _last_of(number: int) -> float:
    """The longest duration of a bucket, exactly, whichever way the logarithm is rounded."""
    last_s: float = 2.0 ** ((1280 - number) / 64.0)
    while number_of(last_s) < number:
        last_s = nextafter(last_s, 0.0)
    while number_of(after_s := nextafter(last_s, inf)) >= number:
        last_s = after_s
    return last_s
