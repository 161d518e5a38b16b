"""
Protobuf: families as Prometheus' `MetricFamily` messages, with native histograms. Pure.

Our histograms are of its schema 6 already, so they pass over bucket by bucket: a quantile that
Prometheus computes is as exact as ours. The few messages are written by hand, by the numbers of
the fields in Prometheus' `metrics.proto`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, log2
from struct import pack

from keiko_perf.model import Histogram
from keiko_perf.model.codec import SCALE
from keiko_perf.model.histogram import HIGHEST_S, LOWEST_S
from keiko_perf.model.varint import write_varint
from keiko_perf.monitoring.export.families import Family, Sample, Sort

PROTOBUF = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
_TYPES = {Sort.COUNTER: 0, Sort.GAUGE: 1, Sort.HISTOGRAM: 4}
_VARINT, _DOUBLE, _BYTES = 0, 1, 2
_TOP = ceil(log2(HIGHEST_S) * (1 << SCALE))


def as_protobuf(families: Iterable[Family]) -> bytes:
    """The families, each with its length in front."""
    out = bytearray()
    for family in families:
        body = _family(family)
        write_varint(out, len(body))
        out += body
    return bytes(out)


def _family(family: Family) -> bytes:
    name = f"{family.name}_total" if family.sort is Sort.COUNTER else family.name
    out = bytearray()
    _put_bytes(out, 1, _utf8(name))
    _put_bytes(out, 2, _utf8(family.help))
    _put_varint(out, 3, _TYPES[family.sort])
    for sample in family.samples:
        _put_bytes(out, 4, _metric(family.sort, sample))
    return bytes(out)


def _metric(sort: Sort, sample: Sample) -> bytes:
    out = bytearray()
    for name, value in sample.labels:
        label = bytearray()
        _put_bytes(label, 1, _utf8(name))
        _put_bytes(label, 2, _utf8(value))
        _put_bytes(out, 1, label)
    if isinstance(sample.value, Histogram):
        _put_bytes(out, 7, _histogram(sample.value))
        return bytes(out)
    value_of = bytearray()
    _put_double(value_of, 1, sample.value)
    _put_bytes(out, 3 if sort is Sort.COUNTER else 2, value_of)
    return bytes(out)


def _histogram(histogram: Histogram) -> bytes:
    document = histogram.to_dict()
    out = bytearray()
    _put_varint(out, 1, histogram.count)
    _put_double(out, 2, histogram.sum_s)
    _put_varint(out, 5, _zigzag(SCALE))
    _put_double(out, 6, LOWEST_S)
    _put_varint(out, 7, histogram.below)
    counts: list[int] = list(document["counts"])
    first = int(document["offset"])
    if histogram.above:
        # In the bucket above the range, however far that is from what else there is.
        first = first if counts else _TOP
        counts += [*(0,) * (_TOP - first - len(counts)), histogram.above]
    if not counts:
        # An empty span tells a native histogram without observations from a classic one.
        span = bytearray()
        _put_varint(span, 1, 0)
        _put_varint(span, 2, 0)
        _put_bytes(out, 12, span)
        return bytes(out)
    before = 0
    deltas = bytearray()
    for offset, length in _spans(counts, first):
        span = bytearray()
        _put_varint(span, 1, _zigzag(offset))
        _put_varint(span, 2, length)
        _put_bytes(out, 12, span)
    for count in counts:
        if count:
            _put_varint(deltas, 13, _zigzag(count - before))
            before = count
    return bytes(out + deltas)


def _spans(counts: list[int], first: int) -> list[tuple[int, int]]:
    """
    Runs of buckets that hold anything: how many are left out before each, and its length.

    OpenTelemetry's bucket *i* is Prometheus' *i* + 1: one names the lower bound, one the upper.
    """
    spans: list[tuple[int, int]] = []
    skipped, length = first + 1, 0
    for count in counts:
        if count:
            length += 1
        elif length:
            spans.append((skipped, length))
            skipped, length = 1, 0
        else:
            skipped += 1
    return [*spans, (skipped, length)] if length else spans


def _zigzag(number: int) -> int:
    return 2 * number if number >= 0 else -2 * number - 1


def _put_varint(out: bytearray, field: int, number: int) -> None:
    write_varint(out, field << 3 | _VARINT)
    write_varint(out, number)


def _put_double(out: bytearray, field: int, number: float) -> None:
    write_varint(out, field << 3 | _DOUBLE)
    out += pack("<d", number)


def _put_bytes(out: bytearray, field: int, body: bytes | bytearray) -> None:
    write_varint(out, field << 3 | _BYTES)
    write_varint(out, len(body))
    out += body


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
