from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.bitmap import BitmapScan, Pages, scan_by, whole_scan, with_scan
from keiko_perf.diagnosis.pricing.scratch import Scratch, about_sample, check
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.errors import StatementRefused, UsageError
from keiko_perf.render import phrase

NOTE = TableName("public", "note")
SCHEMA = "Keiko Scratch"
BY_TEXT = "SELECT id FROM note WHERE title ILIKE '%abc123%'"
BY_DOCUMENT = "SELECT * FROM note WHERE doc @> $1"
WORKLOAD = Workload.of(
    [
        Statement(text=BY_DOCUMENT, calls=500, total_s=9.0, rows=500),
        Statement(text=BY_TEXT, calls=500, total_s=9.0),
    ]
)


# Without a server


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("SELECT note.id FROM note", "SELECT note.id FROM s.note"),
        ("SELECT 1 FROM public.note n, other.note o", "SELECT 1 FROM s.note AS n, other.note AS o"),
        (
            "WITH note AS (SELECT 1) SELECT * FROM note",  # no table
            "WITH note AS (SELECT 1) SELECT * FROM note",
        ),
        (
            "SELECT public.note.id, note.* FROM public.note WHERE public.note.id = $1",
            "SELECT s.note.id, note.* FROM s.note WHERE s.note.id = $1",
        ),
        ("UPDATE note SET id = $1 WHERE id = $2", "UPDATE s.note SET id = $1 WHERE id = $2"),
    ],
)
def test_a_statement_reads_the_sample_in_the_tables_place(text: str, about: str) -> None:
    assert about_sample(text, NOTE, "s") == about


@pytest.mark.parametrize("name", ["", " ", "public", "pg_scratch", "x" * 64, "a\0b"])
def test_a_schema_that_is_somebodys_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="schema"):
        Scratch(name)


def test_a_scan_of_the_whole_costs_what_its_rows_and_pages_cost() -> None:
    table = Pages(pages=10_000)
    few = whole_scan(BitmapScan(20.0, 1.0), 10.0, table)
    assert 20 + 10 * 3.8 < few < 20 + 10 * 4.1
    # As soon as most pages are read they are read in their order.
    most = whole_scan(BitmapScan(20.0, 10_000.0), 10.0, table)
    assert 10_000 < most < 10_000 * 4
    assert whole_scan(BitmapScan(20.0, 1.0), 10.0, Pages(10_000, 1.0, 1.1)) < 35


def test_another_scan_makes_a_plan_cheaper_by_the_difference() -> None:
    assert with_scan(1500.0, 1000.0, 100.0) == 600.0
    assert with_scan(50.0, 1000.0, 100.0) == 5.0  # a LIMIT had ended it early
    assert with_scan(1500.0, 1000.0, 2000.0) == 1500.0


def test_the_bitmap_scan_is_found_by_its_index() -> None:
    index = {"Node Type": "Bitmap Index Scan", "Index Name": "i", "Total Cost": 8, "Plan Rows": 3}
    heap = {"Node Type": "Bitmap Heap Scan", "Total Cost": 20, "Plan Rows": 1, "Plans": [index]}
    plan = {"Node Type": "Limit", "Total Cost": 20, "Plan Rows": 1, "Plans": [heap]}
    assert scan_by(plan, "i") == BitmapScan(8.0, 3.0)
    assert scan_by(plan, "other") is None


# With one


