"""What never came to an end: requests, connections, sessions before a lock, handlers in a queue."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import anyio.from_thread
import anyio.to_thread
import pytest

from keiko_perf.doctor import Symptoms, ranked
from keiko_perf.doctor.report import Seen, doctor_report
from keiko_perf.doctor.symptoms import LockWait, PoolUse, RouteTime, StatementTime, ThreadUse
from keiko_perf.doctor.telling import told_by
from keiko_perf.doctor.visit import without_database
from keiko_perf.model import (
    Asked,
    BlockingCall,
    Gap,
    Outcome,
    Severity,
    Status,
    Target,
    Verdict,
    say,
)
from keiko_perf.model import kpi as kpis
from keiko_perf.monitoring.process.threadpool import BUSY_US, QUEUED_US, ThreadPoolProbe
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.render import FORMATS, phrase, render

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LOCK = LockWait(
    statement="SELECT * FROM items WHERE id = $1",
    ratio=1.0,
    looks=500,
    on="items",
    blocker="ALTER TABLE items ADD COLUMN extra int",
    blocker_state="idle in transaction",
)
FULL = PoolUse(waits=0, wait_s=0.0, failed=0, holds=0, hold_s=0.0, size=5.0, in_use=5.0)


HELD = BlockingCall(place="app/tags.py:58 list_tags", count=2, total_s=17.0, longest_s=9.0,
                    computed_s=16.0, last_at=NOON)  # fmt: skip


def stuck(**more: object) -> Symptoms:
    return Symptoms(**({"window_s": 20.0, "in_flight": 40.0} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "code", "said"),
    [
        (
            stuck(locks=(LOCK,), looks=100, pool=FULL, has_database=True),
            "locks.waiting",
            "whose last statement was ALTER TABLE items ADD COLUMN extra int",
        ),
        (
            stuck(pool=FULL, blocking=(HELD,)),
            "loop.computing",
            "app/tags.py:58 list_tags holds the event loop, for 9 s at a time",
        ),
        (
            stuck(blocking=(replace(HELD, total_s=2.0, longest_s=2.0, computed_s=2.0),)),
            "service.unseen",
            "outside of what can be seen here",
        ),
        (stuck(pool=FULL), "pool.exhausted", "all 5 connections of the pool are in use"),
        (stuck(), "service.unseen", "outside of what can be seen here"),
    ],
)
def test_where_not_one_request_is_answered_it_is_said_what_they_wait_for(
    seen: Symptoms, code: str, said: str
) -> None:
    (cause,) = ranked(seen)
    assert cause.code == code
    assert phrase(cause.said).startswith("40 requests are under way and not one was answered")
    assert said in phrase(cause.said)
    report = doctor_report((cause,), Seen(symptoms=seen), now=NOON)
    assert report.status is Status.MISSED
    for format in FORMATS:
        assert render(report, format, lang="de")


@pytest.mark.parametrize(
    ("answered", "in_flight", "is_stuck"),
    [(2, 40.0, True), (4, 20.0, True), (4, 19.0, False), (2, 3.0, False), (5, 5000.0, False)],
)
def test_a_few_answers_of_many_requests_tell_as_little_as_none(
    answered: int, in_flight: float, is_stuck: bool
) -> None:
    few = RouteTime(route="POST /transfer", count=answered, sql_s=10.0)
    seen = stuck(routes=(few,), in_flight=in_flight, locks=(LOCK,), looks=100, has_database=True)
    assert seen.is_stuck is is_stuck
    if is_stuck:
        (cause,) = ranked(seen)
        assert f"under way and only {answered} were answered within 20 s" in phrase(cause.said)


def test_transactions_that_wait_for_each_other_are_told_to_lock_in_one_order() -> None:
    (cause,) = ranked(stuck(locks=(LOCK,), looks=100, has_database=True, deadlocks=38))
    assert "38 transactions were ended meanwhile to resolve a deadlock" in phrase(cause.explanation)
    (cause,) = ranked(stuck(locks=(LOCK,), looks=100, has_database=True, deadlocks=2))
    assert "deadlock" not in phrase(cause.explanation)


def test_handlers_in_threads_and_their_connections_that_wait_for_each_other_are_told() -> None:
    threads = ThreadUse(size=40.0, in_use=40.0, waiting=300.0)
    (cause,) = ranked(stuck(pool=FULL, threads=threads))
    assert cause.code == "pool.exhausted"
    assert "who has a connection waits for a thread" in phrase(cause.explanation)
    (cause,) = ranked(stuck(pool=FULL, threads=replace(threads, in_use=4.0)))
    assert "Somebody takes a connection" in phrase(cause.explanation)


def test_a_service_that_nobody_asks_is_not_stuck() -> None:
    assert ranked(stuck(in_flight=0.2)) == ranked(stuck(in_flight=None)) == ()


def test_who_waits_for_connections_that_stand_before_a_lock_waits_for_the_lock() -> None:
    # All time out after 3 s; the five statements that have the connections never end.
    routes = (RouteTime(route="GET /items", count=100, pool_s=300.0, code_s=1.0),)
    pool = PoolUse(waits=100, wait_s=300.0, failed=100, holds=0, hold_s=0.0, size=5.0, in_use=5.0)
    seen = Symptoms(window_s=20.0, routes=routes, pool=pool, locks=(LOCK,), looks=100,
                    has_database=True)  # fmt: skip
    cause = ranked(seen)[0]
    assert (cause.code, cause.subject) == ("locks.waiting", "items")
    assert cause.share == pytest.approx(300 / 301, rel=0.01)
    assert "ALTER TABLE" in phrase(cause.said)


def test_connections_that_do_not_come_back_are_told_from_a_pool_that_is_too_small() -> None:
    routes = (RouteTime(route="GET /items", count=100, sql_s=9.0, pool_s=60.0),)
    small = PoolUse(waits=100, wait_s=60.0, failed=0, holds=400, hold_s=98.0, size=5.0, in_use=4.9)
    (cause,) = ranked(Symptoms(window_s=20.0, routes=routes, pool=small))
    assert "each of which is held for 245 ms" in phrase(cause.said)
    leaking = PoolUse(
        waits=100, wait_s=60.0, failed=9, holds=100, hold_s=16.0, size=5.0, in_use=4.8
    )
    (cause,) = ranked(Symptoms(window_s=20.0, routes=routes, pool=leaking))
    assert cause.code == "pool.exhausted"
    assert "about 4 of the 5 of the pool are kept and do not come back" in phrase(cause.said)
    assert cause.evidence["timeouts"] == 9
    never = PoolUse(waits=100, wait_s=60.0, failed=100, holds=0, hold_s=0.0, size=5.0, in_use=5.0)
    (cause,) = ranked(Symptoms(window_s=20.0, routes=routes, pool=never))
    assert "about 5 of the 5" in phrase(cause.said)
    assert "no data" not in phrase(cause.said)


def test_a_statement_that_the_database_is_quick_with_is_slow_on_the_way() -> None:
    routes = (RouteTime(route="GET /items", count=100, sql_s=7.0, code_s=1.0),)
    asked = (
        Asked(
            route="GET /items", statement="SELECT 1 FROM items WHERE id = $1", requests=100,
            count=100, total_s=7.0, most=1,
        ),
    )  # fmt: skip
    counted = StatementTime(statement="SELECT $1 FROM items WHERE id = $2", count=100, total_s=0.02)
    seen = Symptoms(window_s=20.0, routes=routes, asked=asked, has_database=True,
                    statements=(counted,))  # fmt: skip
    (cause,) = ranked(seen)
    assert cause.code == "statements.between"
    assert "70 ms as the service sees it, and 200 µs in the database" in phrase(cause.said)
    slow = replace(seen, statements=(replace(counted, total_s=6.5),))
    assert [one.code for one in ranked(slow)] == ["statements.slow"]
    assert [one.code for one in ranked(replace(seen, statements=()))] == ["statements.slow"]


def test_who_waits_for_a_thread_is_told_from_who_has_one() -> None:
    routes = (
        RouteTime(route="GET /sync", count=100, elsewhere_s=300.0, in_thread=True),
        RouteTime(route="GET /async", count=100, elsewhere_s=10.0),
    )
    threads = ThreadUse(size=40.0, in_use=40.0, waiting=80.0)
    causes = ranked(Symptoms(window_s=20.0, routes=routes, threads=threads))
    assert [one.code for one in causes] == ["threads.exhausted", "service.unseen"]
    assert causes[0].share == pytest.approx(200 / 310)
    assert "one of the 40 threads" in phrase(causes[0].said)
    idle = ThreadUse(size=40.0, in_use=3.0, waiting=0.0)
    (cause,) = ranked(Symptoms(window_s=20.0, routes=routes, threads=idle))
    assert "which runs in a thread" in phrase(cause.said)


def test_what_a_service_tells_of_threads_and_requests_under_way_is_read() -> None:
    gauges = {
        "handler_threads_size": 40.0,
        "handler_threads_in_use": 12.0,
        "handler_threads_waiting": 0.5,
        "in_flight": 7.0,
        "pool_in_use": 5.0,
        "pool_size": 5.0,
    }
    pool = {
        "waits": {"count": 0, "total_s": 0.0, "failed": 0},
        "holds": {"count": 0, "total_s": 0.0},
    }
    document = {
        "version": 1,
        "attribution": True,
        "window_s": 20.0,
        "routes": [],
        "gauges": {name: {"mean": value, "peak": value} for name, value in gauges.items()},
        "pool": pool,
    }
    seen = told_by(document).symptoms
    assert seen.threads == ThreadUse(size=40.0, in_use=12.0, waiting=0.5)
    assert seen.is_stuck
    assert seen.pool == replace(FULL, peak=5.0)


async def test_the_threads_of_the_loop_are_read_once_one_was_used() -> None:
    probe = ThreadPoolProbe(Recorder())
    assert probe() == {}
    seen = await anyio.to_thread.run_sync(lambda: anyio.from_thread.run_sync(probe))
    assert seen["handler_threads_in_use"] == 1.0
    assert seen["handler_threads_size"] >= 1.0
    assert probe()["handler_threads_in_use"] == 0.0


async def test_it_is_counted_for_how_long_threads_were_at_work_and_waited_for() -> None:
    now_s = 100.0
    recorder = Recorder(clock=lambda: now_s)
    probe = ThreadPoolProbe(recorder)
    limiter = anyio.to_thread.current_default_thread_limiter()
    before, limiter.total_tokens = limiter.total_tokens, 1
    try:
        async with anyio.create_task_group() as group:
            may_end = threading.Event()
            group.start_soon(anyio.to_thread.run_sync, may_end.wait)
            group.start_soon(anyio.to_thread.run_sync, may_end.wait)
            with anyio.fail_after(60):
                while not limiter.statistics().tasks_waiting:  # noqa: ASYNC110 - nothing tells it
                    await anyio.sleep(0.001)
            probe()
            now_s += 2.0
            probe()
            may_end.set()
    finally:
        limiter.total_tokens = before
    counters = recorder.snapshot().counters
    assert (counters[BUSY_US], counters[QUEUED_US]) == (2_000_000, 2_000_000)


def test_without_a_loop_there_is_no_pool_of_threads() -> None:
    assert ThreadPoolProbe(Recorder())() == {}


def test_where_only_the_machine_makes_it_slow_that_is_the_first_sentence() -> None:
    routes = (RouteTime(route="GET /a", count=100, code_s=6.0, loop_s=20.0),)
    seen = Symptoms(window_s=30.0, routes=routes, queued_ratio=0.9)
    target = Target(kpi=kpis.LATENCY_P95, at_most=0.2)
    missed = Verdict(target, Outcome.MISSED, say("over the limit"), 0.9, 100)
    report = doctor_report(ranked(seen), Seen(symptoms=seen, verdicts=(missed,)), now=NOON)
    assert "too busy to tell by what" in phrase(report.headline)
    assert "90 % for a processor" in phrase(report.headline)
    few = replace(seen, routes=(replace(routes[0], count=3),))
    report = doctor_report(ranked(few), Seen(symptoms=few, verdicts=(missed,)), now=NOON)
    assert phrase(report.headline).endswith("answered meanwhile to tell by what: 3")
    calm = replace(seen, queued_ratio=0.1)
    report = doctor_report((), Seen(symptoms=calm, verdicts=(missed,)), now=NOON)
    assert "nothing that takes a notable time" in phrase(report.headline)
    cause = replace(ranked(replace(seen, queued_ratio=0.0))[0], share=0.05)
    found = Seen(symptoms=calm, verdicts=(missed,), smaller=(cause,))
    report = doctor_report((), found, now=NOON)
    assert "no cause takes a tenth of the time alone. The largest: " in phrase(report.headline)
    assert [one.severity for one in report.sections[1].findings] == [Severity.NOTE]
    assert report.answer["smaller"] == [cause.answer]


@pytest.mark.parametrize(
    ("in_use", "peak", "is_lost", "why"),
    [
        (3.3, 3.0, True, "all three of one worker"),
        (3.3, 2.0, False, "none has all of its own in use: each of four keeps one busy"),
        (1.5, 3.0, False, "one of them was full for a moment"),
        (3.3, None, False, "an older service does not tell"),
    ],
)
def test_a_pool_of_one_of_four_workers_whose_connections_are_gone(
    in_use: float, peak: float | None, is_lost: bool, why: str
) -> None:
    routes = (RouteTime(route="GET /items", count=181, sql_s=3.0, pool_s=85.0),)
    pool = PoolUse(
        waits=180, wait_s=85.0, failed=17, holds=160, hold_s=2.9, size=12.0, in_use=in_use,
        peak=peak,
    )  # fmt: skip
    seen = Symptoms(window_s=10.0, routes=routes, pool=pool, workers=4)
    (cause,) = (one for one in ranked(seen) if one.code == "pool.exhausted")
    assert ("do not come back" in phrase(cause.said)) is is_lost, why
    if is_lost:
        assert "that of one is used up" in phrase(cause.explanation)
        assert "about 3 of the 12" in phrase(cause.said)


def test_a_server_without_a_connection_left_is_told_beside_what_the_service_waits_for() -> None:
    routes = (RouteTime(route="GET /items", count=181, sql_s=3.0, pool_s=85.0),)
    pool = PoolUse(waits=180, wait_s=85.0, failed=17, holds=160, hold_s=2.9, size=80.0)
    unasked = Gap(subject=say("what the database does"), reason="no", remedy="Name it")
    seen = without_database(
        Seen(symptoms=Symptoms(routes=routes, pool=pool, workers=4), gaps=(unasked,))
    )
    (found,) = seen.findings
    assert (found.code, found.severity) == ("connections.exhausted", Severity.CRITICAL)
    assert found.evidence == {"workers": 4, "pool_connections": 80.0}
    assert [phrase(one.reason) for one in seen.gaps] == ["its server has no connection left"]
