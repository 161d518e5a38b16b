"""
Codec: what a histogram kept, as JSON, as few bytes, and as bytes that are quick to read.

Three encodings of one value. `to_dict` is for people and other programs, `to_bytes` for one
histogram that stands alone, `pack` for many that are compressed together. Each is undone to the
last bit, and what was cut short, changed or made by another version is refused.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

from keiko_perf.model.lanes import narrowed, widened
from keiko_perf.model.varint import Reader, write_varint

SCALE = 6
"""Buckets are spaced by 2^(2^-scale), as in OpenTelemetry's exponential histograms."""
BIAS = 1280
"""More than the distance of any bucket from that of 1 s: 64 times -log2 of the lowest duration."""

_FORMAT = 1
_PACKED_FORMAT = 2
_PACKED = Struct("<BcQQQQhdd")
_WIDTHS = ((b"B", 1, 1 << 8), (b"H", 2, 1 << 16), (b"I", 4, 1 << 32), (b"Q", 8, 1 << 64))
"""The narrowest array that takes the largest count: its code, its bytes an item, its bound."""
_LOW = (1 << 64) - 1
_WIDTH_OF = {code: width for code, width, _ in _WIDTHS}


class Kept(NamedTuple):
    """All that a histogram holds; `first` is the index of the first of its `counts`."""

    first: int
    counts: array[int]
    below: int
    above: int
    sum_ns: int
    min_s: float | None
    max_s: float | None


def to_dict(kept: Kept) -> dict[str, Any]:
    """In JSON's types; `offset` and `counts` are OpenTelemetry's."""
    return {
        "scale": SCALE,
        "offset": kept.first,
        "counts": kept.counts.tolist(),
        "below": kept.below,
        "above": kept.above,
        "sum_ns": kept.sum_ns,
        "min_s": kept.min_s,
        "max_s": kept.max_s,
    }


def from_dict(document: Mapping[str, Any]) -> Kept:
    """
    Undo `to_dict`.

    Raises:
        ValueError: it is not such a document, or of another scale.
    """
    try:
        if document["scale"] != SCALE:
            raise ValueError(f"a histogram of scale {document['scale']}, not {SCALE}")
        return _checked(
            first=int(document["offset"]),
            counts=[int(count) for count in document["counts"]],
            below=int(document["below"]),
            above=int(document["above"]),
            sum_ns=int(document["sum_ns"]),
            min_s=document["min_s"],
            max_s=document["max_s"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a histogram's document: {error!r}") from error


def to_bytes(kept: Kept) -> bytes:
    """In some tens to hundreds of bytes; runs of empty buckets take two."""
    out = bytearray((_FORMAT, SCALE))
    numbers = (kept.below, kept.above, kept.sum_ns, kept.first + BIAS, len(kept.counts))
    for number in numbers:
        write_varint(out, number)
    empty = 0
    for count in kept.counts:
        if not count:
            empty += 1
            continue
        if empty:
            out.append(0)
            write_varint(out, empty)
            empty = 0
        write_varint(out, count)
    if kept.min_s is not None and kept.max_s is not None:
        out += array("d", (kept.min_s, kept.max_s)).tobytes()
    return bytes(out)


def from_bytes(encoded: bytes) -> Kept:
    """
    Undo `to_bytes`.

    Raises:
        ValueError: the bytes are cut short, or not a histogram of this format.
    """
    if encoded[:2] != bytes((_FORMAT, SCALE)):
        raise ValueError("not a histogram of this format")
    reader = Reader(encoded, 2)
    below, above, sum_ns, first, length = (reader.varint() for _ in range(5))
    if length > BIAS * 2:
        raise ValueError(f"a histogram of {length} buckets; there are fewer than {BIAS * 2}")
    counts: list[int] = []
    while len(counts) < length:
        count = reader.varint()
        counts.extend((count,) if count else (0,) * min(reader.varint(), length))
    ends = array("d")
    ends.frombytes(reader.rest())
    if len(ends) not in (0, 2) or len(counts) != length:
        raise ValueError("a histogram cut short")
    min_s, max_s = ends or (None, None)
    return _checked(first - BIAS, counts, below, above, sum_ns, min_s, max_s)


def pack(kept: Kept) -> bytes:
    """In bytes that are quick rather than short; *kept* holds something."""
    most = max(kept.counts, default=0)
    code, width = next((code, width) for code, width, above in _WIDTHS if most < above)
    return packed(code, narrowed(kept.counts, width), kept.first, *kept[2:])


def packed(
    code: bytes,
    counts: bytes,
    first: int,
    below: int,
    above: int,
    sum_ns: int,
    min_s: float | None,
    max_s: float | None,
) -> bytes:
    """The same of counts that are narrow already: as `array` has them, in items of that *code*."""
    return (
        _PACKED.pack(
            _PACKED_FORMAT, code, below, above, sum_ns >> 64, sum_ns & _LOW, first, min_s, max_s
        )
        + counts
    )


def glance(encoded: bytes) -> tuple[int, int]:
    """
    How many durations a histogram that `pack` made holds, and their sum in nanoseconds.

    Raises:
        ValueError: it is cut short, or not a histogram of this format.
    """
    if not encoded:
        return 0, 0
    if len(encoded) < _PACKED.size or encoded[0] != _PACKED_FORMAT:
        raise ValueError("not a histogram of this format")
    _, code, below, above, high, low, _, _, _ = _PACKED.unpack_from(encoded)
    body = encoded[_PACKED.size :]
    counts = sum(body) if code == b"B" else sum(unpack(encoded).counts)
    return counts + below + above, (high << 64) + low


def unpack(encoded: bytes) -> Kept:
    """
    Undo `pack`.

    Raises:
        ValueError: the bytes are cut short, or not a histogram of this format.
    """
    if len(encoded) < _PACKED.size or encoded[0] != _PACKED_FORMAT:
        raise ValueError("not a histogram of this format")
    _, code, below, above, high, low, first, min_s, max_s = _PACKED.unpack_from(encoded)
    width = _WIDTH_OF.get(code)
    if width is None:
        raise ValueError("not a histogram of this format")
    body = encoded[_PACKED.size :]
    if len(body) % width or len(body) // width > BIAS * 2:
        raise ValueError("a histogram cut short")
    counts = widened(body, width)
    return _checked(first, counts, below, above, (high << 64) + low, min_s, max_s)


def _checked(
    first: int,
    counts: Sequence[int],
    below: int,
    above: int,
    sum_ns: int,
    min_s: float | None,
    max_s: float | None,
) -> Kept:
    try:
        kept = counts if isinstance(counts, array) else array("Q", counts)
    except OverflowError as error:
        raise ValueError("a histogram with a negative count") from error
    if counts and not -BIAS <= first <= first + len(counts) <= BIAS:
        raise ValueError("a histogram with buckets out of range")
    something = sum(kept) + below + above > 0
    if something != (min_s is not None) or something != (max_s is not None):
        raise ValueError("a histogram whose counts and bounds contradict each other")
    ends = (None, None) if min_s is None or max_s is None else (float(min_s), float(max_s))
    return Kept(first, kept, below, above, sum_ns, *ends)