@pytest.fixture(scope="module")
def url(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[str]:
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    url = asyncio.run(postgres.create_database("scratch"))
    with sync(url) as db:
        db.execute("CREATE EXTENSION pg_trgm")
        db.execute("CREATE TABLE note (id int PRIMARY KEY, title text, doc jsonb, tags text[])")
        db.execute(
            "INSERT INTO note SELECT i, 'note ' || md5(i::text), jsonb_build_object("
            "'ref', i, 'kind', i % 50), ARRAY['t' || i % 700] FROM generate_series(1, 40000) i"
        )
        db.execute("VACUUM ANALYZE note")
    yield url
    asyncio.run(postgres.drop_database("scratch"))


def sync(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def left_behind(url: str) -> list[tuple[str, ...]]:
    """Schemas and relations that are none of the database's own."""
    with sync(url) as db:
        return db.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname = %s UNION ALL SELECT relname"
            " FROM pg_class WHERE relname LIKE 'keiko%%' OR relname = 'note' AND relnamespace <>"
            " 'public'::regnamespace",
            (SCHEMA,),
        ).fetchall()


async def advised(url: str, scratch: Scratch | None, **options: object) -> Advice:
    async with Database.connect(url) as database:
        return await advise(database, WORKLOAD, scratch=scratch, **options)  # type: ignore[arg-type]


@pytest.mark.postgres
async def test_what_no_hypothesis_shows_is_tried_on_a_sample(url: str) -> None:
    without = await advised(url, None)
    document = next(one for one in without.refusals if one.index.columns == ("doc",))
    assert document.code == "unverified"
    assert {one.verified_by for one in without.indexes} == {"estimate"}
    advice = await advised(url, Scratch(SCHEMA, most_rows=10_000))
    assert left_behind(url) == []
    found = {one.index.columns[0]: one for one in advice.indexes}
    assert found.keys() == {"doc", "title"}
    assert {one.verified_by for one in advice.indexes} == {"scratch"}
    assert all(one.build_s and one.size_bytes for one in advice.indexes)
    with sync(url) as db:
        for one in advice.indexes:
            db.execute(one.statement.encode())
            (size,) = db.execute("SELECT pg_relation_size(%s)", (one.name,)).fetchone() or (0,)
            assert size / 2 < (one.size_bytes or 0) < size * 2
        db.execute("SET plan_cache_mode = force_generic_plan")
        db.execute("PREPARE by_document AS " + BY_DOCUMENT)  # type: ignore[operator]
        for column, question in (("doc", "EXECUTE by_document (NULL)"), ("title", BY_TEXT)):
            query = f"EXPLAIN (FORMAT JSON) {question}".encode()
            (plan,) = db.execute(query).fetchone() or ([],)
            (gain,) = found[column].gains
            real = plan[0]["Plan"]["Total Cost"]
            assert real / 2.5 < gain.cost_after < real * 2.5, column
        for one in advice.indexes:
            db.execute(one.undo.encode())


@pytest.mark.postgres
async def test_the_same_table_gives_the_same_advice(url: str) -> None:
    scratch = Scratch(SCHEMA, most_rows=2_000)
    some = [
        [(one.statement, one.size_bytes, one.gains) for one in advice.indexes]
        for advice in (await advised(url, scratch), await advised(url, scratch))
    ]
    assert some[0] == some[1]


@pytest.mark.postgres
async def test_an_empty_schema_that_is_there_is_used_and_stays_empty(url: str) -> None:
    with sync(url) as db:
        db.execute("CREATE SCHEMA taken")
        advice = await advised(url, Scratch("taken", most_rows=2_000))
        assert {one.verified_by for one in advice.indexes} == {"scratch"}
        db.execute("DROP SCHEMA taken")  # which would fail if anything was in it
        db.execute("CREATE SCHEMA taken CREATE TABLE mine ()")
        with pytest.raises(UsageError, match="taken is not empty"):
            await advised(url, Scratch("taken"))
        db.execute("DROP SCHEMA taken CASCADE")


@pytest.mark.postgres
async def test_a_role_without_the_right_is_told_which_one(url: str) -> None:
    with sync(url) as db:
        db.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
        db.execute("GRANT SELECT ON note TO reader")
        db.execute("CREATE SCHEMA empty_one")
    as_reader = "postgresql+psycopg://reader:reader@" + url.partition("@")[2]
    try:
        async with Database.connect(as_reader) as database:
            with pytest.raises(StatementRefused, match="may not create") as refused:
                await check(database, Scratch(SCHEMA))
            assert "GRANT CREATE ON DATABASE scratch TO reader" in (refused.value.cure or "")
            with pytest.raises(StatementRefused) as refused:
                await check(database, Scratch("empty_one"))
            assert "GRANT CREATE ON SCHEMA empty_one TO reader" in (refused.value.cure or "")
    finally:
        with sync(url) as db:
            db.execute("DROP OWNED BY reader")
            db.execute("DROP ROLE reader")
            db.execute("DROP SCHEMA empty_one")


@pytest.mark.postgres
async def test_a_table_that_somebody_keeps_locked_is_a_gap_and_the_estimate_stays(
    url: str,
) -> None:
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        # A reader gets in, LIKE and INSERT … SELECT want no more: so the sample's own is refused.
        other.execute('CREATE SCHEMA "Keiko Scratch"')
        async with Database.connect(url, lock_timeout_s=0.2) as database:
            advice = await advise(database, WORKLOAD, scratch=Scratch(SCHEMA, most_rows=1_000))
        other.rollback()
    assert {one.verified_by for one in advice.indexes} == {"estimate"}
    assert any("could not be taken" in phrase(one.reason) for one in advice.gaps)


@pytest.mark.postgres
async def test_a_partitioned_table_is_no_sample_of_its_partitions(url: str) -> None:
    with sync(url) as db:
        db.execute("CREATE TABLE parted (id int, doc jsonb) PARTITION BY RANGE (id)")
        db.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10000)")
        db.execute("INSERT INTO parted SELECT i, '{}' FROM generate_series(0, 9999) i")
        db.execute("ANALYZE parted")
    workload = Workload.of([Statement(text="SELECT id FROM parted WHERE doc @> $1", calls=9)])
    async with Database.connect(url) as database:
        advice = await advise(database, workload, scratch=Scratch(SCHEMA))
    assert advice.indexes == ()
    assert any("partitioned" in phrase(one.reason) for one in advice.gaps)


