"""
Tables: what was seen of each endpoint, task, statement and limiter over a stretch of time, as rows.

Rows are numbers for programs and for the page, which formats and sorts them; durations are in
seconds. A percentile that too few samples tell is None. The longest rows by time come first, and
what falls over the bound is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keiko_perf.model import BlockingCall, Gauge, Kind, Repeats, Series, Snapshot
from keiko_perf.monitoring.attribution.split import Part
from keiko_perf.monitoring.attribution.table import parts_by_route
from keiko_perf.monitoring.dashboard.view import ident
from keiko_perf.monitoring.storage.heaviest import REST, Few

MAX_ROWS = 100
_OF_A_LIMITER = ("limit", "in_use", "waiting", "turned_away")
"""What `AdaptiveLimiter.gauges` tells, each after the name of the limiter."""
Row = dict[str, Any]


def tables(windows: Iterable[Snapshot]) -> dict[str, Any]:
    """
    `endpoints`, `tasks`, `statements`, `websockets`, `streams`, `limiters` and `blocking` over
    *windows*, with what is left out.
    """
    return tables_and_whole(Few([*windows]))[0]


def tables_and_whole(few: Few) -> tuple[dict[str, Any], Snapshot | None]:
    """The same of some windows, and these merged."""
    windows = sorted(few.windows, key=lambda one: one.started_at)
    halves = _halves(windows)
    # Merged from the halves: to merge all windows once more would cost as much again.
    whole = Snapshot.merged(half for half in halves if half is not None)
    measured_s = _measured_s(windows)
    found: dict[str, Any] = {
        "measured_s": measured_s,
        "requests": 0 if whole is None else whole.whole(Kind.ROUTE).count,
    }
    for name, kind in (
        ("endpoints", Kind.ROUTE),
        ("tasks", Kind.TASK),
        ("statements", Kind.STATEMENT),
        ("websockets", Kind.WEBSOCKET),
        ("streams", Kind.STREAM),
    ):
        rows, left_out = _rows(whole, halves, kind, measured_s)
        found[name] = rows
        found[f"{name}_left_out"] = left_out + few.left_out.get(kind, 0)
    found["limiters"] = [] if whole is None else _limiters(whole.gauges)
    found["blocking"] = [] if whole is None else [_blocking(one) for one in whole.blocking]
    return found, whole


def full_name(windows: Iterable[Snapshot], kind: Kind, key: str) -> str | None:
    """The name of the series whose ident is *key*; None if there is none."""
    for window in windows:
        for one in window.of(kind):
            if ident(one.name) == key:
                return one.name
    return None


def _halves(windows: list[Snapshot]) -> tuple[Snapshot | None, Snapshot | None]:
    """The earlier and the later half of the time, which tell a trend."""
    if not windows:
        return None, None
    first, last = windows[0].started_at, max(one.ended_at for one in windows)
    middle = first + (last - first) / 2
    # By its own middle: one of them may be most of a half.
    later = [one.started_at + (one.ended_at - one.started_at) / 2 >= middle for one in windows]
    return (
        Snapshot.merged(one for one, is_later in zip(windows, later, strict=True) if not is_later),
        Snapshot.merged(one for one, is_later in zip(windows, later, strict=True) if is_later),
    )


def _measured_s(windows: list[Snapshot]) -> float:
    """For how long at least one worker measured: merged windows do not know their gaps."""
    bare = (Snapshot(started_at=one.started_at, window_s=one.window_s) for one in windows)
    merged = Snapshot.merged(bare)
    return 0.0 if merged is None else merged.window_s


def _rows(
    whole: Snapshot | None,
    halves: tuple[Snapshot | None, Snapshot | None],
    kind: Kind,
    measured_s: float,
) -> tuple[list[Row], int]:
    series = () if whole is None else whole.of(kind)
    all_s = sum(one.sum_s for one in series)
    ordered = sorted(
        (one for one in series if one.name != REST), key=lambda one: (-one.sum_s, one.name)
    )
    before, after = (_by_name(half, kind) for half in halves)
    parts_s = {} if whole is None or kind is not Kind.ROUTE else parts_by_route(whole)
    repeats = {} if whole is None else {(one.kind, one.subject): one for one in whole.repeats}
    rows = [
        {
            **_row(one, all_s, measured_s),
            "trend": _trend(before.get(one.name), after.get(one.name)),
            "parts": _parts(one, parts_s.get(one.name, {})),
            "repeats": _repeats(repeats.get((kind, one.name))),
        }
        for one in ordered[:MAX_ROWS]
    ]
    return rows, max(0, len(ordered) - MAX_ROWS)


def _row(series: Series, all_s: float, measured_s: float) -> Row:
    known = series.succeeded.known_quantile
    is_statement = series.kind is Kind.STATEMENT
    return {
        "name": series.name,
        "key": ident(series.name) if is_statement else series.name,
        "count": series.count,
        "rate": series.count / measured_s if measured_s else 0.0,
        "errors": series.errors,
        "error_ratio": series.error_ratio,
        "refused": series.refused.count,
        "mean": series.sum_s / series.count if series.count else None,
        "p50": known(0.5),
        "p95": known(0.95),
        "p99": known(0.99),
        "total": series.sum_s,
        "share": series.sum_s / all_s if all_s else None,
    }


def _parts(series: Series, parts_s: Mapping[Part, float]) -> list[Row] | None:
    """Where the time of an endpoint's requests went, the most of it first; None if unknown."""
    total_s = sum(parts_s.values())
    if not total_s or not series.count:
        return None
    # It may have been recorded for some of the requests alone: shares are told, of the mean of all.
    mean_s = series.sum_s / series.count
    return [
        {"part": part.name.lower(), "share": part_s / total_s, "mean": part_s / total_s * mean_s}
        for part, part_s in sorted(parts_s.items(), key=lambda item: -item[1])
        if part_s
    ]


