"""
Encoding: a window's series, gauges, counters, blocking calls and statements as few bytes.

When it was and who measured it are not in it: a store keeps those where it can search them. The
layout is a format number, then all lengths and counts as variable-length integers, then the names
and histograms that they measure, one after the other; zlib makes it about half as long. Nothing
in it is ever executed, so a file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from math import nan

from keiko_perf.model import (
    Asked,
    BlockingCall,
    Exemplar,
    Kind,
    Repeats,
    Series,
    Snapshot,
)
from keiko_perf.model.varint import write_varint
from keiko_perf.monitoring.storage.layout import (
    CALL,
    EPOCH,
    FORMAT,
    GAUGE,
    KEPT,
    MICROSECOND,
    SECONDS,
)

_LEVEL = 3
"""A tenth longer than the usual 6, in less than half of the time."""


def encode(snapshot: Snapshot) -> bytes:
    """What *snapshot* measured, in some hundreds of bytes for a few routes."""
    into = _Window()
    _put_series(into, snapshot.series)
    into.number(len(snapshot.gauges))
    for name, gauge in snapshot.gauges.items():
        into.text(name)
        into.number(gauge.samples)
        into.body += GAUGE.pack(gauge.total, gauge.peak)
    into.number(len(snapshot.counters))
    for name, count in snapshot.counters.items():
        into.text(name)
        into.number(count)
    _put_calls(into, snapshot.blocking)
    _put_asked(into, snapshot.asked)
    _put_exemplars(into, snapshot.exemplars)
    _put_repeats(into, snapshot.repeats)
    return into.packed()


class _Window:
    """A head of numbers and lengths, and a body of what these measure."""

    __slots__ = ("body", "head")

    def __init__(self) -> None:
        self.head, self.body = bytearray((FORMAT,)), bytearray()

    def number(self, value: int) -> None:
        """One more number."""
        write_varint(self.head, value)

    def put(self, part: bytes) -> None:
        """Some bytes, with their length."""
        length = len(part)
        if length < 0x80:  # as `write_varint` would, without asking it a hundred times a window
            self.head.append(length)
        else:
            write_varint(self.head, length)
        self.body += part

    def text(self, text: str) -> None:
        """A text, with its length in UTF-8."""
        self.put(_to_utf8(text))

    def instant(self, at: datetime) -> None:
        """When something was, in microseconds."""
        self.number((at - EPOCH) // MICROSECOND)

    def packed(self) -> bytes:
        """Both, with the length of the head in front, compressed."""
        whole = bytearray()
        write_varint(whole, len(self.head))
        return zlib.compress(whole + self.head + self.body, _LEVEL)


def _put_series(into: _Window, series: Sequence[Series]) -> None:
    into.number(len(series))
    head = into.head
    for one in series:
        lengths, names = _named(one.kind, one.name)
        head += lengths
        into.body += names
        for histogram in (one.succeeded, one.failed, one.refused):
            if histogram:
                into.put(histogram.pack())
            else:
                head.append(0)
        write_varint(head, one.sent_bytes)
        write_varint(head, one.redirected)


def _put_calls(into: _Window, calls: Sequence[BlockingCall]) -> None:
    into.number(len(calls))
    for call in calls:
        into.text(call.place)
        into.number(len(call.stack))
        for place in call.stack:
            into.text(place)
        into.number(call.count)
        into.instant(call.last_at)
        computed_s = nan if call.computed_s is None else call.computed_s
        into.body += CALL.pack(call.total_s, call.longest_s, computed_s)


def _put_asked(into: _Window, asked: Sequence[Asked]) -> None:
    into.number(len(asked))
    for one in asked:
        for text in (one.route, one.statement, one.place):
            into.text(text)
        for count in (one.requests, one.count, one.most):
            into.number(count)
        into.body += SECONDS.pack(one.total_s)


def _put_exemplars(into: _Window, exemplars: Sequence[Exemplar]) -> None:
    into.number(len(exemplars))
    for shown in exemplars:
        into.text(shown.route)
        into.instant(shown.at)
        into.number(shown.status)
        into.number(1 + len(shown.parts_s))
        for one_s in (shown.duration_s, *shown.parts_s):
            into.body += SECONDS.pack(one_s)
        into.number(len(shown.statements))
        for statement, count, total_s in shown.statements:
            into.text(statement)
            into.number(count)
            into.body += SECONDS.pack(total_s)


def _put_repeats(into: _Window, repeats: Sequence[Repeats]) -> None:
    into.number(len(repeats))
    for one in repeats:
        into.text(one.kind or "")
        into.text(one.subject)
        into.number(one.calls)
        into.number(len(one.kept))
        into.body += SECONDS.pack(one.took_s)
        for kept in one.kept:
            into.number(kept.hits)
            into.number(kept.stale)
            into.body += KEPT.pack(kept.ttl_s, kept.spared_s)


# The names of a window are those of the one before.
@lru_cache(maxsize=1024)
def _named(kind: Kind, name: str) -> tuple[bytes, bytes]:
    """The kind and the name of a series, and before it how long they are."""
    parts, lengths = (_to_utf8(kind), _to_utf8(name)), bytearray()
    for one in parts:
        write_varint(lengths, len(one))
    return bytes(lengths), b"".join(parts)


# A path may hold bytes that are no text, which Python keeps as lone surrogates. The names of a
# window are those of the one before.
@lru_cache(maxsize=1024)
def _to_utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
