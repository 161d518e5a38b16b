"""A service's totals to export, and a reader of Prometheus' messages of our own."""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime

from keiko_perf.model import Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.export.families import View

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
TOKEN = "a-token-of-a-test"


def view(**options):
    durations = [0.004, 0.02, 0.02, 0.3, 20.0]
    routes = (
        Series(
            kind=Kind.ROUTE,
            name="GET /agents/{id}",
            window_s=60.0,
            succeeded=Histogram(durations),
            failed=Histogram([1.0]),
            sent_bytes=4096,
        ),
        Series(kind=Kind.ROUTE, name="(other)", window_s=60.0, succeeded=Histogram([0.01])),
        Series(
            kind=Kind.STATEMENT,
            name='SELECT "name" FROM agents WHERE id = $1',
            window_s=60.0,
            succeeded=Histogram([0.001]),
        ),
    )
    totals = Snapshot(
        started_at=T0, window_s=60.0, series=routes, counters={"arrived": 6, "tasks_total": 2}
    )
    given = {"totals": totals, "since": T0, "current": None, "verdicts": {}, "alerts": ()}
    return View(**{**given, "build": {"version": "1"}, "figures": {}, **options})


def eventually(question):
    """The first answer that is not empty, asked again for a minute at most."""
    ends_s = time.monotonic() + 60
    while not (answered := question()):
        assert time.monotonic() < ends_s, "it never came"
        time.sleep(0.05)
    return answered


def read_families(encoded):
    """The name, the type and the metrics of each message, by the numbers of its fields."""
    while encoded:
        length, encoded = read_varint(encoded)
        body, encoded = encoded[:length], encoded[length:]
        fields = read_fields(body)
        yield (
            fields[1][0].decode(),
            fields[3][0],
            [read_metric(one) for one in fields.get(4, ())],
        )


def read_metric(body):
    fields = read_fields(body)
    labels = {}
    for one in fields.get(1, ()):
        label = read_fields(one)
        labels[label[1][0].decode()] = label[2][0].decode()
    if 7 not in fields:
        return {"labels": labels}
    histogram = read_fields(fields[7][0])
    buckets, at = {}, 0
    deltas, count = [unzigzag(one) for one in histogram.get(13, ())], 0
    for one in histogram.get(12, ()):
        span = read_fields(one)
        at += unzigzag(span[1][0])
        for _ in range(span[2][0]):
            count += deltas.pop(0)
            buckets[at] = count
            at += 1
    return {
        "labels": labels,
        "count": histogram[1][0],
        "sum": struct.unpack("<d", histogram[2][0])[0],
        "schema": unzigzag(histogram[5][0]),
        "zero": histogram[7][0],
        "buckets": buckets,
    }


def read_fields(body):
    fields = {}
    while body:
        key, body = read_varint(body)
        if key & 7 == 0:
            value, body = read_varint(body)
        elif key & 7 == 1:
            value, body = body[:8], body[8:]
        else:
            length, body = read_varint(body)
            value, body = body[:length], body[length:]
        fields.setdefault(key >> 3, []).append(value)
    return fields


def read_varint(encoded):
    number = shift = 0
    for position, byte in enumerate(encoded):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, encoded[position + 1 :]
    raise ValueError("cut short")


def unzigzag(number):
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1
