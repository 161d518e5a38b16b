"""What the doctor advises: a line to write, the size of a pool, a cache; and when it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keiko_perf.doctor import Symptoms, ranked
from keiko_perf.doctor.advice import advised, asked_again
from keiko_perf.doctor.report import Seen, doctor_report
from keiko_perf.doctor.symptoms import PoolUse, RouteTime
from keiko_perf.model import Asked, BlockingCall, Kept, Kind, Repeats
from keiko_perf.render import phrase

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
REPORT = RouteTime(route="GET /report", count=100, sql_s=30.0, code_s=1.0, elsewhere_s=1.0)
STATEMENT = "SELECT sum(amount) FROM orders WHERE shop = $1"


def repeats(
    subject: str = "GET /report",
    *,
    kind: Kind = Kind.ROUTE,
    mean_s: float = 0.3,
    hits: int = 1_000,
    stale: int = 0,
) -> Repeats:
    kept = Kept(ttl_s=60, hits=hits, stale=stale, spared_s=hits * mean_s)
    few = Kept(ttl_s=1, hits=10, spared_s=10 * mean_s)
    return Repeats(kind=kind, subject=subject, calls=1_200, took_s=1_200 * mean_s, kept=(few, kept))


def slow_report(**more: object) -> Symptoms:
    asked = Asked(
        route="GET /report", statement=STATEMENT, requests=100, count=100, total_s=30.0, most=1
    )
    given = {"window_s": 30.0, "routes": (REPORT,), "asked": (asked,), "has_database": True}
    return Symptoms(**(given | more))  # type: ignore[arg-type]


def test_what_is_asked_again_and_takes_long_is_worth_a_cache() -> None:
    seen = slow_report(repeats=(repeats(),))
    causes, advice = advised(ranked(seen), seen)
    (cache,) = advice
    assert (cache.code, cache.subject, cache.verified_by) == ("cache.repeats", "GET /report", None)
    assert cache.statement.startswith("@cached(ttl_s=60)")
    assert phrase(cache.summary) == (
        "83.3 % of the 1,200 answers that were looked at within the last hour could have come "
        "from a cache that keeps "
        "them for 60 s: it would have spared 5 min of the 6 min that they took, and 0 of its "
        "answers would have been out of date"
    )
    assert causes[0].code == "statements.slow"  # no index helps it, but a cache does
    assert causes[0].cure == cache.statement


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (slow_report(repeats=(repeats(mean_s=0.005),)), "the answers are quick"),
        (slow_report(repeats=(repeats(hits=100),)), "it seldom repeats"),
        (slow_report(repeats=(repeats(stale=50),)), "it changes meanwhile"),
        (slow_report(repeats=(repeats("GET /other"),)), "users don't wait for it"),
        (slow_report(routes=(REPORT, replace(REPORT, route="GET /b", sql_s=900.0)),
                     repeats=(repeats(),)), "it is little of what they wait for"),
    ],
)  # fmt: skip
def test_no_cache_is_advised_where(seen: Symptoms, why: str) -> None:
    assert advised(ranked(seen), seen)[1] == (), why


def test_a_statement_is_worth_a_cache_where_no_endpoint_that_sends_it_is() -> None:
    statement = repeats(STATEMENT, kind=Kind.STATEMENT)
    seen = slow_report(repeats=(statement,))
    (advice,) = advised((), seen)[1]
    assert advice.subject == STATEMENT
    assert "the function that sends the statement" in advice.statement
    both = slow_report(repeats=(statement, repeats()))
    assert [one.subject for one in advised((), both)[1]] == ["GET /report"]


def test_a_call_that_blocks_is_cured_by_the_line_to_write_instead() -> None:
    call = BlockingCall(
        place="app.py:7 find", stack=("app.py:7 find",), count=20, total_s=2.0, longest_s=0.2,
        computed_s=0.0, last_at=NOW,
    )  # fmt: skip
    route = RouteTime(route="GET /find", count=20, code_s=2.1)
    seen = Symptoms(window_s=30.0, routes=(route,), blocking=(call,))
    (cause, *_), _ = advised(ranked(seen), seen, line_of=lambda place: "time.sleep(0.1)")
    assert cause.code == "loop.blocking-call"
    assert cause.cure == "await asyncio.sleep(seconds)\n# instead of: time.sleep(0.1)"
    (cause, *_), _ = advised(ranked(seen), seen)
    assert cause.cure == "await asyncio.to_thread(function, *arguments)"


def test_of_a_deep_stack_the_callers_the_place_and_both_ends_of_what_it_calls_are_told() -> None:
    stack = (*(f"server.py:{i} run" for i in range(9)), "app.py:7 find",
             *(f"library.py:{i} walk" for i in range(60)))  # fmt: skip
    call = BlockingCall(
        place="app.py:7 find", stack=stack, count=20, total_s=2.0, longest_s=0.2,
        computed_s=2.0, last_at=NOW,
    )  # fmt: skip
    route = RouteTime(route="GET /find", count=20, code_s=2.1)
    (cause,) = ranked(Symptoms(window_s=30.0, routes=(route,), blocking=(call,)))
    told = str(cause.evidence["stack"]).split(" > ")
    assert told[:2] == ["…", "server.py:5 run"]
    assert told[5:8] == ["app.py:7 find", "library.py:0 walk", "library.py:1 walk"]
    assert told[12] == "…"
    assert told[13:] == [f"library.py:{i} walk" for i in range(54, 60)]


def crowded(**more: object) -> Symptoms:
    pool = PoolUse(waits=1_000, wait_s=50.0, failed=0, holds=1_000, hold_s=75.0, size=4)
    route = RouteTime(route="GET /a", count=1_000, sql_s=5.0, pool_s=50.0, elsewhere_s=10.0)
    given = {"window_s": 30.0, "routes": (route,), "pool": pool, "workers": 2}
    return Symptoms(**(given | more))  # type: ignore[arg-type]


def test_a_pool_that_is_waited_for_is_told_its_size() -> None:
    seen = crowded(max_connections=97)
    cause = next(one for one in advised(ranked(seen), seen)[0] if one.code == "pool.exhausted")
    # 33 a second, held for 75 ms by one of two workers: 1.25 in use, 99 times in 100 four or less.
    assert cause.cure == (
        "create_async_engine(url, pool_size=4, max_overflow=0)  # in each worker; 47 at most"
    )


@pytest.mark.parametrize(
    ("kind", "made"),
    [("asyncpg", "asyncpg.create_pool(dsn, "), ("psycopg", "AsyncConnectionPool(conninfo, ")],
)
def test_a_pool_that_is_used_without_sqlalchemy_is_told_in_its_own_words(
    kind: str, made: str
) -> None:
    seen = crowded(max_connections=97)
    assert seen.pool is not None
    seen = replace(seen, pool=replace(seen.pool, kinds=(kind,)))
    cause = next(one for one in advised(ranked(seen), seen)[0] if one.code == "pool.exhausted")
    assert cause.cure == f"{made}max_size=4)  # in each worker; 47 at most"


@pytest.mark.parametrize("most", [5, 1])
def test_a_pool_that_cannot_be_larger_is_not_told_so(most: int) -> None:
    seen = crowded(max_connections=most)
    cause = next(one for one in advised(ranked(seen), seen)[0] if one.code == "pool.exhausted")
    assert cause.cure is None


def test_another_loop_is_advised_where_much_is_served_by_a_busy_one() -> None:
    route = RouteTime(route="GET /a", count=30_000, code_s=24.0)
    seen = Symptoms(window_s=30.0, routes=(route,), loop="asyncio.unix_events")
    assert [one.code for one in advised((), seen)[1]] == ["loop.uvloop"]
    assert advised((), replace(seen, workers=8))[1] == ()
    assert advised((), replace(seen, loop="uvloop"))[1] == ()
    assert advised((), replace(seen, loop=""))[1] == ()


def test_the_page_shows_the_advice_and_the_shares_by_time() -> None:
    seen = slow_report(repeats=(repeats(), repeats("GET /seldom", hits=0)))
    causes, advice = advised(ranked(seen), seen)
    report = doctor_report(causes, Seen(symptoms=seen, advice=advice), now=NOW)
    assert [one.code for one in report.sections[0].recommendations] == ["cache.repeats"]
    table = report.sections[1].tables[-1]
    assert phrase(table.title).startswith("Asked again")
    assert table.rows[0] == (
        "GET /report", 1_200, pytest.approx(0.3), pytest.approx(10 / 1200), None,
        pytest.approx(1_000 / 1_200), None, 0.0,
    )  # fmt: skip
    assert table.rows[1][-1] is None  # nothing was said that could be out of date
    assert asked_again([replace(repeats(), calls=99, kept=())]) is None