@pytest.mark.postgres
@pytest.mark.parametrize("after", [3, 8, 12])
async def test_a_cancellation_leaves_nothing(url: str, after: int) -> None:
    asked = 0

    def count() -> None:
        nonlocal asked
        asked += 1
        if asked == after:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    async def work() -> None:
        async with Database.connect(url) as database:
            send, together = database.send, database.send_together

            async def counted(sql: str, /) -> list[dict[str, object]]:
                count()
                return await send(sql)

            async def counted_together(some: Sequence[str]) -> list[list[dict[str, object]]]:
                count()
                return await together(some)

            database.send = counted  # type: ignore[method-assign]
            database.send_together = counted_together  # type: ignore[method-assign]
            await advise(database, WORKLOAD, scratch=Scratch(SCHEMA, most_rows=2_000))

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())
    assert left_behind(url) == []


@pytest.mark.postgres
def test_a_process_that_is_killed_leaves_nothing(url: str, tmp_path: Path) -> None:
    workload = tmp_path / "workload.sql"
    workload.write_text(f"{BY_TEXT};\nSELECT id FROM note WHERE doc @> '{{\"ref\": 7}}';\n")
    with sync(url) as db, psycopg.connect(url.replace("+psycopg", "")) as other:
        # It waits for the name of the schema, that is in the midst of its transaction.
        other.execute('CREATE SCHEMA "Keiko Scratch"')
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "keiko_perf", "db", "advise"),
                *("--workload", str(workload), "--scratch-schema", SCHEMA),
            ],
            env={**os.environ, "KEIKO_PERF_DATABASE": url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ours = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'keiko-perf'"
        )
        try:
            while not db.execute(f"{ours} AND query LIKE '%CREATE SCHEMA%'").fetchone()[0]:  # type: ignore[index]
                assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        other.rollback()
        while db.execute(ours).fetchone()[0]:  # type: ignore[index]
            pass
    assert left_behind(url) == []
