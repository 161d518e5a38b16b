"""
Encoding: a window's series, gauges, counters, blocking calls and statements as few bytes, and back.

When it was and who measured it are not in it: a store keeps those where it can search them. The
layout is a format number, then all lengths and counts as variable-length integers, then the names
and histograms that they measure, one after the other; zlib makes it about half as long. Nothing
in it is ever executed, so a file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isnan, nan
from struct import Struct

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
from keiko_perf.model.varint import Reader, write_varint

_FORMAT = 5
_FOURTH_FORMAT = 4  # without what is asked again; still read
_THIRD_FORMAT = 3  # without the statements of routes and the slow requests as well; still read
_SECOND_FORMAT = 2  # without redirects as well; still read
_FIRST_FORMAT = 1  # without refusals, sizes and blocking calls as well; still read
_CALL = Struct("<ddd")
_SECONDS = Struct("<d")
_GAUGE = Struct("<dd")
_KEPT = Struct("<dd")
_LEVEL = 3
"""A tenth longer than the usual 6, in less than half of the time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MAX_BYTES = 64 << 20
"""No window comes near it; a few bytes that unpack to more are not one of ours."""


def encode(snapshot: Snapshot) -> bytes:
    """What *snapshot* measured, in some hundreds of bytes for a few routes."""
    head, body = bytearray((_FORMAT,)), bytearray()

    def put(part: bytes) -> None:
        length = len(part)
        if length < 0x80:  # as `write_varint` would, without asking it a hundred times a window
            head.append(length)
        else:
            write_varint(head, length)
        body.extend(part)

    write_varint(head, len(snapshot.series))
    for series in snapshot.series:
        put(_to_utf8(series.kind))
        put(_to_utf8(series.name))
        for histogram in (series.succeeded, series.failed, series.refused):
            put(histogram.pack() if histogram else b"")
        write_varint(head, series.sent_bytes)
        write_varint(head, series.redirected)
    write_varint(head, len(snapshot.gauges))
    for name, gauge in snapshot.gauges.items():
        put(_to_utf8(name))
        write_varint(head, gauge.samples)
        body.extend(_GAUGE.pack(gauge.total, gauge.peak))
    write_varint(head, len(snapshot.counters))
    for name, count in snapshot.counters.items():
        put(_to_utf8(name))
        write_varint(head, count)
    write_varint(head, len(snapshot.blocking))
    for call in snapshot.blocking:
        put(_to_utf8(call.place))
        write_varint(head, len(call.stack))
        for place in call.stack:
            put(_to_utf8(place))
        write_varint(head, call.count)
        computed_s = nan if call.computed_s is None else call.computed_s
        write_varint(head, (call.last_at - _EPOCH) // _MICROSECOND)
        body.extend(_CALL.pack(call.total_s, call.longest_s, computed_s))
    write_varint(head, len(snapshot.asked))
    for asked in snapshot.asked:
        for text in (asked.route, asked.statement, asked.place):
            put(_to_utf8(text))
        for count in (asked.requests, asked.count, asked.most):
            write_varint(head, count)
        body.extend(_SECONDS.pack(asked.total_s))
    write_varint(head, len(snapshot.exemplars))
    for shown in snapshot.exemplars:
        put(_to_utf8(shown.route))
        write_varint(head, (shown.at - _EPOCH) // _MICROSECOND)
        write_varint(head, shown.status)
        _put_seconds(head, body, (shown.duration_s, *shown.parts_s))
        write_varint(head, len(shown.statements))
        for statement, count, total_s in shown.statements:
            put(_to_utf8(statement))
            write_varint(head, count)
            body.extend(_SECONDS.pack(total_s))
    write_varint(head, len(snapshot.repeats))
    for repeats in snapshot.repeats:
        put(_to_utf8(repeats.kind or ""))
        put(_to_utf8(repeats.subject))
        write_varint(head, repeats.calls)
        write_varint(head, len(repeats.kept))
        body.extend(_SECONDS.pack(repeats.took_s))
        for kept in repeats.kept:
            write_varint(head, kept.hits)
            write_varint(head, kept.stale)
            body.extend(_KEPT.pack(kept.ttl_s, kept.spared_s))
    whole = bytearray()
    write_varint(whole, len(head))
    return zlib.compress(whole + head + body, _LEVEL)


def decode(encoded: bytes, envelope: Snapshot) -> Snapshot:
    """
    Undo `encode`.

    Args:
        encoded: the bytes.
        envelope: an empty snapshot that says when it was, how long, and whose.

    Raises:
        ValueError: they are damaged, or of another format.
    """
    plain = _unpacked(encoded)
    outer = Reader(plain)
    length = outer.varint()
    rest = outer.rest()
    read_series = _READERS.get(rest[0]) if 0 < length <= len(rest) else None
    if read_series is None:
        raise ValueError("not a window of this format")
    number, take = Reader(rest[:length], 1).varint, _Parts(rest[length:]).take
    series = tuple(read_series(number, take, envelope.window_s) for _ in range(number()))
    gauges = dict(_gauge(number, take) for _ in range(number()))
    counters = {_from_utf8(take(number())): number() for _ in range(number())}
    calls = 0 if rest[0] == _FIRST_FORMAT else number()
    blocking = tuple(_call(number, take) for _ in range(calls))
    asked = tuple(_asked(number, take) for _ in range(number() if rest[0] >= _FOURTH_FORMAT else 0))
    shown = tuple(
        _exemplar(number, take) for _ in range(number() if rest[0] >= _FOURTH_FORMAT else 0)
    )
    repeats = tuple(_repeats(number, take) for _ in range(number() if rest[0] >= _FORMAT else 0))
    if take(None):
        raise ValueError("a window with more in it than it says")
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


_Number = Callable[[], int]
_Take = Callable[[int | None], bytes]


def _series(number: _Number, take: _Take, window_s: float, *, has_redirects: bool = True) -> Series:
    return Series(
        kind=Kind(_from_utf8(take(number()))),
        name=_from_utf8(take(number())),
        window_s=window_s,
        succeeded=Histogram.unpack(take(number())),
        failed=Histogram.unpack(take(number())),
        refused=Histogram.unpack(take(number())),
        sent_bytes=number(),
        redirected=number() if has_redirects else 0,
    )


def _series_of_second_format(number: _Number, take: _Take, window_s: float) -> Series:
    return _series(number, take, window_s, has_redirects=False)


def _series_of_first_format(number: _Number, take: _Take, window_s: float) -> Series:
    return Series(
        kind=Kind(_from_utf8(take(number()))),
        name=_from_utf8(take(number())),
        window_s=window_s,
        succeeded=_histogram(take(number())),
        failed=_histogram(take(number())),
    )


_READERS: dict[int, Callable[[_Number, _Take, float], Series]] = {
    _FORMAT: _series,
    _FOURTH_FORMAT: _series,
    _THIRD_FORMAT: _series,
    _SECOND_FORMAT: _series_of_second_format,
    _FIRST_FORMAT: _series_of_first_format,
}


def _call(number: _Number, take: _Take) -> BlockingCall:
    place = _from_utf8(take(number()))
    stack = tuple(_from_utf8(take(number())) for _ in range(number()))
    count, last_at = number(), _instant(number())
    total_s, longest_s, computed_s = _CALL.unpack(take(_CALL.size))
    return BlockingCall(
        place=place,
        stack=stack,
        count=count,
        total_s=total_s,
        longest_s=longest_s,
        computed_s=None if isnan(computed_s) else computed_s,
        last_at=last_at,
    )


def _asked(number: _Number, take: _Take) -> Asked:
    route, statement, place = (_from_utf8(take(number())) for _ in range(3))
    requests, count, most = number(), number(), number()
    (total_s,) = _SECONDS.unpack(take(_SECONDS.size))
    return Asked(
        route=route,
        statement=statement,
        requests=requests,
        count=count,
        total_s=total_s,
        most=most,
        place=place,
    )


def _exemplar(number: _Number, take: _Take) -> Exemplar:
    route, at, status = _from_utf8(take(number())), _instant(number()), number()
    duration_s, *parts_s = (_SECONDS.unpack(take(_SECONDS.size))[0] for _ in range(number()))
    statements = []
    for _ in range(number()):
        statement, count = _from_utf8(take(number())), number()
        statements.append((statement, count, _SECONDS.unpack(take(_SECONDS.size))[0]))
    return Exemplar(
        route=route,
        at=at,
        duration_s=duration_s,
        status=status,
        parts_s=tuple(parts_s),
        statements=tuple(statements),
    )


def _repeats(number: _Number, take: _Take) -> Repeats:
    kind, subject = _from_utf8(take(number())), _from_utf8(take(number()))
    calls, caches = number(), number()
    (took_s,) = _SECONDS.unpack(take(_SECONDS.size))
    kept = []
    for _ in range(caches):
        hits, stale = number(), number()
        ttl_s, spared_s = _KEPT.unpack(take(_KEPT.size))
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
    return _EPOCH + us * _MICROSECOND


def _put_seconds(head: bytearray, body: bytearray, times_s: tuple[float, ...]) -> None:
    write_varint(head, len(times_s))
    for one_s in times_s:
        body.extend(_SECONDS.pack(one_s))


def _histogram(encoded: bytes) -> Histogram:
    return Histogram.from_bytes(encoded) if encoded else Histogram()


def _gauge(number: _Number, take: _Take) -> tuple[str, Gauge]:
    name = _from_utf8(take(number()))
    samples = number()
    total, peak = _GAUGE.unpack(take(_GAUGE.size))
    return name, Gauge(total, samples, peak)


class _Parts:
    """Hands out a stretch of bytes piece by piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._position = 0

    def take(self, length: int | None) -> bytes:
        """The next *length* bytes, or all that are left."""
        end = len(self._body) if length is None else self._position + length
        if end > len(self._body):
            raise ValueError("a window cut short")
        part = self._body[self._position : end]
        self._position = end
        return part


def _unpacked(encoded: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(encoded, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"a damaged window: {error}") from error
    if not unpacker.eof:
        raise ValueError("a window cut short")
    return plain


# A path may hold bytes that are no text, which Python keeps as lone surrogates. The names of a
# window are those of the one before.
@lru_cache(maxsize=1024)
def _to_utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _from_utf8(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")
