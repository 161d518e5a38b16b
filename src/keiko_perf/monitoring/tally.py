"""
Tally: what was recorded since the last cut, and how it becomes a Snapshot.

It is the recorder's own, which guards it. The collector of garbage may run amid any of it and have
something recorded meanwhile, so a dictionary is copied, which is one step, before it is gone
through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from keiko_perf.model import OTHER, BlockingCall, Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.model.asked import (
    MAX_ASKED,
    MAX_EXEMPLARS,
    MAX_ROUTES,
    Asked,
    Exemplar,
    merged_asked,
    merged_exemplars,
)
from keiko_perf.model.blocking import MAX_PLACES, merged_calls
from keiko_perf.model.repeats import Repeats, merged_repeats

ARRIVED = "arrived"
FOLDED = "folded"
IN_FLIGHT = "in_flight"


Told = list[Any]
"""What one request asked by one statement: how often, for how many seconds, from which line."""
Cost = list[Any]
"""What the requests of a window did: `Asked` while it is counted, in its order."""


@dataclass(slots=True)
class Cell:
    """One series while it is recorded; its parts as of `Series`."""

    succeeded: Histogram = field(default_factory=Histogram)
    failed: Histogram = field(default_factory=Histogram)
    refused: Histogram = field(default_factory=Histogram)
    sent_bytes: int = 0
    redirected: int = 0

    def merge(self, other: Cell) -> None:
        """Add all of *other*."""
        self.succeeded.merge(other.succeeded)
        if other.failed:
            self.failed.merge(other.failed)
        if other.refused:
            self.refused.merge(other.refused)
        self.sent_bytes += other.sent_bytes
        self.redirected += other.redirected

    def copy(self) -> Cell:
        """An equal cell that shares nothing with this one."""
        copied = Cell()
        copied.merge(self)
        return copied


@dataclass(slots=True)
class Tally:
    """
    Attributes:
        began_s: when it began, by the monotonic clock.
        began_at: the same, aware UTC.
        peak_in_flight: the most requests that were answered at once.
        arrived: how many requests came in.
        cells: the series by kind and name.
        gauges: by name.
        counters: by name.
        blocking: what held the event loop, by place.
        under_way: how many requests were under way when it began.
        asked: by route and statement: requests, executions, seconds, the most of one request, and
            the line that repeats it.
        shown: by route, its slowest requests.
    """

    began_s: float
    began_at: datetime
    peak_in_flight: int
    arrived: int = 0
    cells: dict[Kind, dict[str, Cell]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    gauges: dict[str, Gauge] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    blocking: dict[str, BlockingCall] = field(default_factory=dict)
    under_way: int = 0
    asked: dict[tuple[str, str], Cost] = field(default_factory=dict)
    shown: dict[str, list[Exemplar]] = field(default_factory=dict)

    def admit(self, kind: Kind, name: str, max_series: int) -> Cell:
        """A new series, or that of all the others if there are too many already."""
        cells = self.cells[kind]
        if len(cells) >= max_series:
            self.fold()
            name = OTHER
        return cells.setdefault(name, Cell())

    def fold(self) -> None:
        """Count a recording that found no room of its own."""
        self.counters[FOLDED] = self.counters.get(FOLDED, 0) + 1

    def block(self, call: BlockingCall) -> None:
        """Add a call that held the loop."""
        place = call.place
        if place not in self.blocking and len(self.blocking) >= MAX_PLACES:
            self.fold()
            place = OTHER
            call = replace(call, place=OTHER, stack=())
        known = self.blocking.get(place)
        self.blocking[place] = call if known is None else known.merge(call)

    def ask(self, route: str, asked: Mapping[str, Told]) -> None:
        """Count the statements of a request: how often, for how long, and where it repeats them."""
        costs = self.asked
        for statement, (count, total_s, place) in asked.items():
            cost = costs.get((route, statement))
            if cost is None:
                if len(costs) >= MAX_ASKED:
                    self.fold()
                    route = statement = OTHER
                    place = ""
                cost = costs.setdefault((route, statement), [0, 0, 0.0, 0, ""])
            cost[0] += 1
            cost[1] += count
            cost[2] += total_s
            if count > cost[3]:
                cost[3] = count
            if place:
                cost[4] = place

    def is_worth_showing(self, route: str, duration_s: float) -> bool:
        """Whether a request is among the slowest of its route."""
        shown = self.shown.get(route)
        if shown is None:
            return len(self.shown) < MAX_ROUTES
        return len(shown) < MAX_EXEMPLARS or duration_s > shown[-1].duration_s

    def show(self, one: Exemplar) -> None:
        """Keep a request as an example, if it is one of the slowest of its route."""
        shown = self.shown.setdefault(one.route, [])
        shown.append(one)
        shown.sort(key=lambda one: -one.duration_s)
        del shown[MAX_EXEMPLARS:]

    def copy(self) -> Tally:
        """An equal tally that shares nothing with this one."""
        return Tally(
            self.began_s,
            self.began_at,
            self.peak_in_flight,
            self.arrived,
            {
                kind: {name: cell.copy() for name, cell in cells.copy().items()}
                for kind, cells in self.cells.items()
            },
            self.gauges.copy(),
            self.counters.copy(),
            self.blocking.copy(),
            self.under_way,
            {key: cost.copy() for key, cost in self.asked.copy().items()},
            {route: shown.copy() for route, shown in self.shown.copy().items()},
        )

    def freeze(
        self,
        *,
        window_s: float,
        started_at: datetime,
        in_flight: int,
        arrived: int,
        worker: str,
        repeats: tuple[Repeats, ...] = (),
    ) -> Snapshot:
        """The tally as a snapshot, which takes over its histograms."""
        counters = self.counters.copy()
        if arrived:
            counters[ARRIVED] = arrived
        gauges = self.gauges.copy()
        if self.peak_in_flight:
            # Samples miss the short peaks; each arrival has seen them.
            sampled = gauges.get(IN_FLIGHT) or Gauge(in_flight, 1, in_flight)
            gauges[IN_FLIGHT] = replace(sampled, peak=self.peak_in_flight)
        return Snapshot(
            started_at=started_at,
            window_s=window_s,
            series=tuple(
                Series(
                    kind=kind,
                    name=name,
                    window_s=window_s,
                    succeeded=cell.succeeded,
                    failed=cell.failed,
                    refused=cell.refused,
                    sent_bytes=cell.sent_bytes,
                    redirected=cell.redirected,
                )
                for kind, cells in self.cells.items()
                for name, cell in cells.copy().items()
            ),
            gauges=gauges,
            counters=counters,
            blocking=merged_calls(self.blocking.copy().values()),
            asked=merged_asked(_asked(*one) for one in self.asked.copy().items()),
            exemplars=merged_exemplars(one for shown in self.shown.values() for one in shown),
            repeats=merged_repeats(repeats),
            worker=worker,
        )


def _asked(key: tuple[str, str], cost: Cost) -> Asked:
    requests, count, total_s, most, place = cost
    return Asked(
        route=key[0],
        statement=key[1],
        requests=requests,
        count=count,
        total_s=total_s,
        most=most,
        place=place,
    )
