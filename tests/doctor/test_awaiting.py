"""What requests await where nothing that is watched tells it, as the doctor names it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keiko_perf.doctor import Symptoms, ranked
from keiko_perf.doctor.symptoms import HostTime, PoolUse, RouteTime
from keiko_perf.model import BlockingCall
from keiko_perf.model.awaited import AwaitedAt
from keiko_perf.render import phrase

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PLACE = "app/stock.py:11 stock"
ENTER, ACQUIRE = (
    "asyncio/locks.py:15 _ContextManagerMixin.__aenter__",
    "asyncio/locks.py:114 Lock.acquire",
)
SLOW = RouteTime(route="GET /stock", count=100, elsewhere_s=20.0, code_s=0.5)


def seen(*stack: str, looks: int = 50, place: str = PLACE, **more) -> Symptoms:
    at = AwaitedAt(
        route="GET /stock", place=place, stack=("fastapi/routing.py:1 app", *stack), looks=looks
    )
    return Symptoms(**({"window_s": 20.0, "routes": (SLOW,), "awaited": (at,)} | more))


@pytest.mark.parametrize(
    ("beyond", "what", "cure"),
    [
        ((ENTER, ACQUIRE), ACQUIRE, "take turns"),
        (("asyncio/queues.py:120 Queue.put",), "asyncio/queues.py:120 Queue.put", "a longer queue"),
        (("asyncio/tasks.py:649 sleep",), "asyncio/tasks.py:649 sleep", "It sleeps"),
        # What a client of Redis waits for within is its own affair.
        (("redis/asyncio/client.py:672 Redis.execute_command", "redis/asyncio/connection.py:9 get",
          ACQUIRE), "redis/asyncio/client.py:672 Redis.execute_command", "SLOWLOG GET"),
        (("aiokafka/producer.py:3 Producer.send",), "aiokafka/producer.py:3 Producer.send",
         "nothing that is watched tells of it"),
        ((), "a task or a future", "nothing that is watched tells of it"),
    ],
)  # fmt: skip
def test_the_line_is_named_with_what_it_awaits_and_what_to_do(
    beyond: tuple[str, ...], what: str, cure: str
) -> None:
    (cause,) = ranked(seen(PLACE, *beyond))
    assert (cause.code, cause.subject) == ("service.awaiting", PLACE)
    assert phrase(cause.said).endswith(f"GET /stock at {PLACE}, which awaits {what}: 200 ms of "
                                       "each request")  # fmt: skip
    assert cure in phrase(cause.explanation)


def test_a_package_that_compresses_answers_is_told_as_that() -> None:
    place = "starlette/middleware/gzip.py:90 GZipResponder.apply_compression"
    threads = "anyio/_backends/_asyncio.py:2779 run_sync_in_worker_thread"
    (cause,) = ranked(seen(place, threads, place=place))
    assert "compresslevel" in phrase(cause.explanation)


def test_what_was_seen_too_seldom_stays_unseen() -> None:
    (cause,) = ranked(seen(PLACE, ACQUIRE, looks=4))
    assert cause.code == "service.unseen"


def test_lines_share_what_their_route_waits_by_how_often_they_were_seen() -> None:
    both = seen(PLACE, ACQUIRE, looks=60)
    other = AwaitedAt(route="GET /stock", place="app/stock.py:19 sell", stack=(), looks=40)
    first, second = ranked(replace(both, awaited=(*both.awaited, other)))
    assert (first.subject, second.subject) == (PLACE, "app/stock.py:19 sell")
    assert first.share == pytest.approx(12.0 / 20.5)
    assert second.share == pytest.approx(8.0 / 20.5)


def test_a_quick_service_that_awaits_is_no_cause() -> None:
    quick = replace(SLOW, elsewhere_s=1.0)
    assert ranked(seen(PLACE, ACQUIRE, routes=(quick,))) == ()


def test_of_a_service_whose_calls_fail_the_failures_are_told() -> None:
    route = RouteTime(route="GET /credit", count=100, http_s=20.0)
    host = HostTime(host="credit:80", count=200, total_s=20.0, failed=60)
    (cause,) = ranked(Symptoms(window_s=20.0, routes=(route,), outgoing=(host,)))
    assert phrase(cause.explanation).startswith("60 of 200 calls failed or ran into their time")
    host = replace(host, failed=4)
    (cause,) = ranked(Symptoms(window_s=20.0, routes=(route,), outgoing=(host,)))
    assert phrase(cause.explanation).startswith("The other service takes that long")


def test_own_code_that_takes_long_is_not_told_as_many_short_steps() -> None:
    long = RouteTime(route="GET /export", count=100, code_s=26.0)
    (cause,) = ranked(Symptoms(window_s=60.0, routes=(long,)))
    assert phrase(cause.explanation).startswith("It takes that long in one piece or in some")
    (cause,) = ranked(Symptoms(window_s=60.0, routes=(replace(long, code_s=8.0),)))
    assert phrase(cause.explanation).startswith("Many short steps")


@pytest.mark.parametrize(
    ("count", "total_s", "is_named", "why"),
    [
        (10, 1.5, True, "who comes meanwhile waits for 150 ms"),
        (30, 1.5, False, "50 ms at a time are felt by nobody"),
        (2, 1.5, False, "twice is no rule"),
    ],
)
def test_what_holds_the_loop_for_long_is_named_though_few_requests_come_meanwhile(
    count: int, total_s: float, is_named: bool, why: str
) -> None:
    call = BlockingCall(place="app/prices.py:8 rebuild", count=count, total_s=total_s,
                        longest_s=0.2, computed_s=total_s, last_at=NOON)  # fmt: skip
    route = RouteTime(route="GET /product", count=100, loop_s=1.5, code_s=0.05)
    named = [one.code for one in ranked(Symptoms(window_s=20.0, routes=(route,), blocking=(call,)))]
    assert (named == ["loop.computing"]) is is_named, why


def test_what_stands_between_two_statements_awaits_nothing_of_its_own() -> None:
    within = "sqlalchemy/ext/asyncio/engine.py:915 AsyncConnection.__aexit__"
    pool = PoolUse(waits=0, wait_s=0.0, failed=0, holds=100, hold_s=1.0)
    (cause,) = ranked(seen(PLACE, within, pool=pool))
    assert cause.code == "service.unseen"


def test_where_no_driver_is_watched_the_line_that_awaits_one_is_named() -> None:
    (cause,) = ranked(seen(PLACE, "asyncpg/connection.py:349 Connection.execute"))
    assert cause.code == "service.awaiting"
    assert "awaits asyncpg/connection.py:349 Connection.execute" in phrase(cause.said)


@pytest.mark.parametrize(
    ("count", "total_s", "code", "why"),
    [
        (2000, 16.0, "http.repeated", "twenty calls of 8 ms, in turn"),
        (2000, 36.0, "", "they overlap: 36 s of calls in 8 s of waiting"),
        (400, 3.2, "", "four calls of 8 ms are no loop, and quick"),
        (200, 16.0, "http.slow", "80 ms are slow by themselves"),
    ],
)
def test_a_loop_of_calls_of_another_service_is_named_however_quick_each_is(
    count: int, total_s: float, code: str, why: str
) -> None:
    route = RouteTime(route="GET /basket", count=100, http_s=min(total_s, 288.0 / total_s))
    host = HostTime(host="prices:80", count=count, total_s=total_s)
    causes = ranked(Symptoms(window_s=20.0, routes=(route,), outgoing=(host,)))
    assert [one.code for one in causes] == ([code] if code else []), why
    if code == "http.repeated":
        assert "GET /basket asks 20 times for each request, one after the other" in phrase(
            causes[0].said
        )
