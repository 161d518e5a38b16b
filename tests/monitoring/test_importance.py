"""Which routes matter: their own targets, their weight, and what is left out of the service's."""

from __future__ import annotations

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.model import Histogram, Kind, Outcome, Series, Severity, Snapshot
from keiko_perf.monitoring import PerformanceMonitor, RouteTargets
from keiko_perf.monitoring.importance import Importance


def monitor_of(*routes):
    clock = FakeClock()
    monitor = PerformanceMonitor(
        clock=clock, now=clock.now, routes=routes, sample=lambda recorder: None
    )
    return monitor, clock


def answer(monitor, route, count, duration_s, *, failed=0):
    for number in range(count):
        monitor.recorder.request(route, duration_s, status=500 if number < failed else 200)


async def test_a_route_is_held_against_its_own_targets_in_the_guides_units():
    orders = RouteTargets(route="POST /orders", api_response_time_p95=150, error_rate_max=1)
    monitor, clock = monitor_of(orders)
    answer(monitor, "POST /orders", 100, 0.18, failed=3)
    answer(monitor, "GET /agents", 9900, 0.01)
    clock.advance(10)
    verdicts = await monitor.verdicts()
    assert verdicts["api_response_time"].outcome is Outcome.MET
    assert verdicts["api_response_time[POST /orders]"].outcome is Outcome.MISSED
    assert verdicts["error_rate[POST /orders]"].outcome is Outcome.MISSED
    assert verdicts["error_rate[POST /orders]"].value == pytest.approx(0.03)


async def test_a_health_check_of_weight_0_makes_no_slow_service_look_quick():
    diluted, _ = monitor_of()
    weighed, _ = monitor_of(RouteTargets(route="GET /health", weight=0))
    for monitor in (diluted, weighed):
        answer(monitor, "GET /health", 5000, 0.001)
        answer(monitor, "GET /agents", 200, 0.9)
    outcomes = []
    for monitor in (diluted, weighed):
        snapshot = monitor.recorder.peek()
        outcomes.append(monitor.judge(snapshot)["api_response_time"].outcome)
        assert snapshot.find(Kind.ROUTE, "GET /health").count == 5000  # still counted and shown
    assert outcomes == [Outcome.MET, Outcome.MISSED]


def snapshot_of(**routes):
    series = tuple(
        Series(
            kind=Kind.ROUTE,
            name=f"GET /{name}",
            window_s=10.0,
            succeeded=Histogram([0.01] * quick + [1.0] * slow),
        )
        for name, (quick, slow) in routes.items()
    )
    return Snapshot(started_at=FakeClock().now(), window_s=10.0, series=series)


def test_slow_requests_count_by_the_weight_of_their_route():
    snapshot = snapshot_of(orders=(90, 10), agents=(900, 0))
    for weight, share in ((1.0001, 0.01), (10, 0.053), (100, 0.092)):
        routes = [RouteTargets(route="GET /orders", weight=weight)]
        (target,) = Importance(routes, limit_ms=200).targets()
        verdict = target.judge(snapshot)
        assert verdict.value == pytest.approx(share, abs=0.001)
        assert verdict.outcome is (Outcome.MISSED if share > 0.05 else Outcome.MET)


def test_the_demand_has_no_requests_of_weight_0():
    importance = Importance([RouteTargets(route="GET /health", weight=0)], limit_ms=200)
    snapshot = snapshot_of(health=(50, 0), agents=(30, 0))
    snapshot.counters["arrived"] = 82
    kept = importance.that_matters(snapshot)
    assert kept.counters["arrived"] == 32
    assert [one.name for one in kept.of(Kind.ROUTE)] == ["GET /agents"]
    assert importance.that_matters(None) is None


@pytest.mark.parametrize(("weight", "severity"), [(5, Severity.CRITICAL), (0.5, Severity.WARNING)])
def test_what_matters_less_is_a_warning(weight, severity):
    one = RouteTargets(route="GET /", api_response_time_p95=100, weight=weight)
    assert {target.severity for target in one.targets()} == {severity}


@pytest.mark.parametrize(
    "options",
    [{"weight": -1}, {"weight": float("nan")}, {"error_rate_max": -1}, {"route": " "}],
)
def test_senseless_targets_of_a_route_are_refused(options):
    with pytest.raises(UsageError):
        RouteTargets(**{"route": "GET /", **options})
