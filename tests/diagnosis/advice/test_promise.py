"""Whether an index that was advised held what was promised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.advice.fulfilment import fulfilment
from keiko_perf.diagnosis.advice.promise import (
    LEAST_CALLS,
    Made,
    Outcome,
    Promise,
    PromisedGain,
    Seen,
    judge,
    promises_of,
)
from keiko_perf.diagnosis.catalog import recorded_workload
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.reports import advice_report, promises_report
from keiko_perf.errors import UsageError
from keiko_perf.render import phrase, render

QUERY = "SELECT * FROM note WHERE author = $1"
GAIN = PromisedGain(query=QUERY, calls=100, total_s=50.0, cost_before=1000.0, cost_after=10.0)
PROMISE = Promise(name="note_author_idx", table="note", statement="CREATE INDEX …", gains=(GAIN,))
ENOUGH = 100 + LEAST_CALLS


MADE = Made(is_valid=True, name=PROMISE.name, scans=LEAST_CALLS)


@pytest.mark.parametrize(
    ("made", "seen", "outcome", "why"),
    [
        (None, None, "unknown", "not made, or it is gone"),
        (replace(MADE, is_valid=False), None, "broken", "invalid"),
        (MADE, Seen(cost=None, is_used=False), "unknown", "planned any more"),
        (MADE, Seen(cost=900.0, is_used=False), "broken", "no plan of its statements uses it; it"),
        (MADE, Seen(cost=90.0, is_used=True), "broken", "more than was promised"),
        (MADE, Seen(cost=12.0, is_used=True), "kept", "not recorded"),
        (MADE, Seen(cost=12.0, is_used=True, calls=ENOUGH - 1, total_s=50.1), "kept", "under 20"),
        (MADE, Seen(cost=12.0, is_used=True, calls=ENOUGH, total_s=50.1), "kept", "100 × faster"),
        (MADE, Seen(cost=12.0, is_used=True, calls=ENOUGH, total_s=60.0), "broken", "faster"),
        # It was made long after the advice.
        (
            replace(MADE, scans=3),
            Seen(cost=12.0, is_used=True, calls=ENOUGH, total_s=59.0),
            "kept",
            "it was used 3 times, in 20 executions",
        ),
        # The table grew, and the statement is quick nevertheless.
        (MADE, Seen(cost=90.0, is_used=True, calls=ENOUGH, total_s=50.1), "kept", "more work"),
        # The counters were reset meanwhile, and count from there.
        (MADE, Seen(cost=12.0, is_used=True, calls=50, total_s=0.5), "kept", "50"),
        (
            replace(MADE, name="mine"),
            Seen(cost=12.0, is_used=True),
            "kept",
            "it was made as mine: 1 of 1 plans",
        ),
    ],
)
def test_a_promise_is_kept_broken_or_not_known(
    made: Made | None, seen: Seen | None, outcome: str, why: str
) -> None:
    judged = judge(PROMISE, {QUERY: seen} if seen else {}, made)
    assert judged.outcome is Outcome(outcome)
    assert why in phrase(judged.reason, "en")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Seen(cost=12.0, is_used=True, calls=ENOUGH, total_s=70.0), "but 1 of 2 slower"),
        (Seen(cost=900.0, is_used=False, calls=ENOUGH, total_s=60.0), "1 of its 2 statements run"),
        (Seen(cost=12.0, is_used=True, calls=100, total_s=50.0), "1 of its 2 statements run"),
    ],
)
def test_a_statement_that_got_slower_or_does_not_use_it_is_not_passed_over(
    other: Seen, why: str
) -> None:
    promise = replace(PROMISE, gains=(GAIN, replace(GAIN, query="SELECT 2")))
    quick = Seen(cost=12.0, is_used=True, calls=10 * ENOUGH, total_s=50.5)
    judged = judge(promise, {QUERY: quick, "SELECT 2": other}, replace(MADE, scans=9_999))
    assert judged.outcome is Outcome.KEPT
    assert why in phrase(judged.reason, "en")


@pytest.mark.parametrize("document", [None, [], {}, {"indexes": [{}]}, {"indexes": 3}])
def test_what_is_no_advice_is_refused_with_the_cure(document: Any) -> None:
    with pytest.raises(UsageError, match="no report of db advise"):
        promises_of(document)


@pytest.fixture(scope="module")
def url(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[str]:
    if not postgres.has_hypopg or not postgres.has_statement_statistics:
        absent("pg_stat_statements and HypoPG. apt install postgresql-contrib postgresql-15-hypopg")
    url = asyncio.run(postgres.create_database("promise"))
    with sync(url) as connection:
        connection.execute("CREATE TABLE note (id int PRIMARY KEY, author int, body text)")
        connection.execute(
            "INSERT INTO note SELECT i, i * 7919 % 5000, repeat('x', 100)"
            " FROM generate_series(1, 60000) i"
        )
        connection.execute("VACUUM ANALYZE note")
    yield url
    asyncio.run(postgres.drop_database("promise"))


def sync(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def read_notes(connection: psycopg.Connection[Any]) -> None:
    for author in range(LEAST_CALLS):
        connection.execute("SELECT * FROM note WHERE author = %s", (author,)).fetchall()


@pytest.mark.postgres
async def test_from_the_advice_to_the_measured_proof(url: str) -> None:
    with sync(url) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        read_notes(connection)
        async with Database.connect(url) as database:
            advice = await advise(database, await recorded_workload(database))
            report = advice_report(advice, read_at=datetime.now(UTC), server=database.server)
            promises = promises_of(json.loads(render(report, "json")))
            (before,) = await fulfilment(database, promises)
        assert before.outcome is Outcome.UNKNOWN
        (promise,) = promises
        connection.execute(promise.statement)  # type: ignore[call-overload]  # as given
        async with Database.connect(url) as database:
            (planned,) = await fulfilment(database, promises)
        assert planned.outcome is Outcome.KEPT
        assert not planned.held[0].is_measured
        assert planned.held[0].gain.way_before == "Seq Scan"
        assert planned.held[0].seen.way.endswith(f"using {promise.name}")
        told = promises_report([planned], read_at=datetime.now(UTC), server=database.server)
        assert f"Seq Scan → {planned.held[0].seen.way}" in render(told, "json")
        read_notes(connection)
        async with Database.connect(url) as database:
            (measured,) = await fulfilment(database, promises)
        assert measured.held[0].is_measured
        assert measured.held[0].calls_since == LEAST_CALLS
        connection.execute(f"ALTER INDEX {promise.name} RENAME TO by_hand")  # type: ignore[arg-type]
        async with Database.connect(url) as database:
            (renamed,) = await fulfilment(database, promises)
        assert renamed.outcome is measured.outcome
        assert "it was made as by_hand" in phrase(renamed.reason, "en")
        connection.execute("DROP TABLE note")
        async with Database.connect(url) as database:
            (gone,) = await fulfilment(database, promises)
        assert gone.outcome is Outcome.UNKNOWN
