"""
Encoding: a window's series, gauges and counters as few bytes, and back.

When it was and who measured it are not in it: a store keeps those where it can search them. The
layout is a format number, then all lengths and counts as variable-length integers, then the names
and histograms that they measure, one after the other; zlib makes it about half as long. Nothing
in it is ever executed, so a file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from struct import Struct

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.model.varint import Reader, write_varint

_FORMAT = 1
_GAUGE = Struct("<dd")
_MAX_BYTES = 64 << 20
"""No window comes near it; a few bytes that unpack to more are not one of ours."""


def encode(snapshot: Snapshot) -> bytes:
    """What *snapshot* measured, in some hundreds of bytes for a few routes."""
    head, body = bytearray((_FORMAT,)), bytearray()

    def put(part: bytes) -> None:
        write_varint(head, len(part))
        body.extend(part)

    write_varint(head, len(snapshot.series))
    for series in snapshot.series:
        put(_to_utf8(series.kind))
        put(_to_utf8(series.name))
        for histogram in (series.succeeded, series.failed):
            put(histogram.to_bytes() if histogram else b"")
    write_varint(head, len(snapshot.gauges))
    for name, gauge in snapshot.gauges.items():
        put(_to_utf8(name))
        write_varint(head, gauge.samples)
        body.extend(_GAUGE.pack(gauge.total, gauge.peak))
    write_varint(head, len(snapshot.counters))
    for name, count in snapshot.counters.items():
        put(_to_utf8(name))
        write_varint(head, count)
    whole = bytearray()
    write_varint(whole, len(head))
    return zlib.compress(bytes(whole + head + body), 6)


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
    if len(rest) < length or rest[:1] != bytes((_FORMAT,)):
        raise ValueError("not a window of this format")
    number, take = Reader(rest[:length], 1).varint, _Parts(rest[length:]).take
    series = tuple(_series(number, take, envelope.window_s) for _ in range(number()))
    gauges = dict(_gauge(number, take) for _ in range(number()))
    counters = {_from_utf8(take(number())): number() for _ in range(number())}
    if take(None):
        raise ValueError("a window with more in it than it says")
    return replace(envelope, series=series, gauges=gauges, counters=counters)


_Number = Callable[[], int]
_Take = Callable[[int | None], bytes]


def _series(number: _Number, take: _Take, window_s: float) -> Series:
    return Series(
        kind=Kind(_from_utf8(take(number()))),
        name=_from_utf8(take(number())),
        window_s=window_s,
        succeeded=_histogram(take(number())),
        failed=_histogram(take(number())),
    )


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


# A path may hold bytes that are no text, which Python keeps as lone surrogates.
def _to_utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _from_utf8(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")
