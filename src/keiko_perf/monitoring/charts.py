"""
Charts: what a store keeps beside its windows so that nobody has to read those for a chart.

A chart wants few figures of much time: from the windows of a day it would take seconds to decode
and merge them. So each window that is kept is also added to the points that its time is in, of
several lengths, and a chart reads those of one length, at most a thousand, in milliseconds. What
held the event loops is kept by itself likewise, for it is rare and asked for often.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from keiko_perf.model import BlockingCall, Gauge, Histogram, Snapshot
from keiko_perf.model.blocking import merged_calls
from keiko_perf.monitoring.encoding import decode, encode
from keiko_perf.monitoring.points import GAUGES, STRETCHES_S, Point, Sum, started_s_of

LAYOUT = (
    """CREATE TABLE points (
    stretch_s INTEGER NOT NULL,
    started_s INTEGER NOT NULL,   -- seconds since 1970 in UTC, a multiple of stretch_s
    first_us INTEGER NOT NULL,    -- when the first window began, in microseconds
    covered_s REAL NOT NULL,      -- how much of the time at least one worker measured
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
    PRIMARY KEY (stretch_s, started_s)
) WITHOUT ROWID""",
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
    "failed_tasks", *GAUGES, "in_flight_peak",
)  # fmt: skip
_OWN = ("stretch_s", "started_s", "first_us", *(f"{name}_samples" for name in GAUGES), "durations",
        "lags")  # fmt: skip
_COLUMNS = (*_SHOWN, *_OWN)
_SUMMED = ("first_us", "covered_s", "requests", "failed", "refused", "tasks", "failed_tasks",
           "in_flight_peak")  # fmt: skip
_READ = (
    f"SELECT started_s, {', '.join(_SHOWN)} FROM points"  # noqa: S608 - our own names
    " WHERE stretch_s = ? AND started_s > ? AND started_s < ? ORDER BY started_s"
)
_READ_ONE = f"SELECT {', '.join(_COLUMNS)} FROM points WHERE stretch_s = ? AND started_s = ?"  # noqa: S608
_WRITE = (
    f"INSERT OR REPLACE INTO points ({', '.join(_COLUMNS)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_KEPT = 1_100
"""Points of each length but the longest that are kept: a chart's, and some."""
_KEPT_FOR_GOOD_S = 3_600
_FORGOTTEN_AT_ONCE = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def add(connection: sqlite3.Connection, window: Snapshot, *, retention_s: float) -> None:
    """Add *window* to its points and calls, and forget what is too old for any chart."""
    more = Sum.of(window)
    for stretch_s in STRETCHES_S:
        started_s = started_s_of(window, stretch_s)
        if _add_to_point(connection, stretch_s, started_s, more):
            is_kept = stretch_s >= _KEPT_FOR_GOOD_S
            kept_s = retention_s if is_kept else min(retention_s, _KEPT * stretch_s)
            before_s = started_s - kept_s
            connection.execute(
                "DELETE FROM points WHERE stretch_s = ? AND started_s IN (SELECT started_s FROM"
                " points WHERE stretch_s = ? AND started_s < ? ORDER BY started_s LIMIT ?)",
                (stretch_s, stretch_s, before_s, _FORGOTTEN_AT_ONCE),
            )
    if window.blocking:
        _add_calls(connection, window, retention_s)


def read_points(
    connection: sqlite3.Connection, start_at: datetime, end_at: datetime, stretch_s: int
) -> list[Point]:
    """The points of one length that touch the range, in their order."""
    range_s = start_at.timestamp() - stretch_s, end_at.timestamp()
    return [
        Point(
            at=_EPOCH + timedelta(seconds=started_s),
            stretch_s=stretch_s,
            **dict(zip(_SHOWN, figures, strict=True)),
        )
        for started_s, *figures in connection.execute(_READ, (stretch_s, *range_s))
    ]


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
    connection: sqlite3.Connection, stretch_s: int, started_s: int, more: Sum
) -> bool:
    """Whether the point is a new one."""
    row = connection.execute(_READ_ONE, (stretch_s, started_s)).fetchone()
    whole = Sum(stretch_s, started_s) if row is None else _sum_of(row)
    whole.add(more)
    connection.execute(_WRITE, _row_of(whole))
    return row is None


def _row_of(whole: Sum) -> list[object]:
    point = whole.point()
    figures: dict[str, object] = {name: getattr(point, name) for name in _SHOWN}
    samples = [whole.gauges[name].samples if name in whole.gauges else 0 for name in GAUGES]
    own = (whole.stretch_s, whole.started_s, whole.first_us, *samples)
    return [*figures.values(), *own, whole.durations.pack(), whole.lags.pack()]


def _sum_of(row: Iterable[Any]) -> Sum:
    known = dict(zip(_COLUMNS, row, strict=True))
    gauges = {
        name: Gauge(known[name] * samples, samples, known[name])
        for name in GAUGES
        if (samples := known[f"{name}_samples"])
    }
    return Sum(
        known["stretch_s"],
        known["started_s"],
        gauges=gauges,
        durations=Histogram.unpack(known["durations"]),
        lags=Histogram.unpack(known["lags"]),
        **{name: known[name] for name in _SUMMED},
    )


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
