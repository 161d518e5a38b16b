"""
Charts: what a store keeps beside its windows so that nobody has to read those for a chart.

A chart wants few figures of much time: from the windows of a day it would take seconds to decode
and merge them. So what each window adds to points is kept beside it, and once the shortest point is
over it is added to that and to the longer ones; a chart reads the points of one length, at most a
thousand, in milliseconds, and what is not in them yet. What held the event loops is kept by itself
likewise, for it is rare and asked for often.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from keiko_perf.model import BlockingCall, Gauge, Histogram, Snapshot
from keiko_perf.model.blocking import merged_calls
from keiko_perf.model.varint import read_varints, write_varint
from keiko_perf.monitoring.storage.decoding import decode
from keiko_perf.monitoring.storage.encoding import encode
from keiko_perf.monitoring.storage.points import (
    GAUGES,
    STRETCHES_S,
    Point,
    Sum,
    reach_s,
    started_s_of,
)

_SUMS = """
    first_us INTEGER NOT NULL,    -- when the first window began, in microseconds
    covered_s REAL NOT NULL,      -- how much of the time at least one worker measured
    longest_s REAL NOT NULL,      -- the longest window
    requests INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    redirected INTEGER NOT NULL,
    lag_max_s REAL,
    gc_max_s REAL,
    pool_waiting_peak REAL,
    tasks INTEGER NOT NULL,
    failed_tasks INTEGER NOT NULL,
    cpu_ratio REAL,
    cpu_ratio_samples INTEGER NOT NULL,
    memory_ratio REAL,
    memory_ratio_samples INTEGER NOT NULL,
    pool_ratio REAL,
    pool_ratio_samples INTEGER NOT NULL,
    concurrency_limit REAL,
    concurrency_limit_samples INTEGER NOT NULL,
    concurrency_in_use REAL,
    concurrency_in_use_samples INTEGER NOT NULL,
    concurrency_waiting REAL,
    concurrency_waiting_samples INTEGER NOT NULL,
    in_flight_peak REAL,
    durations BLOB NOT NULL,      -- of successful requests, a histogram
    lags BLOB NOT NULL,           -- of the event loops
    waits BLOB NOT NULL,          -- for a connection of the pool"""
LAYOUT = (
    f"""CREATE TABLE points (
    stretch_s INTEGER NOT NULL,
    started_s INTEGER NOT NULL,   -- seconds since 1970 in UTC, a multiple of stretch_s{_SUMS}
    p50_s REAL,
    p95_s REAL,
    p99_s REAL,
    lag_p99_s REAL,
    pool_wait_p95_s REAL,
    heat BLOB NOT NULL,           -- successful requests by duration, coarsely
    PRIMARY KEY (stretch_s, started_s)
) WITHOUT ROWID""",
    f"""CREATE TABLE fresh (           -- what windows add to points, until it is added
    id INTEGER PRIMARY KEY,{_SUMS}
    stretch_s INTEGER NOT NULL,   -- the shortest
    started_s INTEGER NOT NULL
)""",
    "CREATE INDEX fresh_by_start ON fresh (started_s)",
    """CREATE TABLE calls (            -- windows in which something held an event loop
    id INTEGER PRIMARY KEY,
    started_us INTEGER NOT NULL,
    body BLOB NOT NULL            -- only that
)""",
    "CREATE INDEX calls_by_start ON calls (started_us)",
)
"""The tables, statement by statement."""
_COUNTS = ("requests", "failed", "refused", "redirected", "tasks", "failed_tasks")
_PEAKS = ("in_flight_peak", "pool_waiting_peak", "lag_max_s", "gc_max_s")
_QUANTILES = ("p50_s", "p95_s", "p99_s", "lag_p99_s", "pool_wait_p95_s")
_SUMMED = ("stretch_s", "started_s", "first_us", "covered_s", "longest_s", *_COUNTS, *_PEAKS)
_HISTOGRAMS = ("durations", "lags", "waits")
_MEANS = tuple(column for name in GAUGES for column in (name, f"{name}_samples"))
_WHOLE = (*_SUMMED, *_HISTOGRAMS, *_MEANS)
"""What a point is added up from."""
_ALL = f"SELECT {', '.join(_WHOLE)} FROM points WHERE stretch_s = ?"  # noqa: S608 - our own names
_ALL_BUT_LAGS = _ALL.replace(" lags,", " x'' AS lags,")
_SHOWN = (*_COUNTS, *_PEAKS, *_QUANTILES, *GAUGES)
_READ = (
    "SELECT started_s, min(covered_s, max(stretch_s, longest_s)), heat,"  # noqa: S608 - our own names
    f" {', '.join(_SHOWN)} FROM points WHERE stretch_s = ? AND started_s > ? AND started_s < ?"
)
_FRESH = f"SELECT {', '.join(_WHOLE)} FROM fresh WHERE"  # noqa: S608 - our own names
_WRITTEN = (*_WHOLE, "heat", *_QUANTILES)
_WRITE = (
    f"INSERT OR REPLACE INTO points ({', '.join(_WRITTEN)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * len(_WRITTEN))})"
)
_NOTE = (
    f"INSERT INTO fresh ({', '.join(_WHOLE)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * len(_WHOLE))})"
)
_SHORT_S = STRETCHES_S[0]
_OPEN_S = 3 * _SHORT_S
"""After which what is fresh is added to the points, so that each is written once, or nearly."""
_FOLDED_AT_ONCE = 1000
_FORGOTTEN_AT_ONCE = 10
_ROW_BIAS = 128  # more than the rows below one second
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def add(connection: sqlite3.Connection, window: Snapshot, *, retention_s: float) -> bool:
    """
    Add *window* to its points and calls, and forget what is too old for any chart.

    It returns whether the window is the first of its shortest point.
    """
    more, more.stretch_s = Sum.of(window), _SHORT_S
    more.started_s = started_s_of(window, _SHORT_S)
    is_first = (
        connection.execute(
            "SELECT 1 FROM fresh WHERE started_s = ? LIMIT 1", (more.started_s,)
        ).fetchone()
        is None
    )
    connection.execute(_NOTE, _sums(more))
    if is_first:
        _fold(connection, more.started_s - _OPEN_S)
        _forget(connection, more.started_s, retention_s)
    if window.blocking:
        _add_calls(connection, window, retention_s)
    return is_first


def read_points(
    connection: sqlite3.Connection, start_at: datetime, end_at: datetime, stretch_s: int
) -> list[Point]:
    """The points of one length that touch the range, in their order."""
    range_s = start_at.timestamp() - stretch_s, end_at.timestamp()
    found = {
        started_s: Point(
            at=_EPOCH + timedelta(seconds=started_s),
            stretch_s=stretch_s,
            covered_s=covered_s,
            heat=_heat_of(heat),
            **dict(zip(_SHOWN, figures, strict=True)),
        )
        for started_s, covered_s, heat, *figures in connection.execute(_READ, (stretch_s, *range_s))
    }
    for whole in _still_open(connection, *range_s, stretch_s):
        found[whole.started_s] = whole.point()
    return [found[started_s] for started_s in sorted(found)]


def read_sums(
    connection: sqlite3.Connection, start_at: datetime, end_at: datetime, stretch_s: int
) -> list[Sum]:
    """What they are added up from, but for the lags."""
    range_s = start_at.timestamp() - stretch_s, end_at.timestamp()
    rows = connection.execute(
        f"{_ALL_BUT_LAGS} AND started_s > ? AND started_s < ?", (stretch_s, *range_s)
    )
    found = {one.started_s: one for one in map(_sum_of, rows)}
    found |= {one.started_s: one for one in _still_open(connection, *range_s, stretch_s)}
    return [found[started_s] for started_s in sorted(found)]


def migrate(connection: sqlite3.Connection) -> None:
    """
    Bring the points of the second and the third layout up to date.

    In the second they were 20 s, 2 and 15 minutes, 1 and 12 h long; those that were half as long as
    ours are now are added up, and what was not kept is not known. In both the shortest stood for
    themselves until they were folded into the longer ones.
    """
    connection.execute("ALTER TABLE points RENAME TO older_points")
    connection.execute("DROP INDEX points_unfolded")
    for statement in LAYOUT[:3]:
        connection.execute(statement)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(older_points)")}
    known = ", ".join(one if one in columns else f"{_UNKNOWN.get(one, 'NULL')} AS {one}"
                      for one in (*_WHOLE, "is_folded"))  # fmt: skip
    rows = connection.execute(f"SELECT {known} FROM older_points ORDER BY started_s").fetchall()  # noqa: S608 - our own names
    wholes: dict[tuple[int, int], Sum] = {}
    for *row, is_folded in rows:
        older = _sum_of(row)
        if "lag_max_s" not in columns:
            older.lag_max_s = older.lags.max_s
        if not is_folded:
            connection.execute(_NOTE, _sums(older))
            continue
        stretch_s = next(one for one in STRETCHES_S if one >= older.stretch_s)
        key = stretch_s, older.started_s // stretch_s * stretch_s
        wholes.setdefault(key, Sum(*key)).add(older)
    connection.executemany(_WRITE, map(_row_of, wholes.values()))
    connection.execute("DROP TABLE older_points")


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


def _fold(connection: sqlite3.Connection, until_s: float) -> None:
    """Add what is fresh and was measured before *until_s* to its points."""
    rows = connection.execute(
        f"{_FRESH.replace('SELECT', 'SELECT id,')} started_s < ? ORDER BY started_s LIMIT ?",
        (until_s, _FOLDED_AT_ONCE),
    ).fetchall()
    short: dict[int, Sum] = {}
    for _, *row in rows:
        one = _sum_of(row)
        short.setdefault(one.started_s, Sum(_SHORT_S, one.started_s)).add(one)
    for stretch_s in STRETCHES_S:
        for started_s, group in _by_start(short.values(), stretch_s).items():
            whole = _with(connection, stretch_s, started_s, group)
            connection.execute(_WRITE, _row_of(whole))
    connection.executemany("DELETE FROM fresh WHERE id = ?", [row[:1] for row in rows])


def _forget(connection: sqlite3.Connection, now_s: float, retention_s: float) -> None:
    for stretch_s in STRETCHES_S:
        kept_s = min(retention_s, reach_s(stretch_s))
        connection.execute(
            "DELETE FROM points WHERE stretch_s = ? AND started_s IN (SELECT started_s FROM points"
            " WHERE stretch_s = ? AND started_s < ? ORDER BY started_s LIMIT ?)",
            (stretch_s, stretch_s, now_s - kept_s, _FORGOTTEN_AT_ONCE),
        )


def _still_open(
    connection: sqlite3.Connection, start_s: float, end_s: float, stretch_s: int
) -> list[Sum]:
    """The points for which there is something fresh, with that."""
    rows = connection.execute(f"{_FRESH} started_s > ? AND started_s < ?", (start_s, end_s))
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


_UNKNOWN = {
    "redirected": "0",
    "waits": "x''",
    **{f"{name}_samples": "0" for name in GAUGES},
}
"""What the second layout did not keep; the rest of that is NULL."""


def _sums(whole: Sum) -> list[object]:
    """What a point is added up from, as a row."""
    row: list[object] = [getattr(whole, name) for name in _SUMMED]
    row += (getattr(whole, name).pack() for name in _HISTOGRAMS)
    for name in GAUGES:
        gauge = whole.gauges.get(name)
        row += (None, 0) if gauge is None else (gauge.mean, gauge.samples)
    return row


def _row_of(whole: Sum) -> list[object]:
    """A point with all that follows from it."""
    point = whole.point()
    return [*_sums(whole), _heat(point), *(getattr(point, name) for name in _QUANTILES)]


def _heat(point: Point) -> bytes:
    """The rows from the first to the last that hold any, as small numbers."""
    packed = bytearray()
    if point.heat:
        counts = dict(point.heat)
        first, last = point.heat[0][0], point.heat[-1][0]
        for number in (first + _ROW_BIAS, *(counts.get(row, 0) for row in range(first, last + 1))):
            write_varint(packed, number)
    return bytes(packed)


def _heat_of(packed: bytes) -> tuple[tuple[int, int], ...]:
    numbers = read_varints(packed)
    if not numbers:
        return ()
    return tuple(one for one in enumerate(numbers[1:], numbers[0] - _ROW_BIAS) if one[1])


def _sum_of(row: Sequence[Any]) -> Sum:
    known = dict(zip(_WHOLE, row, strict=True))
    parts: dict[str, Any] = {name: known[name] for name in _SUMMED}
    parts |= {name: Histogram.unpack(known[name]) for name in _HISTOGRAMS}
    whole = Sum(**parts)
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
