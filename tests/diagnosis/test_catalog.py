from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.catalog import find_table, read_schema, taken_names
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.statements.parser import quoted

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE kinds (
    id bigint PRIMARY KEY, word varchar, feeling mood, amount positive, tags text[], doc jsonb,
    raw json, place point, span int4range, fixed char(3) COLLATE "de-x-icu", gone int
);
ALTER TABLE kinds DROP COLUMN gone;
INSERT INTO kinds (id, word, amount)
SELECT i, 'w' || i % 50, 1 FROM generate_series(1, 10000) i;
CREATE INDEX i1_sorted ON kinds (word DESC, id NULLS FIRST) INCLUDE (amount);
CREATE INDEX i2_expression ON kinds (lower(word), id);
CREATE INDEX i3_partial ON kinds (id) WHERE amount = 5;
CREATE INDEX i4_pattern ON kinds (word text_pattern_ops);
CREATE INDEX i5_collated ON kinds (word COLLATE "de-x-icu");
CREATE INDEX i6_gin ON kinds USING gin (tags);
CREATE UNIQUE INDEX i7_unique ON kinds (word, id);
CREATE SCHEMA app;
CREATE TABLE app."Odd.Name" (x int);
CREATE TABLE app.kinds (y int);
CREATE VIEW seen AS SELECT 1 AS one;
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(postgres: Cluster) -> Iterator[str]:
    url = asyncio.run(postgres.create_database("catalog"))
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(TABLES)
    yield url
    asyncio.run(postgres.drop_database("catalog"))


async def test_tables_of_a_name_are_read_from_all_schemas_and_views_are_none(url: str) -> None:
    async with Database.connect(url) as database:
        schema = await read_schema(database, ["kinds", "seen", "pg_class", "nowhere"])
    assert set(schema.tables) == {TableName("app", "kinds"), TableName("public", "kinds")}
    assert schema.search_path == ("public",)
    assert schema.tables[TableName("public", "kinds")].shown_name == "kinds"
    assert schema.tables[TableName("app", "kinds")].shown_name == "app.kinds"


async def test_columns_come_with_what_is_known_of_their_values(url: str) -> None:
    async with Database.connect(url) as database:
        schema = await read_schema(database, ["kinds"])
    table = schema.tables[TableName("public", "kinds")]
    columns = table.columns
    assert table.rows == 10000
    assert "gone" not in columns
    assert columns["id"].distinct == 10000  # stored as a share of the rows
    assert columns["id"].correlation == 1.0
    assert columns["word"].distinct == 50
    assert columns["doc"].distinct is None or columns["doc"].distinct == 0
    assert {name for name, column in columns.items() if not column.is_sortable} == {"raw", "place"}
    patterns = {name: column.pattern_opclass for name, column in columns.items()}
    assert patterns["word"] == ""  # the database sorts by bytes, so the plain index serves
    assert patterns["fixed"] == "bpchar_pattern_ops"
    assert patterns["id"] is None


async def test_indexes_are_read_with_all_that_makes_them_different(url: str) -> None:
    async with Database.connect(url) as database:
        schema = await read_schema(database, ["kinds"])
    found = {one.name: one for one in schema.tables[TableName("public", "kinds")].indexes}
    assert found["kinds_pkey"].keys == (Key("id"),)
    assert found["kinds_pkey"].unique
    assert found["i1_sorted"].keys == (Key("word", True), Key("id", False, True))
    assert found["i2_expression"].keys == (None, Key("id"))
    assert found["i3_partial"].is_partial
    assert found["i4_pattern"].keys == (Key("word", opclass="text_pattern_ops"),)
    assert found["i5_collated"].keys == (None,)
    assert found["i6_gin"].method == "gin"
    assert found["i7_unique"].unique
    assert all(one.is_valid for one in found.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kinds", TableName("public", "kinds")),
        ("app.kinds", TableName("app", "kinds")),
        ("KINDS", TableName("public", "kinds")),  # SQL folds what is not in quotes
        ('"kinds"', TableName("public", "kinds")),
        ("app.Odd.Name", TableName("app", "Odd.Name")),
        ('app."Odd.Name"', TableName("app", "Odd.Name")),
        ("Odd.Name", None),
        ("seen", None),
        ("kinds; DROP TABLE kinds", None),
        ("kinds k, app.kinds", None),
        ("", None),
    ],
)
async def test_a_table_is_found_by_the_name_that_a_user_writes(
    url: str, name: str, expected: TableName | None
) -> None:
    async with Database.connect(url) as database:
        assert await find_table(database, name) == expected


async def test_names_in_use_are_found_by_their_beginning(url: str) -> None:
    async with Database.connect(url) as database:
        assert await taken_names(database, "public", ["i1_", "kinds_p"]) == {
            "i1_sorted",
            "kinds_pkey",
        }
        assert await taken_names(database, "app", ["i1_"]) == frozenset()


async def test_identifiers_are_quoted_as_the_server_quotes_them(url: str) -> None:
    names = [
        "a",
        "A",
        "a b",
        "größe",
        "select",
        "user",
        "time",
        "between",
        "1a",
        "a1",
        "_",
        "a$b",
        'a"b',
        "a'b",
    ]
    async with Database.connect(url) as database:
        for name in names:
            assert quoted(name) == await database.value("SELECT quote_ident(:name)", name=name), (
                name
            )


async def test_a_column_whose_values_lie_apart_is_as_wide_as_they_are(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE letters (id int PRIMARY KEY, title text, body text)")
        connection.execute(
            "INSERT INTO letters SELECT i, 'letter ' || i, (SELECT string_agg(md5((i * k)::text),"
            " '') FROM generate_series(1, 300) k) FROM generate_series(1, 300) i"
        )
        connection.execute("ANALYZE letters")
    async with Database.connect(url) as database:
        schema = await read_schema(database, ["letters"])
    columns = schema.tables[TableName("public", "letters")].columns
    assert columns["body"].width_bytes > 5_000
    assert columns["title"].width_bytes < 20
