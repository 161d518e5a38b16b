"""
Charts: what a store keeps beside its windows so that nobody has to read those for a chart.

A chart wants few figures of much time: from the windows of a day it would take seconds to decode
and merge them. So each window that is kept is also added to the short point that its time is in;
once that is over it is folded into the longer ones; and a chart reads the points of one length, at
most a thousand, in milliseconds. What held the event loops is kept by itself likewise, for it is
rare and asked for often.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from keiko_perf.model import BlockingCall, Gauge, Histogram, Snapshot
from keiko_perf.model.blocking import merged_calls
from keiko_perf.monitoring.encoding import decode, encode
from keiko_perf.monitoring.points import (
    GAUGES,
    STRETCHES_S,
    Point,
    Sum,
    reach_s,
    started_s_of,
)

_SECOND_GAUGES = ("cpu_ratio", "memory_ratio", "pool_ratio")
ADDED = (
    "redirected INTEGER NOT NULL DEFAULT 0",
    "gc_max_s REAL",
    "pool_waiting_peak REAL",
    *(
        column
        for name in GAUGES
        if name not in _SECOND_GAUGES
        for column in (f"{name} REAL", f"{name}_samples INTEGER NOT NULL DEFAULT 0")
    ),
    "waits BLOB NOT NULL DEFAULT x''",  # for a connection of the pool
)
"""The columns that the second layout of a store did not have; there they are not known."""
LAYOUT = (
    f"""CREATE TABLE points (
    stretch_s INTEGER NOT NULL,
    started_s INTEGER NOT NULL,   -- seconds since 1970 in UTC, a multiple of stretch_s
    first_us INTEGER NOT NULL,    -- when the first window began, in microseconds
    covered_s REAL NOT NULL,      -- how much of the time at least one worker measured
    longest_s REAL NOT NULL,      -- the longest window
    is_folded INTEGER NOT NULL DEFAULT 0,  -- whether the longer points have it
    requests INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    p50_s REAL,
    p95_s REAL,
    p99_s REAL,
    lag_p99_s REAL,
    tasks INTEGER NOT NULL,
    failed_tasks INTEGER NOT NULL,
    cpu_ratio REAL,
    cpu_ratio_samples INTEGER NOT NULL,
    memory_ratio REAL,
    memory_ratio_samples INTEGER NOT NULL,
    pool_ratio REAL,
    pool_ratio_samples INTEGER NOT NULL,
    in_flight_peak REAL,
    durations BLOB NOT NULL,      -- of successful requests, a histogram
    lags BLOB NOT NULL,           -- of the event loops
    {", ".join(ADDED)},
    PRIMARY KEY (stretch_s, started_s)
) WITHOUT ROWID""",
    "CREATE INDEX points_unfolded ON points (stretch_s, started_s) WHERE is_folded = 0",
    """CREATE TABLE calls (            -- windows in which something held an event loop
    id INTEGER PRIMARY KEY,
    started_us INTEGER NOT NULL,
    body BLOB NOT NULL            -- only that
)""",
    "CREATE INDEX calls_by_start ON calls (started_us)",
)
"""The tables, statement by statement."""
_SHOWN = (
    "covered_s", "requests", "failed", "refused", "p50_s", "p95_s", "p99_s", "lag_p99_s", "tasks",
    "failed_tasks", *_SECOND_GAUGES, "in_flight_peak",
)  # fmt: skip
_SUMMED = (
    "stretch_s", "started_s", "first_us", "covered_s", "longest_s", "requests", "failed", "refused",
    "redirected", "tasks", "failed_tasks", "in_flight_peak", "pool_waiting_peak", "gc_max_s",
)  # fmt: skip
_HISTOGRAMS = ("durations", "lags", "waits")
_MEANS = tuple(column for name in GAUGES for column in (name, f"{name}_samples"))
_WHOLE = (*_SUMMED, *_HISTOGRAMS, *_MEANS)
"""What a point is added up from."""
_TOLD = ("is_folded", "p50_s", "p95_s", "p99_s", "lag_p99_s")
"""What follows from it."""
_ALL = f"SELECT {', '.join(_WHOLE)} FROM points WHERE stretch_s = ?"  # noqa: S608 - our own names
_READ = (
    "SELECT started_s, min(covered_s, max(stretch_s, longest_s)),"  # noqa: S608 - our own names
    f" {', '.join(_SHOWN[1:])} FROM points"
    " WHERE stretch_s = ? AND started_s > ? AND started_s < ?"
)
_WRITE = (
    f"INSERT OR REPLACE INTO points ({', '.join((*_WHOLE, *_TOLD))})"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * len((*_WHOLE, *_TOLD)))})"
)
_SHORT_S, *_LONGER_S = STRETCHES_S
_OPEN_S = 3 * _SHORT_S
"""After which a short point is folded. A window that comes later still is added to all."""
_FOLDED_AT_ONCE = 100
_FORGOTTEN_AT_ONCE = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def add(connection: sqlite3.Connection, window: Snapshot, *, retention_s: float) -> None:
    """Add *window* to its points and calls, and forget what is too old for any chart."""
    more, started_s = Sum.of(window), started_s_of(window, _SHORT_S)
    known = connection.execute(
        "SELECT is_folded FROM points WHERE stretch_s = ? AND started_s = ?", (_SHORT_S, started_s)
    ).fetchone()
    is_folded = known is not None and bool(known[0])
    _add_to_point(connection, _SHORT_S, started_s, [more], is_folded=is_folded)
    if is_folded:
        for stretch_s in _LONGER_S:
            _add_to_point(connection, stretch_s, started_s // stretch_s * stretch_s, [more])
    if known is None:
        _fold(connection, started_s - _OPEN_S)
        _forget(connection, started_s, retention_s)
    if window.blocking:
        _add_calls(connection, window, retention_s)


def read_points(
    connection: sqlite3.Connection, start_at: datetime, end_at: datetime, stretch_s: int
) -> list[Point]:
    """The points of one length that touch the range, in their order."""
    range_s = start_at.timestamp() - stretch_s, end_at.timestamp()
    found = {
        started_s: Point(
            at=_EPOCH + timedelta(seconds=started_s),
            stretch_s=stretch_s,
            **dict(zip(_SHOWN, figures, strict=True)),
        )
        for started_s, *figures in connection.execute(_READ, (stretch_s, *range_s))
    }
    for whole in _still_open(connection, *range_s, stretch_s):
        found[whole.started_s] = whole.point()
    return [found[started_s] for started_s in sorted(found)]


def read_sums(
    connection: sqlite3.Connection, start_at: datetime, end_at: datetime, stretch_s: int
) -> list[Sum]:
    """The same as what they are added up from, with their histograms."""
    range_s = start_at.timestamp() - stretch_s, end_at.timestamp()
    rows = connection.execute(f"{_ALL} AND started_s > ? AND started_s < ?", (stretch_s, *range_s))
    found = {one.started_s: one for one in map(_sum_of, rows)}
    found |= {one.started_s: one for one in _still_open(connection, *range_s, stretch_s)}
    return [found[started_s] for started_s in sorted(found)]


def read_calls(
    connection: sqlite3.Connection, start_at: datetime, end_at: datetime
) -> tuple[BlockingCall, ...]:
    """What held the event loops in the windows that began in that time, of all workers."""
    bodies = connection.execute(
        "SELECT body FROM calls WHERE started_us >= ? AND started_us < ?",
        (_to_us(start_at), _to_us(end_at)),
    ).fetchall()
    return merged_calls(call for (body,) in bodies for call in _calls_of(body))


def forget_a_quarter(connection: sqlite3.Connection) -> None:
    """Make room: give up the oldest quarter of each table."""
    for stretch_s in STRETCHES_S:
        connection.execute(
            "DELETE FROM points WHERE stretch_s = ? AND started_s IN (SELECT started_s FROM points"
            " WHERE stretch_s = ? ORDER BY started_s"
            " LIMIT (SELECT count(*) / 4 FROM points WHERE stretch_s = ?))",
            (stretch_s, stretch_s, stretch_s),
        )
    connection.execute(
        "DELETE FROM calls WHERE id IN (SELECT id FROM calls ORDER BY started_us"
        " LIMIT (SELECT count(*) / 4 FROM calls))"
    )


def _add_to_point(
    connection: sqlite3.Connection,
    stretch_s: int,
    started_s: int,
    more: Iterable[Sum],
    *,
    is_folded: bool = False,
) -> None:
    whole = _with(connection, stretch_s, started_s, more)
    connection.execute(_WRITE, _row_of(whole, is_folded=is_folded or stretch_s != _SHORT_S))


def _fold(connection: sqlite3.Connection, until_s: float) -> None:
    """Add the short points that began before *until_s* to the longer ones."""
    rows = connection.execute(
        f"{_ALL} AND is_folded = 0 AND started_s < ? ORDER BY started_s LIMIT ?",
        (_SHORT_S, until_s, _FOLDED_AT_ONCE),
    ).fetchall()
    short = [_sum_of(row) for row in rows]
    for stretch_s in _LONGER_S:
        for started_s, group in _by_start(short, stretch_s).items():
            _add_to_point(connection, stretch_s, started_s, group)
    connection.executemany(
        "UPDATE points SET is_folded = 1 WHERE stretch_s = ? AND started_s = ?",
        [(_SHORT_S, one.started_s) for one in short],
    )


def _forget(connection: sqlite3.Connection, now_s: float, retention_s: float) -> None:
    for stretch_s in STRETCHES_S:
        kept_s = min(retention_s, reach_s(stretch_s))
        connection.execute(
            "DELETE FROM points WHERE stretch_s = ? AND started_s IN (SELECT started_s FROM points"
            " WHERE stretch_s = ? AND is_folded = 1 AND started_s < ? ORDER BY started_s LIMIT ?)",
            (stretch_s, stretch_s, now_s - kept_s, _FORGOTTEN_AT_ONCE),
        )


def _still_open(
    connection: sqlite3.Connection, start_s: float, end_s: float, stretch_s: int
) -> list[Sum]:
    """The longer points that do not have all of the short ones yet, with those."""
    if stretch_s == _SHORT_S:
        return []
    rows = connection.execute(
        f"{_ALL} AND is_folded = 0 AND started_s > ? AND started_s < ?", (_SHORT_S, start_s, end_s)
    )
    groups = _by_start(map(_sum_of, rows), stretch_s)
    return [_with(connection, stretch_s, *one) for one in groups.items()]


def _by_start(short: Iterable[Sum], stretch_s: int) -> dict[int, list[Sum]]:
    groups: defaultdict[int, list[Sum]] = defaultdict(list)
    for one in short:
        groups[one.started_s // stretch_s * stretch_s].append(one)
    return groups


def _with(
    connection: sqlite3.Connection, stretch_s: int, started_s: int, more: Iterable[Sum]
) -> Sum:
    """A point as it is kept, and *more*."""
    row = connection.execute(f"{_ALL} AND started_s = ?", (stretch_s, started_s)).fetchone()
    whole = Sum(stretch_s, started_s) if row is None else _sum_of(row)
    for one in more:
        whole.add(one)
    return whole


def _row_of(whole: Sum, *, is_folded: bool) -> list[object]:
    point = whole.point()
    row: list[object] = [getattr(whole, name) for name in _SUMMED]
    row += (getattr(whole, name).pack() for name in _HISTOGRAMS)
    for name in GAUGES:
        gauge = whole.gauges.get(name)
        row += (None, 0) if gauge is None else (gauge.mean, gauge.samples)
    return [*row, is_folded, point.p50_s, point.p95_s, point.p99_s, point.lag_p99_s]


def _sum_of(row: Sequence[Any]) -> Sum:
    known = dict(zip(_WHOLE, row, strict=True))
    whole = Sum(
        **{name: known[name] for name in _SUMMED},
        **{name: Histogram.unpack(known[name]) for name in _HISTOGRAMS},
    )
    means = row[-len(_MEANS) :]
    for name, mean, samples in zip(GAUGES, means[::2], means[1::2], strict=True):
        if samples:
            whole.gauges[name] = Gauge(mean * samples, samples, mean)
    return whole


def _add_calls(connection: sqlite3.Connection, window: Snapshot, retention_s: float) -> None:
    started_us = _to_us(window.started_at)
    connection.execute(
        "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE started_us < ?"
        " ORDER BY started_us LIMIT ?)",
        (started_us - round(retention_s * 1e6), _FORGOTTEN_AT_ONCE),
    )
    only = Snapshot(started_at=window.started_at, window_s=0.0, blocking=window.blocking)
    connection.execute(
        "INSERT INTO calls (started_us, body) VALUES (?, ?)", (started_us, encode(only))
    )


def _calls_of(body: bytes) -> tuple[BlockingCall, ...]:
    try:
        return decode(body, Snapshot(started_at=_EPOCH, window_s=0.0)).blocking
    except ValueError:
        return ()  # the window itself is a hole in the history, and that is said where it is read


def _to_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
