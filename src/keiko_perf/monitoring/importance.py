"""
Importance: which routes matter to the business, what each of them promises, and how much. Pure.

A weight says how much a request of a route matters beside one of another: 10 for the order that
earns the money, 0 for the health check that an orchestrator sends each second. What has no weight
of its own has 1. A route of weight 0 is counted and shown, but it neither dilutes the percentiles
of the service nor raises an alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind, Kpi, Reading, Series, Severity, Snapshot, Target, say
from keiko_perf.model.kpi import ERROR_RATIO, LATENCY_P95, LATENCY_P99
from keiko_perf.model.samples import samples_needed

_MOST_WEIGHT = 1e6
_UNSATISFIED = 0.05
"""A p95 within its limit leaves as many requests over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTargets:
    """
    What one route promises, in the guide's units, and how much it matters.

    Attributes:
        route: such as `POST /api/v1/orders`, as the dashboard shows it.
        api_response_time_p95: ms, at most; None: it promises nothing of its own.
        api_response_time_p99: ms, at most.
        error_rate_max: % of its requests.
        weight: how much one request matters beside one of weight 1. Under 1 a missed target is a
            warning, at 0 the route is left out of the targets of the whole service.

    Raises:
        UsageError: a value is no finite number from 0 on, or the route has no name.
    """

    route: str
    api_response_time_p95: float | None = None
    api_response_time_p99: float | None = None
    error_rate_max: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.route.strip():
            raise UsageError("a route has a name", cure="Give it as in route='GET /agents'")
        for name in ("api_response_time_p95", "api_response_time_p99", "error_rate_max", "weight"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= _MOST_WEIGHT:
                raise UsageError(
                    f"{name} of {self.route} is a number from 0 to {_MOST_WEIGHT:g}, not {value!r}",
                    cure=f"Leave {name} out to take the default",
                )

    def targets(self) -> tuple[Target, ...]:
        """Its promises, in seconds and ratios."""
        promised = (
            (LATENCY_P95, self.api_response_time_p95, 1000.0),
            (LATENCY_P99, self.api_response_time_p99, 1000.0),
            (ERROR_RATIO, self.error_rate_max, 100.0),
        )
        severity = Severity.CRITICAL if self.weight >= 1 else Severity.WARNING
        return tuple(
            Target(kpi=kpi, at_most=limit / per, subject=self.route, severity=severity)
            for kpi, limit, per in promised
            if limit is not None
        )


class Importance:
    """
    Args:
        routes: those that promise something of their own, or matter more or less than others.
        limit_ms: within which a request of any other route is to be answered.
    """

    def __init__(self, routes: Iterable[RouteTargets], *, limit_ms: float) -> None:
        self._routes = {one.route: one for one in routes}
        self._limit_ms = limit_ms

    def targets(self) -> tuple[Target, ...]:
        """The promises of all routes; with weights also that few requests are slow, by weight."""
        own = tuple(target for one in self._routes.values() for target in one.targets())
        if all(one.weight in (0, 1) for one in self._routes.values()):
            return own
        return (*own, Target(kpi=self._unsatisfied(), at_most=_UNSATISFIED))

    def weight(self, route: str) -> float:
        """How much a request of *route* matters."""
        known = self._routes.get(route)
        return 1.0 if known is None else known.weight

    def that_matters(self, snapshot: Snapshot | None) -> Snapshot | None:
        """*snapshot* without the routes of weight 0."""
        if snapshot is None:
            return None
        left_out = [one for one in snapshot.of(Kind.ROUTE) if not self.weight(one.name)]
        if not left_out:
            return snapshot
        counters = dict(snapshot.counters)
        if "arrived" in counters:
            # They were asked for and answered: neither belongs to the demand.
            counters["arrived"] = max(0, counters["arrived"] - sum(one.count for one in left_out))
        kept = tuple(
            one for one in snapshot.series if one.kind is not Kind.ROUTE or self.weight(one.name)
        )
        return replace(snapshot, series=kept, counters=counters)

    def _unsatisfied(self) -> Kpi:
        def read(snapshot: Snapshot, _subject: str | None) -> Reading:
            routes = snapshot.of(Kind.ROUTE)
            seen = sum(one.succeeded.count + one.errors for one in routes)
            asked = sum(self._weighed(one, one.succeeded.count + one.errors) for one in routes)
            if not asked:
                return Reading(None, why=say("no request was seen"))
            slow = sum(self._weighed(one, self._unsatisfying(one)) for one in routes)
            return Reading(slow / asked, seen, samples_needed(1 - _UNSATISFIED))

        label = say("share of slow or failed requests, by weight")
        return Kpi("unsatisfied_ratio", label, "ratio", read)

    def _weighed(self, series: Series, count: int) -> float:
        return self.weight(series.name) * count

    def _unsatisfying(self, series: Series) -> int:
        known = self._routes.get(series.name)
        own_ms = None if known is None else known.api_response_time_p95
        limit_s = (self._limit_ms if own_ms is None else own_ms) / 1000
        return series.errors + series.succeeded.count_above(limit_s)
