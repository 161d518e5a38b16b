"""
The table of where the time of requests went, by route. Pure.
"""

from __future__ import annotations

from keiko_perf.model import OTHER, Column, Kind, Series, Snapshot, Table, say
from keiko_perf.monitoring.attribution.split import Part

_MOST = 20


def parts_table(snapshot: Snapshot) -> Table | None:
    """
    The share of each part in the time of each route, that which took the most time in all first.

    None if nobody recorded it (`PerformanceMonitor(attribution=True)` does).
    """
    rows = sorted(
        (row for one in snapshot.of(Kind.ROUTE) if (row := _row(one, snapshot)) is not None),
        key=lambda row: -row[1],
    )
    if not rows:
        return None
    return Table(
        title=say(
            "Where the time of requests went: statements, waits for the pool, for other services "
            "and for the event loop, own code"
        ),
        columns=(
            Column(say("endpoint")),
            Column(say("time in all"), "duration"),
            Column(say("SQL"), "ratio"),
            Column(say("pool"), "ratio"),
            Column(say("HTTP"), "ratio"),
            Column(say("code"), "ratio"),
            Column(say("loop"), "ratio"),
            Column(say("elsewhere"), "ratio"),
        ),
        rows=tuple(rows),
    ).first(_MOST)


def _row(route: Series, snapshot: Snapshot) -> tuple[str, float, *tuple[float, ...]] | None:
    if route.name == OTHER:
        return None
    found = [snapshot.find(part.kind, route.name) for part in Part]
    parts_s = [0.0 if one is None else one.sum_s for one in found]
    total_s = sum(parts_s)
    return (route.name, total_s, *(one / total_s for one in parts_s)) if total_s else None
