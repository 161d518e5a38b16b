"""
Decoding: a window from the bytes that `encoding` made of it, in whichever format it was written.

What is read may come from anybody's file: it is refused if it is damaged, cut short, or unpacks to
more than any window has.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from math import isnan

from keiko_perf.model import (
    Asked,
    BlockingCall,
    Exemplar,
    Gauge,
    Histogram,
    Kept,
    Kind,
    Repeats,
    Series,
    Snapshot,
)
from keiko_perf.model.codec import glance
from keiko_perf.model.varint import Reader, read_varints
from keiko_perf.monitoring.storage.layout import (
    CALL,
    EPOCH,
    FIRST_FORMAT,
    FORMAT,
    FOURTH_FORMAT,
    GAUGE,
    KEPT,
    MICROSECOND,
    SECOND_FORMAT,
    SECONDS,
)

_NOTHING = (0, 0)
_LATEST_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
_MAX_BYTES = 64 << 20
"""No window comes near it; a few bytes that unpack to more are not one of ours."""

Wants = Callable[[Kind, str], bool]
"""Whether a series is wanted."""
Key = tuple[Kind, str]
"""Which series: its kind and its name."""


def no_series(_kind: Kind, _name: str) -> bool:
    """None is wanted, but all the rest of a window, for a tenth of the work."""
    return False


def decode(encoded: bytes, envelope: Snapshot, wants: Wants | None = None) -> Snapshot:
    """
    Undo `encode`.

    Args:
        encoded: the bytes.
        envelope: an empty snapshot that says when it was, how long, and whose.
        wants: which series alone to unpack, by kind and name, which spares most of the work; all
            if not given.

    Raises:
        ValueError: they are damaged, or of another format.
    """
    parts, format = _opened(encoded)
    number = parts.number
    series = _series(parts, format, envelope.window_s, wants)
    gauges = dict(_gauge(parts) for _ in range(number()))
    counters = {parts.text(): number() for _ in range(number())}
    blocking = tuple(_call(parts) for _ in range(number() if format > FIRST_FORMAT else 0))
    asked = tuple(_asked(parts) for _ in range(number() if format >= FOURTH_FORMAT else 0))
    shown = tuple(_exemplar(parts) for _ in range(number() if format >= FOURTH_FORMAT else 0))
    repeats = tuple(_repeats(parts) for _ in range(number() if format >= FORMAT else 0))
    parts.end()
    return replace(
        envelope,
        series=series,
        gauges=gauges,
        counters=counters,
        blocking=blocking,
        asked=asked,
        exemplars=shown,
        repeats=repeats,
    )


def weights_of(encoded: bytes) -> list[tuple[Key, tuple[int, int, int], float]]:
    """
    What each series of a window comes to, read without unpacking it: its successes, failures and
    refusals, and the seconds of all of them.

    Raises:
        ValueError: it is damaged, or of a format that does not tell.
    """
    parts, format = _opened(encoded)
    if format == FIRST_FORMAT:
        raise ValueError("a window whose histograms have to be unpacked")
    n = _NUMBERS.get(format, 7)
    numbers = parts.numbers(parts.number() * n)
    found = []
    for start in range(0, len(numbers), n):
        of_kind, of_name, *lengths = numbers[start : start + n]
        key = _name_of(parts.take(of_kind + of_name), of_kind)
        # Most have successes alone, and there are ten thousand of them.
        succeeded, sum_ns = glance(parts.take(lengths[0])) if lengths[0] else _NOTHING
        failed, failed_ns = glance(parts.take(lengths[1])) if lengths[1] else _NOTHING
        refused, refused_ns = glance(parts.take(lengths[2])) if lengths[2] else _NOTHING
        found.append((key, (succeeded, failed, refused), (sum_ns + failed_ns + refused_ns) / 1e9))
    return found


def _opened(encoded: bytes) -> tuple[_Parts, int]:
    """What is in a window, to be read from the beginning, and its format."""
    outer = Reader(_unpacked(encoded))
    length = outer.varint()
    rest = outer.rest()
    if not 0 < length <= len(rest) or not FIRST_FORMAT <= (format := rest[0]) <= FORMAT:
        raise ValueError("not a window of this format")
    return _Parts(read_varints(rest[1:length]), rest[length:]), format


class _Parts:
    """Hands out the numbers of a head, and the bytes of a body that they measure, in turn."""

    __slots__ = ("_body", "_next", "_numbers", "_position")

    def __init__(self, numbers: list[int], body: bytes) -> None:
        self._numbers = numbers
        self._body = body
        self._next = self._position = 0

    def number(self) -> int:
        """The next number."""
        return self.numbers(1)[0]

    def numbers(self, n: int) -> list[int]:
        """The next *n* of them."""
        start = self._next
        self._next += n
        if self._next > len(self._numbers):
            raise ValueError("a window cut short")
        return self._numbers[start : self._next]

    def take(self, length: int) -> bytes:
        """The next *length* bytes."""
        start = self._position
        self._position += length
        if self._position > len(self._body):
            raise ValueError("a window cut short")
        return self._body[start : self._position]

    def skip(self, length: int) -> None:
        """Pass over the next *length* bytes."""
        self._position += length
        if self._position > len(self._body):
            raise ValueError("a window cut short")

    def text(self) -> str:
        """The next number is the length of the text that comes next."""
        return _from_utf8(self.take(self.number()))

    def seconds(self) -> float:
        """A time."""
        one_s: float = SECONDS.unpack(self.take(SECONDS.size))[0]
        return one_s

    def end(self) -> None:
        """All should be handed out."""
        if self._position < len(self._body):
            raise ValueError("a window with more in it than it says")


def _series(parts: _Parts, format: int, window_s: float, wants: Wants | None) -> tuple[Series, ...]:
    made = []
    unpack = Histogram.unpack if format > FIRST_FORMAT else _histogram
    n = _NUMBERS.get(format, 7)
    numbers = parts.numbers(parts.number() * n)
    if wants is no_series:
        columns = 4 if format == FIRST_FORMAT else 5
        parts.skip(sum(sum(numbers[column::n]) for column in range(columns)))
        return ()
    # Most of a window is this, and there are windows by the thousand.
    for start in range(0, len(numbers), n):
        of_kind, of_name, *lengths = numbers[start : start + n]
        kind, name = _name_of(parts.take(of_kind + of_name), of_kind)
        if wants is not None and not wants(kind, name):
            parts.skip(sum(lengths[:3]))
            continue
        succeeded, failed, refused = (*map(parts.take, lengths[:3]), b"")[:3]
        made.append(
            Series(
                kind=kind,
                name=name,
                window_s=window_s,
                succeeded=unpack(succeeded),
                failed=unpack(failed),
                refused=unpack(refused),
                sent_bytes=lengths[3] if n > _NUMBERS[FIRST_FORMAT] else 0,
                redirected=lengths[4] if n > _NUMBERS[SECOND_FORMAT] else 0,
            )
        )
    return tuple(made)


_NUMBERS = {FIRST_FORMAT: 4, SECOND_FORMAT: 6}
"""Of a series, in the formats that have fewer than are written now."""


def _call(parts: _Parts) -> BlockingCall:
    place = parts.text()
    stack = tuple(parts.text() for _ in range(parts.number()))
    count, last_at = parts.number(), _instant(parts.number())
    total_s, longest_s, computed_s = CALL.unpack(parts.take(CALL.size))
    return BlockingCall(
        place=place,
        stack=stack,
        count=count,
        total_s=total_s,
        longest_s=longest_s,
        computed_s=None if isnan(computed_s) else computed_s,
        last_at=last_at,
    )


def _asked(parts: _Parts) -> Asked:
    route, statement, place = (parts.text() for _ in range(3))
    requests, count, most = parts.numbers(3)
    return Asked(
        route=route,
        statement=statement,
        requests=requests,
        count=count,
        total_s=parts.seconds(),
        most=most,
        place=place,
    )


def _exemplar(parts: _Parts) -> Exemplar:
    route, at, status = parts.text(), _instant(parts.number()), parts.number()
    duration_s, *parts_s = (parts.seconds() for _ in range(parts.number()))
    return Exemplar(
        route=route,
        at=at,
        duration_s=duration_s,
        status=status,
        parts_s=tuple(parts_s),
        statements=tuple(
            (parts.text(), parts.number(), parts.seconds()) for _ in range(parts.number())
        ),
    )


def _repeats(parts: _Parts) -> Repeats:
    kind, subject = parts.text(), parts.text()
    calls, caches = parts.numbers(2)
    took_s = parts.seconds()
    kept = []
    for _ in range(caches):
        hits, stale = parts.numbers(2)
        ttl_s, spared_s = KEPT.unpack(parts.take(KEPT.size))
        kept.append(Kept(ttl_s=ttl_s, hits=hits, stale=stale, spared_s=spared_s))
    return Repeats(
        kind=Kind(kind) if kind else None,
        subject=subject,
        calls=calls,
        took_s=took_s,
        kept=tuple(kept),
    )


def _instant(us: int) -> datetime:
    if us > _LATEST_US:
        raise ValueError("a window of no calendar")
    return EPOCH + us * MICROSECOND


def _histogram(encoded: bytes) -> Histogram:
    return Histogram.from_bytes(encoded) if encoded else Histogram()


def _gauge(parts: _Parts) -> tuple[str, Gauge]:
    name, samples = parts.text(), parts.number()
    total, peak = GAUGE.unpack(parts.take(GAUGE.size))
    return name, Gauge(total, samples, peak)


def _unpacked(encoded: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(encoded, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"a damaged window: {error}") from error
    if not unpacker.eof:
        raise ValueError("a window cut short")
    return plain


# The names of a window are those of the one before.
@lru_cache(maxsize=1 << 14)
def _name_of(encoded: bytes, of_kind: int) -> tuple[Kind, str]:
    return Kind(_from_utf8(encoded[:of_kind])), _from_utf8(encoded[of_kind:])


def _from_utf8(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")
