"""
Exposition: what a service counts, with all its durations, read from Prometheus' protobuf form.

Its native histograms of schema 6 have the buckets of ours, so a percentile between two readings
loses nothing; the text form has but fourteen buckets. Only what is known is read, the rest is
passed over; the numbers of the fields are those of Prometheus' `metrics.proto`. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import accumulate
from struct import unpack_from

from keiko_perf.loadtest.watching.telemetry import KINDS, KNOWN
from keiko_perf.model import Histogram, Kind
from keiko_perf.model.codec import SCALE
from keiko_perf.model.histogram import HIGHEST_S

ACCEPT = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
_MOST_BUCKETS = 4096
_BASE = 2.0 ** (1.0 / (1 << SCALE))

Field = tuple[int, int | float | bytes]


def read_protobuf(
    body: bytes, kinds: Collection[Kind]
) -> tuple[dict[str, float], dict[Kind, Histogram]]:
    """
    The values that `telemetry` knows, each summed over its labels, and the durations of *kinds*.

    Raises:
        ValueError: it is no such message, or one that is cut short.
    """
    values: dict[str, float] = {}
    found: dict[Kind, list[Histogram]] = {}
    at = 0
    while at < len(body):
        length, at = _varint(body, at)
        if at + length > len(body):
            raise ValueError("a message that is cut short")
        _read_family(body[at : at + length], kinds, values, found)
        at += length
    return values, {kind: Histogram.merged(some) for kind, some in found.items()}


def _read_family(
    family: bytes,
    kinds: Collection[Kind],
    values: dict[str, float],
    found: dict[Kind, list[Histogram]],
) -> None:
    name = ""
    for number, value in _fields(family):
        if number == 1 and isinstance(value, bytes):
            name = value.decode("utf-8", "replace")
            if name not in KINDS and name not in KNOWN:
                return
        elif number == 4 and isinstance(value, bytes):
            _read_metric(name, value, kinds, values, found)


def _read_metric(
    name: str,
    metric: bytes,
    kinds: Collection[Kind],
    values: dict[str, float],
    found: dict[Kind, list[Histogram]],
) -> None:
    kind = KINDS.get(name)
    for number, value in _fields(metric):
        if not isinstance(value, bytes):
            continue
        if number in (2, 3):  # a gauge, a counter
            for inner, told in _fields(value):
                if inner == 1 and isinstance(told, float):
                    values[name] = values.get(name, 0.0) + told
        elif number == 7 and kind is not None:
            parts = list(_fields(value))
            for inner, ending in ((1, "count"), (2, "sum")):
                told = next((one for at, one in parts if at == inner), 0)
                key = f"{name}_{ending}"
                values[key] = values.get(key, 0.0) + float(told)
            if kind in kinds:
                histogram = _histogram(parts)
                if histogram is not None:
                    found.setdefault(kind, []).append(histogram)


def _histogram(parts: list[Field]) -> Histogram | None:
    """A native histogram of our own schema; None for any other."""
    numbers = {number: value for number, value in parts if number in (2, 5, 7)}
    if _unzigzagged(int(numbers.get(5, 1))) != SCALE:
        return None
    spans = [_span(value) for number, value in parts if number == 12 and isinstance(value, bytes)]
    deltas = [_unzigzagged(int(value)) for number, value in parts if number == 13]
    counts = dict(zip(_indexes(spans), accumulate(deltas), strict=True))
    return made(
        {index: count for index, count in counts.items() if count},
        below=int(numbers.get(7, 0)),
        sum_s=float(numbers.get(2, 0.0)),
    )


def made(counts: dict[int, int], *, below: int, sum_s: float) -> Histogram:
    """
    A histogram of what stands in the buckets of OpenTelemetry's numbers.

    How short the shortest was is not told, nor how long the longest: the bounds of their buckets
    stand for them.

    Raises:
        ValueError: it counts less than nothing.
    """
    bounds = [index for index in counts if _BASE**index < HIGHEST_S]
    above = sum(count for index, count in counts.items() if index not in bounds)
    first, last = min(bounds, default=0), max(bounds, default=-1)
    if last - first > _MOST_BUCKETS or min((below, *counts.values()), default=0) < 0:
        raise ValueError("no histogram of durations")
    least_s = 0.0 if below else _BASE**first if bounds else HIGHEST_S
    most_s = HIGHEST_S * 2 if above else _BASE ** (last + 1) if bounds else 0.0
    is_empty = not (below or above or bounds)
    return Histogram.from_dict(
        {
            "scale": SCALE,
            "offset": first,
            "counts": [counts.get(index, 0) for index in range(first, last + 1)],
            "below": below,
            "above": above,
            "sum_ns": round(max(sum_s, 0.0) * 1e9),
            "min_s": None if is_empty else least_s,
            "max_s": None if is_empty else most_s,
        }
    )


def _span(body: bytes) -> tuple[int, int]:
    offset = length = 0
    for number, value in _fields(body):
        if number == 1 and isinstance(value, int):
            offset = _unzigzagged(value)
        elif number == 2 and isinstance(value, int):
            length = value
    if not 0 <= length <= _MOST_BUCKETS:
        raise ValueError("a histogram with too many buckets")
    return offset, length


def _indexes(spans: list[tuple[int, int]]) -> list[int]:
    """The buckets, by OpenTelemetry's numbers: one less than Prometheus'."""
    found: list[int] = []
    at = -1
    for offset, length in spans:
        at += offset
        found += range(at, at + length)
        at += length
    return found


def _fields(message: bytes) -> Iterator[Field]:
    """
    The fields of a message, in their order.

    Raises:
        ValueError: it is none.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {_DOUBLE: 8, _FLOAT: 4}.get(wire)
        if wire == _BYTES:
            length, at = _varint(message, at)
        if length is None or at + length > len(message):
            raise ValueError("a message that is cut short")
        if wire == _DOUBLE:
            yield number, unpack_from("<d", message, at)[0]
        elif wire == _BYTES:
            yield number, message[at : at + length]
        at += length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(body) and shift < 70:
        byte = body[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError("a number that is cut short")


def _unzigzagged(number: int) -> int:
    return number >> 1 ^ -(number & 1)
