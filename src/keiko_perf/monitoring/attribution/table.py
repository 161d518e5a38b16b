"""
The table of where the time of requests went, by route. Pure.
"""

from __future__ import annotations

from keiko_perf.model import OTHER, Column, Snapshot, Table, say
from keiko_perf.monitoring.attribution.split import Part

_MOST = 20


def parts_table(snapshot: Snapshot) -> Table | None:
    """
    The share of each part in the time of each route, that which took the most time in all first.

    None if nobody recorded it (`PerformanceMonitor(attribution=True)` does).
    """
    rows = sorted(
        (_row(route, one) for route, one in parts_by_route(snapshot).items() if sum(one.values())),
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
            *part_columns("ratio"),
        ),
        rows=tuple(rows),
    ).first(_MOST)


def part_columns(format: str) -> tuple[Column, ...]:
    """The columns of the parts, in the order of `Part`."""
    labels = (say("SQL"), say("pool"), say("HTTP"), say("code"), say("loop"), say("elsewhere"))
    return tuple(Column(label, format) for label in labels)


def parts_by_route(snapshot: Snapshot) -> dict[str, dict[Part, float]]:
    """How long the requests of each route were in each part, in seconds all together."""
    found: dict[str, dict[Part, float]] = {}
    for one in snapshot.series:
        part = _PARTS.get(one.kind)
        if part is not None and one.name != OTHER:
            found.setdefault(one.name, dict.fromkeys(Part, 0.0))[part] = one.sum_s
    return found


_PARTS = {part.kind: part for part in Part}


def _row(route: str, parts_s: dict[Part, float]) -> tuple[str, float, *tuple[float, ...]]:
    total_s = sum(parts_s.values())
    return (route, total_s, *(one / total_s for one in parts_s.values()))
