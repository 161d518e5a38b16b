"""What is another since a deploy, and what only looks so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp
from random import Random

import pytest

from keiko_perf.model import Histogram, Kind, Series, Snapshot
from keiko_perf.model.asked import Asked
from keiko_perf.monitoring import MemoryStore
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.changes.deploys import LEAST_BEFORE, parts_of
from keiko_perf.monitoring.changes.markers import Marker, MarkerKind
from keiko_perf.monitoring.remembering import Past
from keiko_perf.monitoring.storage.journal import Journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATEMENT = "SELECT total FROM orders WHERE id = $1"


def series(kind: Kind, name: str, durations: list[float]) -> Series:
    return Series(kind=kind, name=name, window_s=60.0, succeeded=Histogram(durations))


def past(
    minutes: int, *, slower: float = 1.0, calls: int = 1, rare: float = 1.0, half: float = 1.0
) -> Past:
    """A service of three routes that was deployed some minutes ago, and what that made of one."""
    random, store = Random(5), MemoryStore()
    deployed_at = NOW - timedelta(minutes=minutes)
    for minute in range(2 * max(minutes, LEAST_BEFORE), 0, -1):
        at = NOW - timedelta(minutes=minute)
        is_after = at >= deployed_at

        def drawn(level: float, factor: float, share: float = 1.0) -> list[float]:
            level *= exp(random.gauss(0, 0.05))
            return [
                level
                * random.lognormvariate(0, 0.4)
                * (factor if is_after and random.random() < share else 1.0)  # noqa: B023
                for _ in range(120)
            ]

        # One in eight is slow whatever is deployed.
        mixed = [
            0.1 * random.lognormvariate(0, 0.2) if number % 8 == 0 else one
            for number, one in enumerate(drawn(0.01, half, 0.6))
        ]
        store.append(
            Snapshot(
                started_at=at,
                window_s=60.0,
                worker="w",
                series=(
                    series(Kind.ROUTE, "GET /orders", drawn(0.03, slower)),
                    series(Kind.ROUTE, "GET /agents", drawn(0.02, 1.0)),
                    series(Kind.ROUTE, "GET /tasks", mixed),
                    series(Kind.STATEMENT, STATEMENT, drawn(0.004, rare, 0.125)),
                ),
                asked=(
                    Asked(
                        route="GET /orders", statement=STATEMENT, requests=120,
                        count=120 * (calls if is_after else 1), total_s=0.5, most=calls,
                    ),
                ),
            )
        )  # fmt: skip
    journal = Journal(store)
    markers.add(journal, Marker(at=deployed_at, kind=MarkerKind.DEPLOY, text="v2"))
    return Past(store, journal)


def told(one: Past, *, hours: float = 24.0) -> list[tuple[str, str | None, bool | None]]:
    found = one.since_deploy(NOW, hours * 3600)
    return [(each.name, each.subject, each.is_worse) for each in found]


@pytest.mark.parametrize("minutes", [8, 15, 30, 90])
def test_a_deploy_that_changed_nothing_is_said_nothing_of(minutes: int) -> None:
    assert told(past(minutes)) == []


@pytest.mark.parametrize("minutes", [6, 15, 45])
def test_the_route_that_a_deploy_made_slower_is_named_within_minutes(minutes: int) -> None:
    found = told(past(minutes, slower=3.0))
    assert ("latency_p95_s", "GET /orders", True) in found
    assert {subject for _, subject, _ in found} <= {"GET /orders", None}


def test_most_requests_of_a_route_that_are_slower_are_told_where_the_slowest_are_not() -> None:
    found = told(past(15, half=2.5))
    assert ("latency_p50_s", "GET /tasks", True) in found
    assert ("latency_p95_s", "GET /tasks", True) not in found


def test_one_that_is_faster_is_better() -> None:
    assert ("latency_p95_s", "GET /orders", False) in told(past(15, slower=0.3))


def test_a_statement_that_requests_send_twice_is_told_with_its_route() -> None:
    (found,) = past(6, calls=2).since_deploy(NOW, 3600)
    assert (found.name, found.subject) == ("calls_per_request", f"GET /orders: {STATEMENT}")
    assert (found.before, found.after, found.is_worse) == (pytest.approx(1), pytest.approx(2), True)


def test_a_plan_that_is_bad_for_rare_values_shows_in_the_slow_executions() -> None:
    assert told(past(15, rare=20.0)) == [("statement_p95_s", STATEMENT, True)]


def test_a_deploy_of_another_day_is_not_what_was_asked_for() -> None:
    assert told(past(90, slower=3.0), hours=1.0) == []


def test_parts_are_whole_minutes_and_more_is_known_of_before_than_of_after() -> None:
    assert parts_of(NOW, NOW + timedelta(minutes=3)) == ([], [], 60.0)
    before, after, part_s = parts_of(NOW, NOW + timedelta(minutes=4))
    assert (len(before), len(after), part_s) == (LEAST_BEFORE, 3, 60.0)
    assert (before[-1], after[0]) == (NOW - timedelta(minutes=1), NOW + timedelta(minutes=1))
    before, after, part_s = parts_of(NOW, NOW + timedelta(hours=5))
    assert (len(before), len(after), part_s) == (12, 12, 300.0)
    assert parts_of(NOW, NOW + timedelta(hours=50), least_s=600.0)[2] == 600.0
