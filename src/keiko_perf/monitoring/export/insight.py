"""
Insight: where the time of requests went, as a JSON document for the doctor. Pure.

By route the parts of the time, the statements and the slowest requests; what held the event loop;
the pool; other services; what was asked again; and how the memory of each worker went. It holds
names of routes, normalised statements, hosts and lines of code, and no value of a parameter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from keiko_perf.model import Kind, Series, Snapshot
from keiko_perf.model.awaited import AwaitedAt
from keiko_perf.model.bottleneck import bottleneck
from keiko_perf.model.repeats import merged_repeats
from keiko_perf.model.usage import window_of
from keiko_perf.monitoring.attribution import Part
from keiko_perf.monitoring.pools import POOL_IN_USE
from keiko_perf.monitoring.tally import ARRIVED
from keiko_perf.render import phrase

VERSION = 1
MOST_ROUTES = 50
MOST_STATEMENTS = 100
MOST_WORKERS = 16
MOST_POINTS = 256
"""Of the memory of one worker."""
_LATELY_S = 60.0


def insight_of(
    snapshot: Snapshot | None,
    windows: Iterable[Snapshot],
    *,
    has_attribution: bool,
    build: Mapping[str, str],
    now: datetime,
    in_threads: Collection[str] = (),
    pool_kinds: Collection[str] = (),
    loop: str = "",
    awaited: Iterable[AwaitedAt] = (),
    answered_by: str = "",
    lang: str = "en",
) -> dict[str, Any]:
    """
    The document, in JSON's types.

    Args:
        snapshot: what was measured over the time in question; None before anything was.
        windows: of the last hour, for what only tells over time.
        has_attribution: whether the service records where the time goes.
        build: what runs.
        now: when, aware UTC.
        in_threads: the routes whose handlers run in a thread.
        pool_kinds: whose the connection pools are: SQLAlchemy's, asyncpg's, psycopg's.
        loop: the module of the event loop's class.
        awaited: where requests were seen to await what nothing watches, in this process.
        answered_by: the process that answers, as its windows have it.
    """
    windows = tuple(windows)
    document: dict[str, Any] = {
        "version": VERSION,
        "time": now.isoformat(),
        "build": dict(build),
        "attribution": has_attribution,
        "window_s": 0.0 if snapshot is None else snapshot.window_s,
        "processes": _processes(windows, now, answered_by),
        "memory": _memory(windows),
    }
    if snapshot is None:
        return document
    recent = [one for one in windows if one.ended_at >= snapshot.started_at]
    # Workers for background tasks share the store, and have pools, but no requests and no part in
    # the loops that serve them.
    workers = _workers(one for one in recent if one.counters.get(ARRIVED)) or _workers(recent) or 1
    pools = _workers(one for one in recent if POOL_IN_USE in one.gauges) or 1
    # What the resources did, of as many processes as the snapshot was merged of.
    used = window_of(snapshot, workers=workers, pools=pools)
    return document | {
        "loop": loop,
        "workers": workers,
        "repeats": _repeats(snapshot, windows),
        "limit": phrase(bottleneck([used]).sentence, lang),
        "gauges": {
            name: {"mean": one.mean, "peak": one.peak} for name, one in snapshot.gauges.items()
        },
        "routes": _routes(snapshot, in_threads),
        "asked": _asked(snapshot),
        "statements": [_timed(one) for one in _dearest(snapshot.of(Kind.STATEMENT))],
        "outgoing": [_timed(one) for one in _dearest(snapshot.of(Kind.OUTGOING))],
        "pool": {
            "waits": _timed(snapshot.whole(Kind.POOL)),
            "holds": _timed(snapshot.whole(Kind.HOLD)),
            "kinds": sorted(pool_kinds),
            "workers": pools,
        },
        "blocking": _blocking(snapshot),
        "awaited": [
            {
                "route": one.route,
                "place": one.place,
                "stack": list(one.stack),
                "looks": one.looks,
            }
            for one in awaited
        ],
        "exemplars": _exemplars(snapshot),
    }


def _processes(windows: Iterable[Snapshot], now: datetime, answered_by: str) -> list[str]:
    """Of which windows came lately, and who answers, as host and process id."""
    begun_at = now - timedelta(seconds=_LATELY_S)
    recent = {one.worker for one in windows if one.ended_at >= begun_at}
    return sorted((recent | {answered_by}) - {""})[:MOST_WORKERS]


def _workers(windows: Iterable[Snapshot]) -> int:
    return len({one.worker for one in windows if one.worker})


def _repeats(snapshot: Snapshot, windows: Iterable[Snapshot]) -> list[dict[str, Any]]:
    """What was asked again: a minute has to pass until it is known what a minute would spare."""
    seen = merged_repeats(one for window in windows for one in window.repeats)
    return [
        {
            "kind": one.kind,
            "subject": one.subject,
            "calls": one.calls,
            "took_s": one.took_s,
            "kept": [
                {
                    "ttl_s": kept.ttl_s,
                    "hits": kept.hits,
                    "stale": kept.stale,
                    "spared_s": kept.spared_s,
                }
                for kept in one.kept
            ],
        }
        for one in seen or snapshot.repeats
    ]


def _asked(snapshot: Snapshot) -> list[dict[str, Any]]:
    """How often the requests of a route sent a statement, and from where."""
    return [
        {
            "route": one.route,
            "statement": one.statement,
            "requests": one.requests,
            "count": one.count,
            "total_s": one.total_s,
            "most": one.most,
            "place": one.place,
        }
        for one in snapshot.asked
    ]


def _blocking(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What held the event loop."""
    return [
        {
            "place": one.place,
            "stack": list(one.stack),
            "count": one.count,
            "total_s": one.total_s,
            "longest_s": one.longest_s,
            "computed_s": one.computed_s,
            "last_at": one.last_at.isoformat(),
        }
        for one in snapshot.blocking
    ]


