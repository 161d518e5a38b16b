"""The nine targets: their defaults, their units, their names, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Gauge, Histogram, Kind, Outcome, Series, Severity, Snapshot, Target
from keiko_perf.model.kpi import LATENCY_P50, LATENCY_P95
from keiko_perf.monitoring.kpis import PerformanceKPIs, check_name, checks

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_the_defaults_are_the_guides():
    assert {
        field.name: getattr(PerformanceKPIs(), field.name) for field in fields(PerformanceKPIs)
    } == {
        "api_response_time_p95": 200.0,
        "api_response_time_p99": 500.0,
        "requests_per_second": 1000.0,
        "tasks_per_minute": 500.0,
        "cpu_usage_max": 70.0,
        "memory_usage_max": 80.0,
        "database_connections_max": 80.0,
        "error_rate_max": 0.1,
        "task_failure_rate_max": 1.0,
    }


def test_the_targets_are_in_seconds_and_ratios_under_the_guides_check_names():
    assert {
        name: (one.at_most, one.at_least, one.severity)
        for name, one in checks(*PerformanceKPIs().targets()).items()
    } == {
        "api_response_time": (0.2, None, Severity.CRITICAL),
        "api_response_time_p99": (0.5, None, Severity.CRITICAL),
        "throughput": (None, 1000.0, Severity.CRITICAL),
        "tasks_per_minute": (None, 500.0, Severity.CRITICAL),
        "cpu_usage": (0.7, None, Severity.WARNING),
        "memory_usage": (0.8, None, Severity.WARNING),
        "database_connections": (0.8, None, Severity.CRITICAL),
        "error_rate": (0.001, None, Severity.CRITICAL),
        "task_failure_rate": (0.01, None, Severity.CRITICAL),
    }


def test_each_field_reaches_its_own_target():
    limits = {field.name: 3.0 + i for i, field in enumerate(fields(PerformanceKPIs))}
    scale = [1000, 1000, 1, 1, 100, 100, 100, 100, 100]
    assert [one.limit for one in PerformanceKPIs(**limits).targets()] == [
        limit / by for limit, by in zip(limits.values(), scale, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("api_response_time_p95", -1.0, "from 0 on"),
        ("api_response_time_p99", math.nan, "finite"),
        ("requests_per_second", math.inf, "finite"),
        ("requests_per_second", 10**400, "finite"),
        ("tasks_per_minute", "500", "is a number"),
        ("cpu_usage_max", True, "is a number"),
        ("memory_usage_max", 100.1, "at most 100"),
        ("error_rate_max", None, "is a number"),
    ],
)
def test_a_senseless_value_is_refused_with_its_name_and_reason(name, value, reason):
    with pytest.raises(UsageError, match=f"{name} .*{reason}"):
        PerformanceKPIs(**{name: value})


def test_the_targets_of_a_service_do_not_change_under_its_feet():
    with pytest.raises(FrozenInstanceError):
        PerformanceKPIs().cpu_usage_max = 99.0


def test_a_target_of_one_route_has_its_route_in_its_name():
    one = Target(kpi=LATENCY_P95, at_most=0.1, subject="GET /agents")
    assert check_name(one) == "api_response_time[GET /agents]"


def test_a_target_on_a_further_kpi_is_named_by_the_kpi():
    assert check_name(Target(kpi=LATENCY_P50, at_most=0.1)) == "latency_p50_s"


def test_the_later_of_two_targets_with_one_name_holds():
    strict = Target(kpi=LATENCY_P95, at_most=0.05)
    named = checks(*PerformanceKPIs().targets(), strict)
    assert named["api_response_time"] is strict
    assert len(named) == 9


def test_a_quiet_night_is_not_a_missed_throughput_but_queueing_is():
    throughput = checks(*PerformanceKPIs(requests_per_second=100.0).targets())["throughput"]
    quiet = _served(count=50, arrived=50)
    queueing = _served(count=50, arrived=90)
    assert throughput.judge(quiet).outcome is Outcome.MET
    assert throughput.judge(queueing).outcome is Outcome.MISSED


def test_no_data_is_unknown_for_all_nine():
    empty = Snapshot(started_at=T0, window_s=10.0)
    for target in PerformanceKPIs().targets():
        assert target.judge(empty).outcome is Outcome.UNKNOWN
        assert target.judge(None).outcome is Outcome.UNKNOWN


def test_the_limit_itself_is_still_kept():
    at_limit = Snapshot(started_at=T0, window_s=10.0, gauges={"cpu_ratio": Gauge.of(0.7)})
    above = Snapshot(started_at=T0, window_s=10.0, gauges={"cpu_ratio": Gauge.of(0.7001)})
    cpu = checks(*PerformanceKPIs().targets())["cpu_usage"]
    assert cpu.judge(at_limit).outcome is Outcome.MET
    assert cpu.judge(above).outcome is Outcome.MISSED


def _served(*, count: int, arrived: int) -> Snapshot:
    series = Series(
        kind=Kind.ROUTE, name="GET /", window_s=1.0, succeeded=Histogram([0.01] * count)
    )
    return Snapshot(started_at=T0, window_s=1.0, series=(series,), counters={"arrived": arrived})
