"""What a service's figures say beyond its targets, and when they are silent."""

from __future__ import annotations

import pytest

from keiko_perf.fakes import series, snapshot
from keiko_perf.model import OTHER, Kind, Series, Snapshot
from keiko_perf.monitoring.findings import findings

REQUESTS = series("GET /agents", [0.01] * 100)


def statement(calls: int, name: str = "SELECT 1") -> Series:
    return series(name, [0.001] * calls, kind=Kind.STATEMENT)


def codes(*given: Series) -> list[str]:
    return [one.code for one in findings(snapshot(*given))]


def test_nothing_measured_is_nothing_found() -> None:
    assert findings(None) == ()
    assert findings(snapshot()) == ()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([REQUESTS, statement(1000)], ["service.repeated-statement"]),
        ([REQUESTS, statement(300)], ["service.repeated-statement"]),
        ([REQUESTS, statement(299)], []),
        ([series("GET /", [0.01] * 10), statement(99)], []),
        ([REQUESTS, statement(1000, OTHER)], []),
        ([statement(1000)], []),
        ([series("loop", [0.001] * 900 + [0.06] * 5, kind=Kind.LOOP)], ["service.blocked-loop"]),
        ([series("loop", [0.001] * 900 + [0.06] * 4, kind=Kind.LOOP)], []),
        ([series("loop", [0.02] * 900, kind=Kind.LOOP)], []),
        ([series("pool", [0.05] * 100, kind=Kind.POOL)], ["service.pool-wait"]),
        ([series("pool", [0.05] * 99, kind=Kind.POOL)], []),
        ([series("pool", [0.001] * 100, kind=Kind.POOL)], []),
        (
            [series("pool", [0.001] * 100, failed_s=[30.0], kind=Kind.POOL)],
            ["service.pool-wait"],
        ),
    ],
    ids=[
        "an N+1", "just often enough", "less often", "too few calls", "what was folded",
        "without requests", "standstills", "too few standstills", "just late", "pool waits",
        "too few waits", "short waits", "waits in vain",
    ],
)  # fmt: skip
def test_only_what_costs_something_is_found(given: list[Series], found: list[str]) -> None:
    assert codes(*given) == found


def test_the_figures_stand_in_the_evidence() -> None:
    (found,) = findings(snapshot(REQUESTS, statement(1000)))
    assert found.subject == "SELECT 1"
    assert found.evidence["calls"] == 1000
    assert found.evidence["requests"] == 100
    assert found.explanation is not None


def test_the_worker_is_named_where_it_is_one() -> None:
    seen = snapshot(series("loop", [0.1] * 9, kind=Kind.LOOP))
    one = Snapshot(started_at=seen.started_at, window_s=10, series=seen.series, worker="host:4711")
    assert [found.subject for found in findings(one)] == ["host:4711"]
    assert [found.subject for found in findings(seen)] == ["service"]