def _exemplars(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The slowest requests of each route."""
    return [
        {
            "route": one.route,
            "at": one.at.isoformat(),
            "duration_s": one.duration_s,
            "status": one.status,
            "parts": _named(one.parts_s),
            "statements": [
                {"statement": name, "count": count, "total_s": total_s}
                for name, count, total_s in one.statements
            ],
        }
        for one in snapshot.exemplars
    ]


def _routes(snapshot: Snapshot, in_threads: Collection[str]) -> list[dict[str, Any]]:
    routes = sorted(snapshot.of(Kind.ROUTE), key=lambda one: (-one.sum_s, one.name))
    return [
        {
            **_timed(one),
            "in_thread": one.name in in_threads,
            "p95_s": one.succeeded.known_quantile(0.95),
            "parts": _named(
                0.0 if (found := snapshot.find(part.kind, one.name)) is None else found.sum_s
                for part in Part
            ),
        }
        for one in routes[:MOST_ROUTES]
    ]


def _named(parts_s: Iterable[float]) -> dict[str, float]:
    return {f"{part.name.lower()}_s": one for part, one in zip(Part, parts_s, strict=True)}


def _timed(one: Series) -> dict[str, Any]:
    return {"name": one.name, "count": one.count, "failed": one.errors, "total_s": one.sum_s}


def _dearest(series: Iterable[Series]) -> list[Series]:
    return sorted(series, key=lambda one: (-one.sum_s, one.name))[:MOST_STATEMENTS]


def _memory(windows: Iterable[Snapshot]) -> list[dict[str, Any]]:
    """How much each worker held, from the oldest window to the newest."""
    workers: dict[str, list[list[Any]]] = {}
    for window in windows:
        held = window.gauges.get("rss_bytes")
        if not window.worker or held is None:
            continue
        if window.worker in workers or len(workers) < MOST_WORKERS:
            blocks = window.gauges.get("python_blocks")
            flying = window.gauges.get("in_flight")
            workers.setdefault(window.worker, []).append(
                [
                    window.ended_at.timestamp(),
                    held.mean,
                    None if blocks is None else blocks.mean,
                    0.0 if flying is None else flying.mean,
                ]
            )
    return [{"worker": name, "points": _thinned(points)} for name, points in workers.items()]


def _thinned(points: list[list[Any]]) -> list[list[Any]]:
    """At most so many, the newest among them."""
    step = -(-len(points) // MOST_POINTS)
    return points[::-1][::step][::-1]
