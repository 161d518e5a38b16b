"""What a service's figures say beyond its targets, and when they are silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiko_perf.fakes import EPOCH, series, snapshot
from keiko_perf.model import OTHER, Asked, BlockingCall, Kind, Series, Severity, Snapshot
from keiko_perf.monitoring.findings import findings
from keiko_perf.render import phrase

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
        ([REQUESTS, statement(1000, "COMMIT")], []),
        ([statement(1000)], []),
        ([REQUESTS, statement(1000), series("mail", [0.1], kind=Kind.TASK)], []),
        ([REQUESTS, statement(1000), series("WEBSOCKET /", [9.0], kind=Kind.WEBSOCKET)], []),
        ([REQUESTS, statement(1000), series("GET /agents", [0.01], kind=Kind.IN_CODE)], []),
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
        "what ends a transaction", "without requests",
        "tasks that may send it", "WebSockets that may send it", "who sends what is recorded",
        "standstills", "too few standstills",
        "just late", "pool waits",
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


def test_the_route_that_sends_a_statement_again_and_again_is_told_however_rare_it_is() -> None:
    often = series("GET /ping", [0.001] * 900)
    rare = Asked(
        route="GET /orders",
        statement="SELECT 1",
        requests=10,
        count=300,
        total_s=0.9,
        most=30,
        place="app.py:31 recent",
    )
    (found,) = findings(replace(snapshot(often, statement(300)), asked=(rare,)))
    assert phrase(found.summary) == "GET /orders sends a statement 30 times for each request"
    assert (found.subject, found.evidence["place"]) == ("SELECT 1", "app.py:31 recent")
    assert findings(replace(snapshot(often), asked=(replace(rare, count=49),))) == ()
    # Told once, where the whole service sends it often as well.
    both = replace(snapshot(REQUESTS, statement(1000)), asked=(replace(rare, count=1000),))
    assert [one.evidence["requests"] for one in findings(both)] == [10]


def test_the_worker_is_named_where_it_is_one() -> None:
    seen = snapshot(series("loop", [0.1] * 9, kind=Kind.LOOP))
    one = Snapshot(started_at=seen.started_at, window_s=10, series=seen.series, worker="host:4711")
    assert [found.subject for found in findings(one)] == ["host:4711"]
    assert [found.subject for found in findings(seen)] == ["service"]


def refused(served: int, refusals: int) -> Series:
    return series("GET /agents", [0.01] * served, refused_s=[0.001] * refusals)


@pytest.mark.parametrize(
    ("served", "refusals", "severity"),
    [
        (0, 100, Severity.CRITICAL),  # a login that fails for everybody
        (50, 50, Severity.CRITICAL),
        (80, 20, Severity.WARNING),
        (81, 19, None),  # as public services see every day
        (0, 99, None),  # too few to tell
    ],
)
def test_refusals_in_masses_are_found(
    served: int, refusals: int, severity: Severity | None
) -> None:
    found = findings(snapshot(refused(served, refusals)))
    assert [(one.code, one.severity) for one in found] == (
        [] if severity is None else [("service.refused-requests", severity)]
    )


def blocking(total_s: float, longest_s: float, *, computed_s: float | None = 0.0) -> BlockingCall:
    return BlockingCall(
        place="service/search.py:42 search",
        stack=("service/routes.py:7 find", "service/search.py:42 search"),
        count=3,
        total_s=total_s,
        longest_s=longest_s,
        computed_s=computed_s,
        last_at=EPOCH,
    )


def test_what_held_the_loop_is_named_in_place_of_that_it_was_held() -> None:
    lags = series("loop", [0.06] * 9, kind=Kind.LOOP)
    seen = replace(snapshot(REQUESTS, lags), blocking=(blocking(0.6, 0.2),))
    (found,) = findings(seen)
    assert (found.code, found.subject) == ("service.blocking-call", "service/search.py:42 search")
    assert phrase(found.summary) == (
        "service/search.py:42 search held the event loop 3 times, for 600 ms in all and once for "
        "200 ms"
    )
    assert found.evidence["stack"] == "service/routes.py:7 find > service/search.py:42 search"


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (blocking(0.11, 0.05), True),  # over 1 % of the 10 s
        (blocking(0.09, 0.05), False),
        (blocking(0.1, 0.1), True),  # rare, and long
        (replace(blocking(5.0, 1.0), place=OTHER), False),
    ],
)
def test_a_blocking_call_is_found_if_it_costs_something(call: BlockingCall, found: bool) -> None:
    assert bool(findings(replace(snapshot(REQUESTS), blocking=(call,)))) is found


@pytest.mark.parametrize(
    ("computed_s", "word"), [(0.0, "waits"), (None, "waits"), (0.5, "computes")]
)
def test_the_advice_depends_on_whether_it_waits_or_computes(
    computed_s: float | None, word: str
) -> None:
    call = blocking(0.6, 0.2, computed_s=computed_s)
    (found,) = findings(replace(snapshot(REQUESTS), blocking=(call,)))
    assert found.explanation is not None
    assert phrase(found.explanation).startswith(f"It {word}")