def _repeats(one: Repeats | None) -> Row | None:
    """What caches would have answered, by how long they keep it; None where nobody looked."""
    if one is None:
        return None
    return {
        "calls": one.calls,
        "mean": one.took_s / one.calls,
        "kept": [
            {
                "ttl": kept.ttl_s,
                "hits": kept.hits / one.calls,
                "stale": kept.stale / kept.hits if kept.hits else None,
            }
            for kept in one.kept
        ],
    }


def _limiters(gauges: Mapping[str, Gauge]) -> list[Row]:
    """Each that a probe tells of, by its name: the means, and what was the most at once."""
    rows = []
    for name in sorted(one.removesuffix("_limit") for one in gauges if one.endswith("_limit")):
        limit, in_use, waiting, away = (gauges.get(f"{name}_{one}") for one in _OF_A_LIMITER)
        if limit and in_use and waiting and away:
            rows.append(
                {
                    "name": name,
                    "limit": limit.mean,
                    "in_use": in_use.mean,
                    "waiting": waiting.mean,
                    "most_waiting": waiting.peak,
                    "turned_away": away.peak,
                }
            )
    return rows


def _blocking(call: BlockingCall) -> Row:
    return {
        "place": call.place,
        "stack": list(call.stack),
        "count": call.count,
        "total": call.total_s,
        "longest": call.longest_s,
        "computed": call.computed_s,
        "last_at": call.last_at.isoformat(),
    }


def _trend(before: Series | None, after: Series | None) -> float | None:
    """How much slower its p95 was in the later half than in the earlier one, as a ratio."""
    if before is None or after is None:
        return None
    was_s, is_s = before.succeeded.known_quantile(0.95), after.succeeded.known_quantile(0.95)
    return is_s / was_s - 1 if was_s and is_s is not None else None


def _by_name(snapshot: Snapshot | None, kind: Kind) -> dict[str, Series]:
    return {} if snapshot is None else {one.name: one for one in snapshot.of(kind)}
