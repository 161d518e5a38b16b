"""A verdict has three answers, and gives its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from keiko_perf.model import Gauge, Histogram, Kind, Outcome, Series, Severity, Snapshot, Target
from keiko_perf.model import kpi as kpis

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_minute(
    ok_s: Sequence[float] = (), *, failed: int = 0, kind: Kind = Kind.ROUTE, **more: object
) -> Snapshot:
    series = Series(
        kind=kind,
        name="GET /",
        window_s=60,
        succeeded=Histogram(ok_s),
        failed=Histogram([0.01] * failed),
    )
    return Snapshot(started_at=NOON, window_s=60, series=(series,), **more)  # type: ignore[arg-type]


P95 = Target(kpi=kpis.LATENCY_P95, at_most=0.2)
ERRORS = Target(kpi=kpis.ERROR_RATIO, at_most=0.001)
THROUGHPUT = Target(kpi=kpis.THROUGHPUT, at_least=1000)
TASKS = Target(kpi=kpis.TASKS_PER_MINUTE, at_least=500)
FAILURES = Target(kpi=kpis.TASK_FAILURE_RATIO, at_most=0.01)
AT_LEAST_P95 = Target(kpi=kpis.LATENCY_P95, at_least=0.1)
CPU = Target(kpi=kpis.CPU_RATIO, at_most=0.7, severity=Severity.WARNING)


@pytest.mark.parametrize(
    ("target", "snapshot", "outcome", "reason"),
    [
        (P95, None, Outcome.UNKNOWN, "nothing was measured"),
        (P95, a_minute(), Outcome.UNKNOWN, "no successful request"),
        (P95, a_minute(failed=100), Outcome.UNKNOWN, "no successful request"),
        (P95, a_minute([0.1] * 58), Outcome.UNKNOWN, "needed to tell"),
        (P95, a_minute([0.1] * 59), Outcome.MET, "within the limit"),
        (P95, a_minute([0.1] * 94 + [0.5] * 6), Outcome.MISSED, "over the limit"),
        (P95, a_minute([0.1] * 96 + [0.5] * 4), Outcome.MET, "within the limit"),
        # One slow request of one: chance 5 %, not under it. Two of two: 0.25 %.
        (P95, a_minute([5.0]), Outcome.UNKNOWN, "needed to tell"),
        (P95, a_minute([5.0] * 2), Outcome.MISSED, "sure already"),
        (P95, a_minute([0.1] * 19 + [5.0]), Outcome.UNKNOWN, "needed to tell"),
        (P95, a_minute([0.1] * 16 + [5.0] * 4), Outcome.MISSED, "sure already"),
        (ERRORS, a_minute(), Outcome.UNKNOWN, "no request was seen"),
        (ERRORS, a_minute([0.1] * 999, failed=1), Outcome.MET, "within"),
        (ERRORS, a_minute([0.1] * 998, failed=2), Outcome.MISSED, "over"),
        (CPU, a_minute(), Outcome.UNKNOWN, "not sampled"),
        (CPU, a_minute(gauges={"cpu_ratio": Gauge.of(0.5)}), Outcome.MET, "within"),
        (CPU, a_minute(gauges={"cpu_ratio": Gauge.of(0.9)}), Outcome.MISSED, "over"),
        (THROUGHPUT, a_minute(), Outcome.UNKNOWN, "no request was seen"),
        # A quiet night is no alert; queueing below the target is.
        (THROUGHPUT, a_minute([0.1] * 60, counters={"arrived": 60}), Outcome.MET, "demand"),
        (THROUGHPUT, a_minute([0.1] * 60, counters={"arrived": 90}), Outcome.MISSED, "more was"),
        (THROUGHPUT, a_minute(counters={"arrived": 90}), Outcome.MISSED, "more was asked"),
        (THROUGHPUT, a_minute([0.1] * 60), Outcome.UNKNOWN, "demand is not known"),
        (THROUGHPUT, a_minute([0.01] * 60_000), Outcome.MET, "within"),
        (TASKS, a_minute(), Outcome.UNKNOWN, "no background task"),
        (TASKS, a_minute([0.1] * 600, kind=Kind.TASK), Outcome.MET, "within"),
        (
            TASKS,
            a_minute([0.1] * 60, kind=Kind.TASK, counters={"tasks_queued": 300}),
            Outcome.MISSED,
            "more was asked",
        ),
        (FAILURES, a_minute(), Outcome.UNKNOWN, "no background task"),
        (FAILURES, a_minute([0.1] * 99, failed=1, kind=Kind.TASK), Outcome.MET, "within"),
        (FAILURES, a_minute([0.1] * 98, failed=2, kind=Kind.TASK), Outcome.MISSED, "over"),
        (AT_LEAST_P95, a_minute([5.0] * 2), Outcome.UNKNOWN, "needed to tell"),
    ],
)
def test_a_target_is_judged_with_its_reason(
    target: Target, snapshot: Snapshot | None, outcome: Outcome, reason: str
) -> None:
    verdict = target.judge(snapshot)
    assert verdict.outcome is outcome, verdict
    assert reason in verdict.reason.template


def test_a_target_on_one_route_does_not_look_at_the_others() -> None:
    quick = Series(kind=Kind.ROUTE, name="GET /quick", window_s=60, succeeded=Histogram([0.1] * 99))
    slow = Series(kind=Kind.ROUTE, name="GET /slow", window_s=60, succeeded=Histogram([9.0] * 99))
    snapshot = Snapshot(started_at=NOON, window_s=60, series=(quick, slow))
    on = {
        name: Target(kpi=kpis.LATENCY_P95, at_most=0.2, subject=name).judge(snapshot).outcome
        for name in ("GET /quick", "GET /slow", "GET /never")
    }
    assert on == {
        "GET /quick": Outcome.MET,
        "GET /slow": Outcome.MISSED,
        "GET /never": Outcome.UNKNOWN,
    }


@pytest.mark.parametrize(("samples", "told"), [(0, False), (58, False), (59, True)])
def test_a_figure_is_told_from_enough_samples_on(samples: int, told: bool) -> None:
    assert P95.judge(a_minute([0.1] * samples)).is_told is told


def test_a_target_on_one_task_does_not_look_at_the_others() -> None:
    tasks = {"mail": 2, "report": 0}
    snapshot = Snapshot(
        started_at=NOON,
        window_s=60,
        series=tuple(
            Series(
                kind=Kind.TASK,
                name=name,
                window_s=60,
                succeeded=Histogram([0.1] * (100 - failed)),
                failed=Histogram([0.1] * failed),
            )
            for name, failed in tasks.items()
        ),
    )
    outcomes = {
        name: Target(kpi=kpis.TASK_FAILURE_RATIO, at_most=0.01, subject=name)
        .judge(snapshot)
        .outcome
        for name in (*tasks, "unheard of")
    }
    assert outcomes == {
        "mail": Outcome.MISSED,
        "report": Outcome.MET,
        "unheard of": Outcome.UNKNOWN,
    }


def test_a_load_test_is_judged_by_its_steps() -> None:
    verdict = P95.judge(a_minute([0.5] * 100, kind=Kind.STEP))
    assert (verdict.outcome, verdict.samples) == (Outcome.MISSED, 100)


@pytest.mark.parametrize(
    "limits",
    [{}, {"at_most": 1.0, "at_least": 1.0}, {"at_most": -1.0}, {"at_least": float("nan")}],
    ids=["no limit", "both limits", "a negative limit", "not a number"],
)
def test_a_senseless_target_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="limit"):
        Target(kpi=kpis.LATENCY_P95, **limits)  # type: ignore[arg-type]


def test_a_quantile_names_itself_by_its_percentile() -> None:
    assert kpis.latency_quantile(0.999).name == "latency_p99_9_s"
