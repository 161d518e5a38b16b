"""A statement with parameters is priced for the values that are really there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest

from keiko_perf.diagnosis.optimizer import QueryOptimizer
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.plans.report import explain_report
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.model import Section
from keiko_perf.render import phrase

SETUP = """
CREATE SCHEMA "od'd";
CREATE TABLE "od'd"."ta sk" (id int PRIMARY KEY, tenant int, "na'me" text, at date, flag bool);
INSERT INTO "od'd"."ta sk"
SELECT i, CASE WHEN i % 3 = 0 THEN i % 9000 ELSE 1 END, 'it''s \\ ' || i % 7,
    date '2025-01-01' + i % 90, i % 100 = 0 FROM generate_series(1, 60000) i;
CREATE INDEX ON "od'd"."ta sk" (tenant);
ANALYZE
"""
NINE = ", ".join(f"${i}" for i in range(1, 10))
TABLE = """ "od'd"."ta sk" """


@pytest.fixture(scope="module")
def url(new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with new_database("prices", SETUP) as url:
        yield url


async def priced(database: Database, sql: str) -> Section:
    explained = await explain(database, sql)
    assert explained.prices is not None
    return explained.prices


@pytest.mark.postgres
async def test_quick_for_one_tenant_and_slow_for_another_is_seen(database: Database) -> None:
    section = await priced(database, f"SELECT * FROM {TABLE} t WHERE t.tenant = $1 AND id > 0")
    (table,) = section.tables
    generic, common, rare = table.rows
    assert phrase(generic[1]) == "any value"  # type: ignore[arg-type]
    assert common[:2] == ("$1 (ta sk.tenant)", "1")
    assert common[2] == pytest.approx(0.667, abs=0.03)
    assert "Seq Scan" in str(common[5])
    assert rare[2] is None
    assert "ta sk_tenant_idx" in str(rare[5])
    assert section.gaps == ()
    (skew,) = section.findings
    assert skew.code == "plan.parameter-skew"
    assert "different plans" in phrase(skew.explanation or "")


@pytest.mark.postgres
@pytest.mark.parametrize(
    "where",
    [
        """ "na'me" = $1 """,
        "at >= $1 AND at < $2",
        "flag = $1 LIMIT $2 OFFSET $3",
        "tenant = $1::int AND at = CAST($2 AS date)",
        "$1 = tenant OR id = $2",
    ],
)
async def test_values_of_all_types_are_put_in_their_places(database: Database, where: str) -> None:
    section = await priced(database, f"SELECT * FROM {TABLE} WHERE {where}")
    assert section.gaps == ()
    assert len(section.tables[0].rows) >= 3


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("statement", "which"),
    [
        (f"SELECT * FROM {TABLE} WHERE tenant = $1 AND id + tenant = $2", "$2"),
        ("SELECT $1::int", "$1"),
        (f"SELECT * FROM {TABLE} WHERE tenant IN ({NINE})", "more than eight"),
    ],
)  # fmt: skip
async def test_what_has_no_known_values_is_a_gap(
    database: Database, statement: str, which: str
) -> None:
    section = await priced(database, statement)
    (gap,) = section.gaps
    assert which in phrase(gap.reason)
    assert len(section.tables[0].rows) == 1


@pytest.mark.postgres
async def test_the_reports_headline_does_not_call_it_healthy(database: Database) -> None:
    explained = await explain(database, f"SELECT * FROM {TABLE} WHERE tenant = $1")
    assert explained.prices is not None
    report = explain_report(
        explained.plan, (), read_at=datetime.now(UTC), sections=(explained.prices,)
    )
    assert phrase(report.headline) == "what it costs depends on the value of a parameter"


@pytest.mark.postgres
async def test_a_statement_without_parameters_has_no_prices(database: Database) -> None:
    assert (await explain(database, f"SELECT * FROM {TABLE}")).prices is None


@pytest.mark.postgres
async def test_a_write_is_priced_and_not_done(database: Database) -> None:
    section = await priced(database, f"DELETE FROM {TABLE} WHERE tenant = $1")
    assert len(section.tables[0].rows) == 3
    count = await database.send(f"SELECT count(*) AS n FROM {TABLE}")
    assert count[0]["n"] == 60000


@pytest.mark.postgres
async def test_the_guides_front_door_tells_of_it_too(url: str) -> None:
    answer = await QueryOptimizer(url).analyze_query_plan(
        f"SELECT * FROM {TABLE} t WHERE t.tenant = $1 AND id > 0"
    )
    assert "plan.parameter-skew" in [one.code for one in answer["findings"]]
    assert any("plan_cache_mode" in one for one in answer["recommendations"])
