"""From symptoms to causes: what is named first, with which number, and when nothing is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.doctor import Symptoms, ranked
from keiko_perf.doctor.claims import claims
from keiko_perf.doctor.ranking import smaller
from keiko_perf.doctor.symptoms import (
    Growth,
    HostTime,
    IndexCure,
    LockWait,
    PoolUse,
    RouteTime,
    StatementTime,
)
from keiko_perf.model import Asked, BlockingCall
from keiko_perf.render import phrase

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TASKS = "SELECT tasks.id FROM tasks WHERE tasks.agent_id = $1 ORDER BY tasks.created_at LIMIT $2"
QUICK = RouteTime(route="GET /quick", count=1000, sql_s=2.0, code_s=1.0, elsewhere_s=0.5)


def asked(
    route: str, statement: str, *, requests: int, count: int, total_s: float, place: str = ""
):
    most = max(1, count // requests)
    return Asked(route=route, statement=statement, requests=requests, count=count,
                 total_s=total_s, most=most, place=place)  # fmt: skip


def call(place: str, count: int, total_s: float, computed_s: float | None) -> BlockingCall:
    return BlockingCall(place=place, count=count, total_s=total_s, longest_s=total_s / count,
                        computed_s=computed_s, last_at=NOW)  # fmt: skip


def slow_tasks(**more) -> Symptoms:
    given = {
        "window_s": 30.0,
        "routes": (QUICK, RouteTime(route="GET /tasks", count=100, sql_s=9.5, code_s=0.2)),
        "asked": (asked("GET /tasks", TASKS, requests=100, count=100, total_s=9.5),),
        "has_database": True,
    }
    return Symptoms(**(given | more))


CURE = IndexCure(
    statement=TASKS.replace("$2", "20"),  # as the server writes it down
    sql="CREATE INDEX ON tasks (agent_id, created_at)",
    undo="DROP INDEX tasks_agent_id_created_at_idx",
    places=("tasks (agent_id, created_at)",),
    factor=47.5,
    verified_by="hypopg",
)


def first(seen: Symptoms) -> str:
    causes = ranked(seen)
    return causes[0].code if causes else ""


# Each cause alone


@pytest.mark.parametrize("pattern", ["'%' || $1 || '%'", "('%' || $1 || '%')", "'%x%'"])
def test_who_looks_in_the_middle_of_texts_is_told_of_trigrams(pattern: str) -> None:
    statement = f"SELECT id FROM article WHERE (slug LIKE {pattern})"
    one = asked("GET /tasks", statement, requests=100, count=100, total_s=9.5)
    (cause,) = ranked(slow_tasks(asked=(one,)))
    assert "CREATE EXTENSION pg_trgm" in phrase(cause.explanation)
    one = replace(one, statement=statement.replace("'%", "'x%"))
    (cause,) = ranked(slow_tasks(asked=(one,)))
    assert "pg_trgm" not in phrase(cause.explanation)


def test_all_statements_that_an_index_helps_are_one_cause_that_names_the_dearest() -> None:
    count = "SELECT count(*) FROM tasks WHERE agent_id = $1"
    routes = (RouteTime(route="GET /tasks", count=100, sql_s=19.0),)
    both = (
        asked("GET /tasks", TASKS, requests=100, count=100, total_s=9.0),
        asked("GET /tasks", count, requests=100, count=100, total_s=10.0),
    )
    other = replace(CURE, statement=count, factor=20.0)
    (cause,) = ranked(slow_tasks(routes=routes, asked=both, cures=(CURE, other)))
    said = phrase(cause.said)
    assert "are 2 statements for which an index on tasks (agent_id, created_at) is missing" in said
    assert f"most of it {count}, 100 ms each; the index cuts it to about 5 ms" in said
    assert cause.share == pytest.approx(1.0)
    assert cause.recommendation is not None
    assert cause.recommendation.statements == (count, TASKS)


def test_a_statement_with_a_verified_index_is_named_with_both_times() -> None:
    (cause,) = ranked(slow_tasks(cures=(CURE,)))
    assert (cause.code, cause.verified_by, cause.cure) == ("indexes.missing", "hypopg", CURE.sql)
    assert cause.share == pytest.approx(9.5 / 13.2)
    said = phrase(cause.said)
    assert said.startswith("72 % of the time that users wait is the statement SELECT id FROM")
    assert "95 ms each" in said
    assert "tasks (agent_id, created_at) cuts it to about 2 ms (verified by the planner)" in said
    assert cause.recommendation is not None
    assert cause.recommendation.undo == CURE.undo


def test_of_a_list_with_pages_the_time_is_that_of_the_first() -> None:
    statement = f"{TASKS} OFFSET $4::INTEGER"
    one = asked("GET /tasks", statement, requests=100, count=100, total_s=9.5)
    (cause,) = ranked(slow_tasks(asked=(one,), cures=(replace(CURE, statement=statement),)))
    said = phrase(cause.said)
    assert "to about 2 ms for the first page (verified by the planner)" in said
    assert "reads the rows of those before it" in phrase(cause.explanation)


def test_of_a_count_it_is_told_that_the_index_needs_vacuum() -> None:
    statement = "SELECT count(*) FROM tasks WHERE agent_id = $1"
    one = asked("GET /tasks", statement, requests=100, count=100, total_s=9.5)
    (cause,) = ranked(slow_tasks(asked=(one,), cures=(replace(CURE, statement=statement),)))
    assert "where a page has changed since the last VACUUM" in phrase(cause.explanation)
    (other,) = ranked(slow_tasks(cures=(CURE,)))
    assert "VACUUM" not in phrase(other.explanation)


def test_an_index_that_nobody_verified_is_no_cure() -> None:
    (cause,) = ranked(slow_tasks(cures=(replace(CURE, factor=None, verified_by=None),)))
    assert (cause.code, cause.cure) == ("statements.slow", None)


def test_an_index_that_helps_little_is_not_why_it_is_slow() -> None:
    assert first(slow_tasks(cures=(replace(CURE, factor=1.5),))) == "statements.slow"


def test_without_the_database_it_is_said_that_it_would_tell_more() -> None:
    (cause,) = ranked(slow_tasks(has_database=False))
    assert "With --database URL" in phrase(cause.explanation)


@pytest.mark.parametrize(
    "around",
    ["BEGIN", "COMMIT", "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL"],
)
def test_what_stands_around_each_statement_is_no_list_that_asks_for_its_items(around: str) -> None:
    seen = Symptoms(
        window_s=30.0,
        routes=(RouteTime(route="GET /agents", count=40, sql_s=4.4),),
        asked=(asked("GET /agents", around, requests=40, count=2000, total_s=4.3),),
    )
    assert "statements.repeated" not in [one.code for one in ranked(seen)]


def test_a_statement_that_is_sent_for_each_item_is_named_with_its_line() -> None:
    seen = Symptoms(
        window_s=30.0,
        routes=(QUICK, RouteTime(route="GET /agents", count=40, sql_s=2.4, code_s=2.0)),
        asked=(
            asked("GET /agents", "SELECT 1 FROM tools", requests=40, count=2000, total_s=2.3,
                  place="app/routes.py:81 list_agents"),
            asked("GET /agents", "SELECT 2 FROM agents", requests=40, count=40, total_s=0.1),
        ),
    )  # fmt: skip
    cause = ranked(seen)[0]
    assert (cause.code, cause.subject) == ("statements.repeated", "app/routes.py:81 list_agents")
    assert "sends 50 times for each request (N+1), from app/routes.py:81" in phrase(cause.said)
    # What it computes to send them goes with it: 2000 of 2040 statements.
    assert cause.share == pytest.approx((2.3 + 2.0 * 2000 / 2040) / seen.total_s)


def test_five_connections_of_fifty_milliseconds_are_the_pool_and_its_ceiling() -> None:
    seen = Symptoms(
        window_s=30.0,
        routes=(RouteTime(route="GET /agent", count=2700, sql_s=140.0, pool_s=600.0),),
        asked=(asked("GET /agent", "SELECT pg_sleep($1)", requests=2700, count=2700, total_s=138),),
        pool=PoolUse(waits=2700, wait_s=600.0, failed=0, holds=2700, hold_s=140.0, size=5.0),
        has_database=True,
    )
    cause = ranked(seen)[0]
    assert cause.code == "pool.exhausted"
    said = phrase(cause.said)
    assert "for one of the 5 database connections" in said
    assert "held for 51.9 ms: at most 96.4/s" in said


@pytest.mark.parametrize(
    ("computed_s", "code"),
    [(0.0, "loop.blocking-call"), (3.9, "loop.computing"), (None, "loop.blocking-call")],
)
def test_what_holds_the_loop_counts_with_all_who_wait_for_it(
    computed_s: float | None, code: str
) -> None:
    seen = Symptoms(
        window_s=30.0,
        routes=(
            RouteTime(route="GET /messages", count=80, code_s=4.1, sql_s=0.2),
            RouteTime(route="GET /other", count=500, code_s=0.4, loop_s=5.0, sql_s=1.0),
        ),
        blocking=(call("app/chat.py:9 moderate", 80, 4.0, computed_s),),
    )
    (cause,) = ranked(seen)
    assert (cause.code, cause.subject) == (code, "app/chat.py:9 moderate")
    own_s = computed_s or 4.0  # what computes is late where it has no processor
    assert cause.share == pytest.approx(9.5 * own_s / 4.5 / seen.total_s)


def test_a_short_call_is_not_blamed_for_what_a_busy_machine_makes_of_the_loop() -> None:
    seen = Symptoms(
        window_s=25.0,
        routes=(RouteTime(route="GET /c", count=56, code_s=5.5, loop_s=31.0, sql_s=15.0),),
        blocking=(call("app/comment.py:10 to_dto", 1, 0.301, 0.290),),
        queued_ratio=0.83,
    )
    assert all(one.subject != "app/comment.py:10 to_dto" for one in ranked(seen))


def test_who_waits_for_a_lock_is_told_by_what_its_holder_did_last() -> None:
    statement = "UPDATE tenants SET plan=tenants.plan WHERE tenants.id = $1"
    seen = Symptoms(
        window_s=30.0,
        routes=(QUICK, RouteTime(route="GET /agent", count=200, sql_s=40.0)),
        asked=(asked("GET /agent", statement, requests=200, count=200, total_s=40.0),),
        locks=(LockWait(statement=statement, ratio=0.9, looks=300, on="tenants",
                        blocker="UPDATE tenants SET plan=tenants.plan WHERE tenants.id = $1",
                        blocker_state="idle in transaction"),),
        has_database=True,
    )  # fmt: skip
    cause = ranked(seen)[0]
    assert (cause.code, cause.subject) == ("locks.waiting", "tenants")
    assert cause.share == pytest.approx(36.0 / 43.5)
    assert "its transaction is idle" in phrase(cause.explanation)


def test_another_service_is_named_by_its_host() -> None:
    seen = Symptoms(
        window_s=30.0,
        routes=(QUICK, RouteTime(route="GET /search", count=50, http_s=7.5, sql_s=0.5)),
        outgoing=(HostTime(host="ranking:8080", count=50, total_s=7.5),),
    )
    (cause,) = ranked(seen)
    assert (cause.code, cause.subject, cause.route) == ("http.slow", "ranking:8080", "GET /search")
    assert "150 ms a call" in phrase(cause.said)


def test_what_nothing_watches_is_named_last_and_as_that() -> None:
    routes = (RouteTime(route="GET /raw", count=50, elsewhere_s=9.0, http_s=5.0),)
    hosts = (HostTime(host="ranking", count=50, total_s=5.0),)
    causes = ranked(Symptoms(window_s=30.0, routes=routes, outgoing=hosts))
    assert [one.code for one in causes] == ["http.slow", "service.unseen"]


def test_what_makes_a_rare_route_slow_is_named_as_well() -> None:
    busy = RouteTime(route="GET /quick", count=5000, sql_s=60.0, code_s=40.0)
    rare = RouteTime(route="GET /search", count=40, http_s=6.0, sql_s=2.0)
    hosts = (HostTime(host="ranking", count=40, total_s=6.0),)
    (cause,) = ranked(Symptoms(window_s=30.0, routes=(busy, rare), outgoing=hosts))
    assert (cause.code, cause.route) == ("http.slow", "GET /search")
    assert cause.share == pytest.approx(6.0 / 108.0)
    rarer = replace(rare, count=4)
    assert ranked(Symptoms(window_s=30.0, routes=(busy, rarer), outgoing=hosts)) == ()


def in_one_pool(tenth_s: float, **more) -> Symptoms:
    """A lock that most wait for, and a call that holds the loop for *tenth_s* beside it."""
    given = {
        "window_s": 30.0,
        "routes": (
            RouteTime(route="GET /agent", count=100, sql_s=100.0),
            RouteTime(route="GET /messages", count=20, code_s=tenth_s, sql_s=2.0),
        ),
        "asked": (asked("GET /agent", "UPDATE tenants", requests=100, count=100, total_s=100.0),),
        "locks": (LockWait(statement="UPDATE tenants", on="tenants", looks=50, ratio=1.0),),
        "blocking": (call("app/routes.py:9 burn", 20, tenth_s, tenth_s),),
    }
    return Symptoms(**(given | more))


def test_what_is_sure_and_less_than_a_tenth_of_all_waiting_is_told_beside_the_causes() -> None:
    seen = in_one_pool(5.0)
    assert [one.code for one in ranked(seen)] == ["locks.waiting"]
    (found,) = smaller(seen)
    assert (found.code, found.subject) == ("loop.computing", "app/routes.py:9 burn")
    assert found.share == pytest.approx(5.0 / seen.total_s)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (in_one_pool(2.0), "it is too small a part of all waiting"),
        (in_one_pool(30.0), "it is a cause"),
        (
            in_one_pool(5.0, blocking=(call("app/routes.py:9 burn", 5000, 5.0, 5.0),), routes=(
                RouteTime(route="GET /agent", count=100, sql_s=100.0),
                RouteTime(route="GET /messages", count=5000, code_s=5.0, sql_s=2.0),
            )),
            "nobody feels it: a request loses 1 ms",
        ),
        (in_one_pool(5.0, blocking=()), "that the service computes is no fault that is known"),
        (
            Symptoms(window_s=30.0, routes=(replace(QUICK, count=4),)),
            "there are too few requests to say anything",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_nothing_is_told_beside_the_causes_where(seen: Symptoms, reason: str) -> None:
    assert smaller(seen) == (), reason


def test_a_handler_in_a_thread_is_told_as_one() -> None:
    routes = (RouteTime(route="GET /report", count=50, elsewhere_s=9.0, in_thread=True),)
    (cause,) = ranked(Symptoms(window_s=30.0, routes=routes))
    assert (cause.code, cause.subject) == ("service.unseen", "GET /report")
    assert "handler of GET /report, which runs in a thread: 180 ms" in phrase(cause.said)


def test_a_loop_that_no_request_holds_is_held_by_something_else() -> None:
    routes = (RouteTime(route="GET /a", count=300, code_s=0.6, loop_s=12.0, sql_s=1.0),)
    (cause,) = ranked(Symptoms(window_s=30.0, routes=routes))
    assert (cause.code, cause.subject) == ("loop.outside", "event loop")
    assert ranked(Symptoms(window_s=30.0, routes=routes, queued_ratio=0.8)) == ()
    crowded = (RouteTime(route="GET /a", count=300, code_s=27.0, loop_s=60.0, sql_s=1.0),)
    assert [one.code for one in ranked(Symptoms(window_s=30.0, routes=crowded))] == ["loop.busy"]


def test_where_nothing_keeps_connections_it_is_said() -> None:
    routes = (RouteTime(route="GET /a", count=100, sql_s=0.2, pool_s=4.0),)
    pool = PoolUse(waits=100, wait_s=4.0, failed=0, holds=100, hold_s=0.5)
    (cause,) = ranked(Symptoms(window_s=30.0, routes=routes, pool=pool))
    assert cause.code == "pool.exhausted"
    assert "NullPool" in phrase(cause.explanation)


def test_memory_that_grows_stands_behind_what_users_wait_for() -> None:
    growth = Growth(per_s=1e6, grown_bytes=3e7, over_s=30.0, rss_bytes=2e8, full_in_s=900.0)
    causes = ranked(slow_tasks(cures=(CURE,), growth=growth))
    assert [one.code for one in causes] == ["indexes.missing", "memory.growing"]
    alone = ranked(Symptoms(window_s=30.0, routes=(QUICK,), growth=growth))
    assert phrase(alone[0].said).endswith("used up in 15 min")


def test_of_a_database_alone_the_shares_are_of_its_statements() -> None:
    statements = (
        StatementTime(statement=TASKS, count=100, total_s=9.5),
        StatementTime(statement="SELECT 1", count=10_000, total_s=0.5),
    )
    seen = Symptoms(window_s=30.0, statements=statements, cures=(CURE,), has_database=True)
    (cause,) = ranked(seen)
    assert cause.share == pytest.approx(0.95)
    assert "clients of the database wait" in phrase(cause.said)


# Rows that nobody reads

EXPORT = "SELECT items.id, items.sku FROM items WHERE items.qty > $1"


def export(*, rows: int | None = 900_000, **more) -> Symptoms:
    given = {
        "window_s": 30.0,
        "routes": (
            QUICK,
            RouteTime(route="GET /export", count=10, sql_s=2.0, code_s=6.0, loop_s=0.1),
        ),
        "asked": (asked("GET /export", EXPORT, requests=10, count=10, total_s=2.0),),
        "statements": (StatementTime(statement=EXPORT, count=10, total_s=1.2, rows=rows),),
        "has_database": True,
    }
    return Symptoms(**(given | more))


def test_a_statement_that_returns_more_than_anybody_reads_is_the_cause_of_what_is_made_of_it() -> (
    None
):
    (cause,) = ranked(export())
    assert (cause.code, cause.route) == ("statements.many-rows", "GET /export")
    assert "for the 90,000 rows that the statement SELECT … FROM items" in phrase(
        cause.said
    ) or "90,000 rows" in phrase(cause.said)
    assert "LIMIT 100" in phrase(cause.explanation)
    assert cause.share == pytest.approx(8.0 / 11.6, abs=0.03)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(40_000, "4,000 each time are many, and somebody may want them"), (None, "nobody counted")],
)
def test_a_page_of_rows_is_no_cause(rows: int | None, reason: str) -> None:
    assert "statements.many-rows" not in {one.code for one in ranked(export(rows=rows))}, reason


def test_what_holds_the_loop_while_many_rows_are_read_is_told_with_them() -> None:
    held = call("app.py:41 export", 10, 5.5, 5.4)
    causes = {one.code: one for one in ranked(export(blocking=(held,)))}
    told = causes["loop.computing"]
    assert "GET /export, which makes something of 90,000 rows" in phrase(told.explanation)
    assert told.evidence["rows_per_call"] == 90_000
    alone = {one.code: one for one in ranked(export(blocking=(held,), rows=None))}
    assert "rows" not in phrase(alone["loop.computing"].explanation)


# What a wait for the pool is due to


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        ({"cures": (CURE,)}, "indexes.missing", "connections are held for a statement"),
        ({}, "pool.exhausted", "nothing is known that would make the statement quicker"),
    ],
)
def test_the_wait_for_a_connection_is_due_to_what_holds_them(more, code: str, reason: str) -> None:
    routes = (RouteTime(route="GET /tasks", count=100, sql_s=9.5, pool_s=30.0),)
    pool = PoolUse(waits=100, wait_s=30.0, failed=0, holds=100, hold_s=10.0, size=10.0)
    assert first(slow_tasks(routes=routes, pool=pool, **more)) == code, reason


def test_a_connection_that_is_held_while_another_service_is_asked_waits_for_that() -> None:
    seen = Symptoms(
        window_s=30.0,
        routes=(RouteTime(route="GET /s", count=100, sql_s=0.5, http_s=15.0, pool_s=40.0),),
        outgoing=(HostTime(host="ranking", count=100, total_s=15.0),),
        pool=PoolUse(waits=100, wait_s=40.0, failed=0, holds=100, hold_s=16.0, size=2.0),
    )
    (cause,) = ranked(seen)
    assert cause.code == "http.slow"
    assert cause.share == pytest.approx(55.0 / 55.5)
    assert cause.evidence["pool_wait_ratio"] == pytest.approx(40.0 / 55.0)


def test_the_wait_for_connections_is_shared_out_by_what_holds_them() -> None:
    # A fifth of the time they are held for what an index cures, three fifths for nothing known.
    routes = (RouteTime(route="GET /tasks", count=100, sql_s=9.5, pool_s=50.0, elsewhere_s=30.0),)
    pool = PoolUse(waits=100, wait_s=50.0, failed=0, holds=100, hold_s=47.5, size=5.0)
    causes = {one.code: one for one in ranked(slow_tasks(routes=routes, pool=pool, cures=(CURE,)))}
    total_s = 89.5
    assert causes["pool.exhausted"].share == pytest.approx(40.0 / total_s)
    assert causes["indexes.missing"].share == pytest.approx((9.5 + 10.0) / total_s)


def test_what_a_busy_machine_makes_of_it_is_nobodys() -> None:
    routes = (RouteTime(route="GET /tasks", count=100, sql_s=1.0, pool_s=50.0, loop_s=49.0),)
    pool = PoolUse(waits=100, wait_s=50.0, failed=0, holds=100, hold_s=50.0, size=5.0)
    asked = slow_tasks().asked
    seen = slow_tasks(routes=routes, pool=pool, asked=asked, queued_ratio=0.8)
    assert ranked(seen) == ()


@pytest.mark.parametrize(
    ("more", "pool_s", "reason"),
    [
        ({}, 480.0, "the machine has no part in it"),
        ({"queued_ratio": 0.8}, 430.0, "a sleep takes no longer on a busy machine"),
    ],
)
def test_connections_held_for_a_sleep_are_too_few_also_on_a_busy_machine(
    more: dict[str, float], pool_s: float, reason: str
) -> None:
    sleeps = RouteTime(
        route="GET /s", count=200, sql_s=0.6, pool_s=490.0, code_s=0.5, elsewhere_s=30.0
    )
    pool = PoolUse(waits=200, wait_s=490.0, failed=0, holds=200, hold_s=31.0, size=2.0)
    (cause, *_) = ranked(Symptoms(window_s=16.0, routes=(sleeps,), pool=pool, **more))
    assert cause.code == "pool.exhausted", reason
    assert cause.share is not None
    assert cause.share * 521.1 > pool_s, reason


def test_what_a_thread_does_takes_longer_where_the_machine_is_busy() -> None:
    waits = RouteTime(
        route="GET /t", count=200, pool_s=490.0, code_s=0.5, elsewhere_s=30.0, in_thread=True
    )
    pool = PoolUse(waits=200, wait_s=490.0, failed=0, holds=200, hold_s=31.0, size=2.0)
    seen = Symptoms(window_s=16.0, routes=(waits,), pool=pool, queued_ratio=0.8)
    assert ranked(seen)[0].share == pytest.approx(0.19, abs=0.02)


# When nothing is named


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Symptoms(window_s=30.0), "nothing was seen"),
        (Symptoms(window_s=30.0, routes=(QUICK,)), "what costs most costs 2 ms a request"),
        (slow_tasks(routes=(RouteTime(route="GET /tasks", count=3, sql_s=0.3),)), "three requests"),
        (
            Symptoms(
                window_s=30.0,
                routes=(QUICK, RouteTime(route="GET /rare", count=5, http_s=0.3)),
                outgoing=(HostTime(host="ranking", count=5, total_s=0.3),),
            ),
            "a tenth of the time is not at stake",
        ),
        (
            Symptoms(
                window_s=30.0,
                routes=(RouteTime(route="GET /json", count=100, code_s=6.0),),
                queued_ratio=0.6,
            ),
            "it is the machine that is busy",
        ),
    ],
)
def test_of_a_service_that_is_quick_nothing_is_named(seen: Symptoms, reason: str) -> None:
    assert ranked(seen) == (), reason


def test_a_quota_that_stops_the_service_is_named_and_a_busy_machine_is_not() -> None:
    routes = (RouteTime(route="GET /json", count=100, code_s=8.0, loop_s=12.0),)
    seen = Symptoms(window_s=30.0, routes=routes, queued_ratio=0.8)
    assert ranked(seen) == ()
    (cause,) = ranked(replace(seen, throttled_ratio=0.7))
    assert (cause.code, cause.subject) == ("process.throttled", "CPU")
    assert cause.share == pytest.approx(0.7)
    assert "70 %" in phrase(cause.said)


def test_of_a_busy_machine_a_quota_accounts_for_what_it_takes_and_no_more() -> None:
    routes = (RouteTime(route="GET /json", count=100, code_s=8.0, loop_s=12.0),)
    seen = Symptoms(window_s=30.0, routes=routes, queued_ratio=0.8, throttled_ratio=0.2)
    (cause,) = ranked(seen)
    assert (cause.code, cause.share) == ("process.throttled", pytest.approx(0.2))


# Properties

SECONDS = st.floats(0, 100, allow_nan=False)
ROUTES = st.lists(
    st.builds(
        RouteTime,
        route=st.sampled_from(("GET /a", "GET /b", "GET /c")),
        count=st.integers(1, 1000),
        sql_s=SECONDS,
        pool_s=SECONDS,
        http_s=SECONDS,
        code_s=SECONDS,
        loop_s=SECONDS,
        elsewhere_s=SECONDS,
    ),
    unique_by=lambda one: one.route,
    max_size=3,
)
ASKED = st.lists(
    st.builds(
        lambda route, statement, requests, more, total_s: Asked(
            route=route, statement=statement, requests=requests, count=requests + more,
            total_s=total_s, most=1 + more,
        ),
        st.sampled_from(("GET /a", "GET /b", "GET /gone")),
        st.sampled_from((TASKS, "SELECT 1", "(other)")),
        st.integers(1, 50),
        st.integers(0, 500),
        SECONDS,
    ),
    max_size=5,
)  # fmt: skip
CALLS = st.lists(
    st.builds(
        call,
        st.sampled_from(("app.py:1 f", "(other)", "app.py:2 g")),
        st.integers(1, 9),
        SECONDS,
        st.one_of(st.none(), SECONDS),
    ),
    max_size=3,
    unique_by=lambda one: one.place,
)
SEEN = st.builds(
    Symptoms,
    window_s=st.just(30.0),
    routes=ROUTES.map(tuple),
    asked=ASKED.map(tuple),
    blocking=CALLS.map(tuple),
    outgoing=st.lists(
        st.builds(HostTime, host=st.just("other"), count=st.integers(1, 9), total_s=SECONDS),
        max_size=1,
    ).map(tuple),
    pool=st.one_of(
        st.none(),
        st.builds(PoolUse, waits=st.just(9), wait_s=SECONDS, failed=st.just(0), holds=st.just(9),
                  hold_s=SECONDS, size=st.sampled_from((None, 5.0))),
    ),
    locks=st.lists(
        st.builds(LockWait, statement=st.just(TASKS), ratio=st.floats(0, 1),
                  looks=st.integers(1, 9), on=st.just("tasks")),
        max_size=1,
    ).map(tuple),
    cures=st.sampled_from(((), (CURE,))),
    has_database=st.booleans(),
    queued_ratio=st.one_of(st.none(), st.floats(0, 1)),
    throttled_ratio=st.one_of(st.none(), st.floats(0, 1)),
)  # fmt: skip


@given(SEEN)
def test_no_second_is_claimed_twice(seen: Symptoms) -> None:
    found = claims(seen)
    assert all(seconds >= -1e-9 for one in found for seconds in one.by_route.values())
    assert sum(one.total_s for one in found) <= seen.total_s * (1 + 1e-9) + 1e-9


@given(SEEN)
def test_causes_are_told_by_their_share_and_each_can_be_said(seen: Symptoms) -> None:
    outside = ("service.unseen", "loop.outside")  # told last, however much it is
    causes = [one for one in ranked(seen) if one.code not in outside]
    shares = [one.share for one in causes if one.share is not None]
    assert shares == sorted(shares, reverse=True)
    for one in ranked(seen):
        assert one.share is None or 0.02 <= one.share <= 1.0
        assert phrase(one.said)
        assert phrase(one.explanation)
        assert one.cure is None or one.verified_by is not None
