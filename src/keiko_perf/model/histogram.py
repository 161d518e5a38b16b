"""
Histogram: how long things took, in a small mergeable value.

Buckets are spaced by a constant factor of 2^(1/64), the base-2 exponential layout of
OpenTelemetry at scale 6: bucket *i* holds durations in (2^(i/64), 2^((i+1)/64)] seconds. A
quantile is at most 0.55 % away from a duration that was recorded, from 1 µs to 1 h. Durations
outside that range are counted apart (`below`, `above`). Merging is exact: it equals recording
everything into one histogram, to the last bit of the sum.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, islice
from math import ceil, inf, isfinite, log2
from typing import Any, Self

from keiko_perf.model import batch, codec
from keiko_perf.model.codec import BIAS, SCALE, Kept
from keiko_perf.model.lanes import added, narrowest, summed
from keiko_perf.model.samples import samples_needed

LOWEST_S = 1e-6
HIGHEST_S = 3600.0

_PER_OCTAVE = float(1 << SCALE)
_BASE = 2.0 ** (1.0 / _PER_OCTAVE)
# The arithmetic mean of a bucket's bounds is off by more at the low end than at the high end;
# the harmonic mean errs equally, (base - 1) / (base + 1), and so by the least possible.
_ESTIMATE = 2.0 * _BASE / (_BASE + 1.0)
_TOP = BIAS - 1
_GROWTH = 64  # buckets added at once, an octave
_NONE: tuple[float, ...] = ()
_AT_ONCE = 4096  # durations that are recorded together


class Histogram:
    """
    Durations in seconds, counted by logarithmic bucket.

    Not safe for two threads that record at once: give each its own, and merge.

    Attributes:
        below: how many durations were under 1 µs, zero among them.
        above: how many were over 1 h.
    """

    __slots__ = ("_counts", "_max_s", "_min_s", "_shift", "_size", "_sum_ns", "above", "below")

    def __init__(self, values_s: Iterable[float] = ()) -> None:
        self._counts = array("Q")
        self._size = 0
        self._shift = _TOP
        self._sum_ns = 0
        self._min_s = inf
        self._max_s = 0.0
        self.below = 0
        self.above = 0
        if values_s is not _NONE:
            self.record_many(values_s)

    # Recording

    def record(self, value_s: float) -> None:
        """
        Count a duration of *value_s* seconds.

        Raises:
            ValueError: it is negative, infinite or not a number. Nothing is recorded.
        """
        # Every request of a service and of a load test comes through here, hence the constants
        # as literals: int() cuts towards zero, so its argument is kept positive by BIAS = 1280,
        # and 64 buckets make an octave.
        if 1e-6 <= value_s <= 3600.0:
            position = self._shift - int(1280.0 - log2(value_s) * 64.0)
            if not 0 <= position < self._size:
                position = self._make_room(position)
            self._counts[position] += 1
        else:
            self._record_outside(value_s)
        # Whole nanoseconds (see `batch.WHOLE`), so that adding up in another order gives the same.
        self._sum_ns += int(value_s * 1e9 + 6755399441055744.0 - 6755399441055744.0)
        if value_s < self._min_s:
            self._min_s = value_s
        if value_s > self._max_s:
            self._max_s = value_s

    def record_many(self, values_s: Iterable[float]) -> None:
        """Count each duration of *values_s*; `record` says what is refused."""
        if isinstance(values_s, (array, list, tuple)):
            self._record_batch(values_s)
            return
        values = iter(values_s)
        while batch := list(islice(values, _AT_ONCE)):
            self._record_batch(batch)

    def merge(self, other: Histogram) -> None:
        """Add all that *other* counted, exactly as if it had been recorded here."""
        if other._min_s == inf:
            return  # it counted nothing
        if other._size:
            first = self._make_room(self._shift - other._shift)
            self._make_room(first + other._size - 1)
            first = self._shift - other._shift
            theirs = slice(first, first + other._size)
            self._counts[theirs] = added(self._counts[theirs], other._counts)
        self._sum_ns += other._sum_ns
        self._min_s = min(self._min_s, other._min_s)
        self._max_s = max(self._max_s, other._max_s)
        self.below += other.below
        self.above += other.above

    @classmethod
    def merged(cls, histograms: Iterable[Histogram]) -> Self:
        """One histogram of all that the given ones counted."""
        whole = cls()
        many = [one for one in histograms if one._min_s != inf]
        if not many:
            return whole
        filled = [one for one in many if one._size]
        if filled:
            first = min(one._first for one in filled)
            end = max(one._first + one._size for one in filled)
            parts = ((one._first - first, one._counts) for one in filled)
            whole._counts = summed(parts, end - first)
            whole._size, whole._shift = end - first, _TOP - first
        whole._sum_ns = sum(one._sum_ns for one in many)
        whole._min_s = min(one._min_s for one in many)
        whole._max_s = max(one._max_s for one in many)
        whole.below = sum(one.below for one in many)
        whole.above = sum(one.above for one in many)
        return whole

    def copy(self) -> Self:
        """An equal histogram that shares nothing with this one."""
        return self.merged((self,))

    # Reading

    @property
    def count(self) -> int:
        """How many durations were recorded, those outside the range included."""
        return sum(self._counts) + self.below + self.above

    @property
    def sum_s(self) -> float:
        """All durations added up, in seconds, exact to a nanosecond each."""
        return self._sum_ns / 1e9

    @property
    def min_s(self) -> float | None:
        """The shortest duration, exact; None if nothing was recorded."""
        return None if self._min_s == inf else self._min_s

    @property
    def max_s(self) -> float | None:
        """The longest duration, exact; None if nothing was recorded."""
        return None if self._min_s == inf else self._max_s

    @property
    def mean_s(self) -> float | None:
        """The mean duration, exact; None if nothing was recorded."""
        count = self.count
        return self.sum_s / count if count else None

    def quantile(self, q: float) -> float | None:
        """
        The duration that a share *q* of all durations does not exceed, in seconds.

        It is the nearest rank, ⌈q·n⌉, within 0.55 % of a recorded duration. Where that rank lies
        outside the histogram's range the answer is the bound that is certain not to understate:
        1 µs below it, the longest duration above it. None if nothing was recorded.

        Raises:
            ValueError: *q* is not within 0 and 1.
        """
        return self.quantiles((q,))[0]

    def known_quantile(self, q: float) -> float | None:
        """Quantile *q*; None while there are fewer than `samples_needed(q)`, which cannot tell."""
        return self.quantile(q) if self.count >= samples_needed(q) else None

    def quantiles(self, qs: Iterable[float]) -> list[float | None]:
        """Several quantiles in one pass; see `quantile`."""
        cumulative = list(accumulate(self._counts, initial=self.below))
        count = cumulative[-1] + self.above
        return [self._at_rank(q, count, cumulative) for q in qs]

    def count_above(self, limit_s: float) -> int:
        """How many durations exceed *limit_s*; those in its own bucket are taken not to."""
        if self._max_s <= limit_s:
            return 0  # without a look at its buckets, for there are services of 10,000 routes
        over = self.above if limit_s < HIGHEST_S else 0
        return over + sum(count for lower, _, count in self.buckets() if lower >= limit_s)

    def buckets(self) -> Iterator[tuple[float, float, int]]:
        """Each bucket that holds anything: its lower and upper bound in seconds, its count."""
        for index, count in enumerate(self._counts, self._first):
            if count:
                yield 2.0 ** (index / _PER_OCTAVE), 2.0 ** ((index + 1) / _PER_OCTAVE), count

    def grouped(self, width: int) -> list[tuple[int, int]]:
        """
        How many durations each group of *width* buckets holds, of those that hold any.

        Group *g* ends at 2^((g + 1) · width / 64) seconds.
        """
        first, length = self._first, len(self._counts)
        groups = range(first // width, (first + length - 1) // width + 1)
        upto = list(accumulate(self._counts, initial=0))
        ends = [upto[min((group + 1) * width - first, length)] for group in groups]
        return [
            (group, end - start)
            for group, start, end in zip(groups, (0, *ends), ends, strict=False)
            if end > start
        ]

    def __bool__(self) -> bool:
        return self._min_s != inf

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it changes with each record

    def __repr__(self) -> str:
        p50, p99 = self.quantiles((0.5, 0.99))
        return f"<Histogram count={self.count} p50={p50} p99={p99} max={self.max_s} (s)>"

    # Round trips

    def to_dict(self) -> dict[str, Any]:
        """The histogram in JSON's types; `offset` and `counts` are OpenTelemetry's."""
        return codec.to_dict(self._kept())

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """
        Undo `to_dict`.

        Raises:
            ValueError: it is not such a document, or of another scale.
        """
        return cls._of(codec.from_dict(document))

    def to_bytes(self) -> bytes:
        """The histogram in some tens to hundreds of bytes; runs of empty buckets take two."""
        return codec.to_bytes(self._kept())

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """
        Undo `to_bytes`.

        Raises:
            ValueError: the bytes are cut short, or not a histogram of this format.
        """
        return cls._of(codec.from_bytes(encoded))

    def pack(self) -> bytes:
        """
        The histogram in bytes, quick rather than short: for many that are compressed together.

        Nothing recorded is no bytes at all.
        """
        if not self:
            return b""
        narrow = narrowest(self._counts)
        if narrow is None:
            return codec.pack(self._kept())
        counts = narrow.lstrip(b"\0")
        first = self._first + len(narrow) - len(counts) if counts else 0
        return codec.packed(
            b"B",
            counts.rstrip(b"\0"),
            first,
            self.below,
            self.above,
            self._sum_ns,
            self._min_s,
            self._max_s,
        )

    @classmethod
    def unpack(cls, encoded: bytes) -> Self:
        """
        Undo `pack`.

        Raises:
            ValueError: the bytes are cut short, or not a histogram of this format.
        """
        return cls._of(codec.unpack(encoded)) if encoded else cls()

    # Private

    @property
    def _first(self) -> int:
        """The OpenTelemetry index of the first bucket that is kept."""
        return _TOP - self._shift

    @classmethod
    def _of(cls, kept: Kept) -> Self:
        first, counts, below, above, sum_ns, min_s, max_s = kept
        histogram = cls.__new__(cls)
        histogram._counts, histogram._size = counts, len(counts)
        histogram._shift = _TOP - first
        histogram._sum_ns = sum_ns
        histogram._min_s = inf if min_s is None else min_s
        histogram._max_s = 0.0 if max_s is None else max_s
        histogram.below, histogram.above = below, above
        return histogram

    def _kept(self) -> Kept:
        """All that was counted, without the empty buckets at either end: equals look equal."""
        # Windows are packed by the hundred, and most of what they hold is empty.
        raw = self._counts.tobytes()
        empty = (len(raw) - len(raw.lstrip(b"\0"))) // 8
        end = -(-len(raw.rstrip(b"\0")) // 8)
        first, counts = self._first + empty, self._counts[empty:end]
        if end <= empty:
            first, counts = 0, array("Q")
        return Kept(first, counts, self.below, self.above, self._sum_ns, self.min_s, self.max_s)

    def _make_room(self, position: int) -> int:
        """Make *position* a valid one, whichever side it is on; return where it is now."""
        if not self._size:
            self._shift -= position
            position = 0
        if position < 0:
            # An octave more than needed, so that a slow decline does not copy each time.
            added = -position + _GROWTH
            self._counts = array("Q", bytes(8 * added)) + self._counts
            self._shift += added
            position += added
        elif position >= self._size:
            self._counts.frombytes(bytes(8 * (position - self._size + _GROWTH)))
        self._size = len(self._counts)
        return position

    def _record_batch(self, values_s: array[float] | list[float] | tuple[float, ...]) -> None:
        """The same as `record` of each, in a third of the time."""
        if not values_s:
            return
        # What is not a number has no place in an order, and makes the sum unequal to itself.
        total_s, ordered = sum(values_s), sorted(values_s)
        min_s, max_s = ordered[0], ordered[-1]
        if not (min_s >= LOWEST_S and max_s <= HIGHEST_S and total_s == total_s):
            for value_s in values_s:
                self.record(value_s)
            return
        for value_s in (min_s, max_s):
            position = self._shift - batch.number_of(value_s)
            if not 0 <= position < self._size:
                self._make_room(position)
        counts, shift = self._counts, self._shift
        if len(ordered) < batch.FEWEST:
            for value_s in ordered:
                counts[shift - int(1280.0 - log2(value_s) * 64.0)] += 1
        else:
            for number, count in batch.by_bucket(ordered):
                counts[shift - number] += count
        self._sum_ns += batch.sum_ns_of(ordered)
        self._min_s = min(self._min_s, min_s)
        self._max_s = max(self._max_s, max_s)

    def _record_outside(self, value_s: float) -> None:
        if not isfinite(value_s) or value_s < 0:
            raise ValueError(f"a duration is a finite number of seconds, not {value_s!r}")
        if value_s < LOWEST_S:
            self.below += 1
        else:
            self.above += 1

    def _at_rank(self, q: float, count: int, cumulative: list[int]) -> float | None:
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile lies within 0 and 1, not at {q!r}")
        if not count:
            return None
        # 0.07 * 100 is 7.000000000000001, whose ceiling would be a rank too many.
        rank = max(1, ceil(q * count - 1e-9 * count))
        if rank == count:
            return self._max_s
        if rank <= self.below:
            return min(LOWEST_S, self._max_s)
        if rank > count - self.above:
            return self._max_s
        index = self._first + bisect_left(cumulative, rank) - 1
        estimate: float = 2.0 ** (index / _PER_OCTAVE) * _ESTIMATE
        return min(max(estimate, self._min_s), self._max_s)
