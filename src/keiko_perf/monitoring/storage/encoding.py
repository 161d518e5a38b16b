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
from keiko_perf.model.varint import Reader, read_varints, write_varint

_FORMAT = 5
_FOURTH_FORMAT = 4  # without what is asked again; still read
# The third had neither the statements of routes nor the slow requests; it is still read as well.
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

Wants = Callable[[Kind, str], bool]
"""Whether a series is wanted."""


def no_series(_kind: Kind, _name: str) -> bool:
    """None is wanted, but all the rest of a window, for a tenth of the work."""
    return False


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
        lengths, names = _named(series.kind, series.name)
        head += lengths
        body += names
        for histogram in (series.succeeded, series.failed, series.refused):
            if histogram:
                put(histogram.pack())
            else:
                head.append(0)
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
    plain = _unpacked(encoded)
    outer = Reader(plain)
    length = outer.varint()
    rest = outer.rest()
    if not 0 < length <= len(rest) or not _FIRST_FORMAT <= (format := rest[0]) <= _FORMAT:
        raise ValueError("not a window of this format")
    parts = _Parts(read_varints(rest[1:length]), rest[length:])
    number = parts.number
    series = _series(parts, format, envelope.window_s, wants)
    gauges = dict(_gauge(parts) for _ in range(number()))
    counters = {parts.text(): number() for _ in range(number())}
    blocking = tuple(_call(parts) for _ in range(number() if format > _FIRST_FORMAT else 0))
    asked = tuple(_asked(parts) for _ in range(number() if format >= _FOURTH_FORMAT else 0))
    shown = tuple(_exemplar(parts) for _ in range(number() if format >= _FOURTH_FORMAT else 0))
    repeats = tuple(_repeats(parts) for _ in range(number() if format >= _FORMAT else 0))
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
        one_s: float = _SECONDS.unpack(self.take(_SECONDS.size))[0]
        return one_s

    def end(self) -> None:
        """All should be handed out."""
        if self._position < len(self._body):
            raise ValueError("a window with more in it than it says")


def _series(parts: _Parts, format: int, window_s: float, wants: Wants | None) -> tuple[Series, ...]:
    made = []
    unpack = Histogram.unpack if format > _FIRST_FORMAT else _histogram
    n = _NUMBERS.get(format, 7)
    numbers = parts.numbers(parts.number() * n)
    if wants is no_series:
        columns = 4 if format == _FIRST_FORMAT else 5
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
                sent_bytes=lengths[3] if n > _NUMBERS[_FIRST_FORMAT] else 0,
                redirected=lengths[4] if n > _NUMBERS[_SECOND_FORMAT] else 0,
            )
        )
    return tuple(made)


_NUMBERS = {_FIRST_FORMAT: 4, _SECOND_FORMAT: 6}
"""Of a series, in the formats that have fewer than are written now."""


def _call(parts: _Parts) -> BlockingCall:
    place = parts.text()
    stack = tuple(parts.text() for _ in range(parts.number()))
    count, last_at = parts.number(), _instant(parts.number())
    total_s, longest_s, computed_s = _CALL.unpack(parts.take(_CALL.size))
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
        ttl_s, spared_s = _KEPT.unpack(parts.take(_KEPT.size))
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


def _gauge(parts: _Parts) -> tuple[str, Gauge]:
    name, samples = parts.text(), parts.number()
    total, peak = _GAUGE.unpack(parts.take(_GAUGE.size))
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
@lru_cache(maxsize=1024)
def _named(kind: Kind, name: str) -> tuple[bytes, bytes]:
    """The kind and the name of a series, and before it how long they are."""
    parts, lengths = (_to_utf8(kind), _to_utf8(name)), bytearray()
    for one in parts:
        write_varint(lengths, len(one))
    return bytes(lengths), b"".join(parts)


@lru_cache(maxsize=1024)
def _name_of(encoded: bytes, of_kind: int) -> tuple[Kind, str]:
    return Kind(_from_utf8(encoded[:of_kind])), _from_utf8(encoded[of_kind:])


# A path may hold bytes that are no text, which Python keeps as lone surrogates. The names of a
# window are those of the one before.
@lru_cache(maxsize=1024)
def _to_utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _from_utf8(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")
