from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.monitoring.sql_text import Names, normalise


@pytest.mark.parametrize(
    ("paramstyle", "text", "expected"),
    [
        (
            "pyformat",
            "SELECT a.id \nFROM a \nWHERE a.x = %(x_1)s::INTEGER AND a.y = %(y_1)s AND b = %(x_1)s",
            "SELECT a.id FROM a WHERE a.x = $1::INTEGER AND a.y = $2 AND b = $1",
        ),
        ("format", "SELECT %s, %s", "SELECT $1, $2"),
        ("pyformat", "SELECT %(a)b, %(b)t", "SELECT $1, $2"),
        ("qmark", "SELECT ? WHERE a = ?", "SELECT $1 WHERE a = $2"),
        ("numeric_dollar", "SELECT $2::VARCHAR, $1", "SELECT $1::VARCHAR, $2"),
        # ? is an operator of jsonb, unless it is a placeholder.
        ("pyformat", "SELECT j ? 'a', j ?| %(k)s", "SELECT j ? 'a', j ?| $1"),
        # %% is an escaped %, and in other styles than these two operators in their own right.
        ("pyformat", "SELECT 5 %% 2, 'a%%'", "SELECT 5 % 2, 'a%'"),
        ("numeric_dollar", "SELECT 5 %% 2, 'a%%s'", "SELECT 5 %% 2, 'a%%s'"),
        ("numeric_dollar", "SELECT a %s", "SELECT a %s"),
    ],
)
def test_placeholders_are_numbered_as_postgresql_does(
    paramstyle: str, text: str, expected: str
) -> None:
    assert normalise(text, paramstyle=paramstyle) == expected


@pytest.mark.parametrize("length", [1, 2, 3, 1000])
def test_lists_of_any_length_have_one_name(length: int) -> None:
    values = ", ".join(f"%(id_{number})s::INTEGER" for number in range(length))
    text = f"SELECT 1 FROM a WHERE id IN ({values}) AND name = %(name)s"
    expected = "SELECT 1 FROM a WHERE id IN ($1::INTEGER /*, ... */) AND name = $2"
    assert normalise(text) == expected


@pytest.mark.parametrize("length", [2, 3, 1000])
def test_rows_of_any_number_have_one_name(length: int) -> None:
    rows = ", ".join(f"(%(a__{n})s::VARCHAR(20), DEFAULT, %(b__{n})s)" for n in range(length))
    text = f"INSERT INTO t (a, x, b) VALUES {rows} RETURNING t.id"
    expected = "INSERT INTO t (a, x, b) VALUES ($1::VARCHAR(20), DEFAULT, $2) /*, ... */"
    assert normalise(text) == f"{expected} RETURNING t.id"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NOT IN (%s, %s)", "NOT IN ($1 /*, ... */)"),
        ("in (%s,%s)", "IN ($1 /*, ... */)"),
        ("IN (1, %s)", "IN (1, $1)"),
        ("IN (SELECT %s)", "IN (SELECT $1)"),
        ("min(%s, %s)", "min($1, $2)"),
        ("VALUES (%s)", "VALUES ($1)"),
        ("IN (%s::NUMERIC(10, 2), %s::NUMERIC(10, 2))", "IN ($1::NUMERIC(10, 2) /*, ... */)"),
        (
            "IN (%s::TIMESTAMP WITH TIME ZONE, %s::TIMESTAMP WITH TIME ZONE)",
            "IN ($1::TIMESTAMP WITH TIME ZONE /*, ... */)",
        ),
    ],
)
def test_only_lists_of_placeholders_collapse(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  SELECT\t1\n\n ; ", "SELECT 1"),
        ("SELECT 'a  b', \"a  b\"", "SELECT 'a  b', \"a  b\""),
        ("SELECT 'it''s  -- no comment'", "SELECT 'it''s  -- no comment'"),
        (r"SELECT E'it\'s  x'  , 1", r"SELECT E'it\'s  x' , 1"),
        (r"SELECT 'a\'  , 1", r"SELECT 'a\' , 1"),  # no escape without an E
        ("SELECT $$ a  -- b $$  , $x$ $$  $x$", "SELECT $$ a  -- b $$ , $x$ $$  $x$"),
        ("SELECT 1 -- why\n, 2", "SELECT 1 , 2"),
        ("SELECT /* a /* nested */ b */ 1", "SELECT 1"),
        ("SELECT 1 /* traceparent='00-abc-01' */", "SELECT 1"),
        ("SELECT /*+ SeqScan(a) */ 1", "SELECT /*+ SeqScan(a) */ 1"),
        ("SELECT '%s /* %(x)s'", "SELECT '%s /* %(x)s'"),
        ("SAVEPOINT sa_savepoint_417", "SAVEPOINT sa_savepoint"),
        ("SAVEPOINT __asyncpg_savepoint_1f__;", "SAVEPOINT __asyncpg_savepoint"),
        ("SELECT 'never closed  x", "SELECT 'never closed  x"),
        ("SELECT /* never closed", "SELECT"),
        ("SELECT price$1, a$b$c", "SELECT price$1, a$b$c"),
        ("", ""),
    ],
)
def test_quotes_and_comments_are_respected(text: str, expected: str) -> None:
    assert normalise(text) == expected


_TOKENS = (
    *("SELECT", "IN ", "VALUES ", "x", " ", "\n", "(", ")", ",", "\\", "::INTEGER", "\x00"),
    *("'", '"', "`", "E'", "$$", "$x$", "/*", "*/", "--"),
    *("%s", "%(a)s", "%%", "%", "$1", "?"),
)
_pieces = st.lists(st.sampled_from(_TOKENS), max_size=30).map("".join)


@given(_pieces | st.text(max_size=80), st.sampled_from(["pyformat", "qmark", "numeric_dollar"]))
def test_no_text_is_too_strange(text: str, paramstyle: str) -> None:
    name = normalise(text, paramstyle=paramstyle)
    assert "\x00" not in name
    assert name == name.strip(" ;")


@pytest.mark.parametrize("opening", ["%(", "$a", "/*", "E'", "IN (", "(%s ", "VALUES ("])
def test_a_quarter_of_a_million_openings_are_read_in_one_go(opening: str) -> None:
    # One that looks for each one's end anew takes minutes here.
    text = opening * (250_000 // len(opening))
    assert normalise(text).startswith(normalise(opening)[:2])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from([" ", "\n\t  "]))
def test_neither_lengths_nor_layout_make_a_difference(lengths: list[int], space: str) -> None:
    def statement(lengths: list[int], space: str) -> str:
        conditions = (
            f"c{n} IN ({', '.join(['%s'] * length)}){space}AND d{n} ={space}%s"
            for n, length in enumerate(lengths)
        )
        return f"SELECT 1{space}FROM t WHERE {' AND '.join(conditions)}"

    usual = normalise(statement([2] * len(lengths), " "))
    assert normalise(statement(lengths, space)) == usual


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.id FROM a WHERE a.x = %(x)s::INTEGER AND a.id IN (%(a)s, %(b)s) LIMIT %(n)s",
        "INSERT INTO t (a, b) VALUES (%(a)s, %(b)s), (%(c)s, %(d)s) RETURNING t.id",
        "SELECT E'it\\'s', $$a$$, \"q\"\"x\" FROM a WHERE b LIKE '%%x%%' AND j ? 'k'",
    ],
)
def test_a_name_is_a_statement_that_postgresql_parses(text: str) -> None:
    from pglast import parse_sql

    assert len(parse_sql(normalise(text))) == 1


def test_names_are_remembered_within_a_bound() -> None:
    names = Names("qmark", max_chars=1_000)
    for number in range(1_000):
        assert names.of(f"SELECT ? FROM t{number}", other="x") == f"SELECT $1 FROM t{number}"
    assert names._chars == sum(map(len, names._known)) <= 1_000
    assert names.of("SELECT ? FROM t999", other="x") == "SELECT $1 FROM t999"


def test_statements_of_our_own_have_no_name() -> None:
    names = Names("pyformat")
    assert names.of("SELECT 1 /* keiko-perf */", other="x") is None
    assert names.of("SELECT 1 /* keiko-perf */", other="x") is None


@pytest.mark.parametrize("text", ["SELECT " + "1, " * 4_000, "SELECT " + "?, " * 200_000])
def test_endless_statements_share_a_name(text: str) -> None:
    assert Names("qmark").of(text, other="(other)") == "(other)"


def test_a_large_insert_keeps_its_name() -> None:
    rows = ", ".join(["(?, ?, ?)"] * 5_000)
    name = Names("qmark").of(f"INSERT INTO t (a, b, c) VALUES {rows}", other="(other)")
    assert name == "INSERT INTO t (a, b, c) VALUES ($1, $2, $3) /*, ... */"
    assert re.search(r"\$\d+", name)


def test_statements_that_differ_by_literals_alone_share_a_name_from_the_sixth_on() -> None:
    names = Names("numeric_dollar")
    text = "SELECT a FROM t WHERE a = {} AND s = 'open' AND b = $1 AND c = '{}' LIMIT 20"
    first = [names.of(text.format(n, n), other="x") for n in range(5)]
    assert first == [text.format(n, n) for n in range(5)]
    later = {names.of(text.format(n, n), other="x") for n in range(5, 300)}
    assert later == {"SELECT a FROM t WHERE a = $2 AND s = 'open' AND b = $1 AND c = $3 LIMIT 20"}
    assert names.of(text.format(3, 3), other="x") == first[3]  # a name once given stays


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM t{n}",  # a name and no literal
        'SELECT 1 FROM "t {n}"',
        "SELECT $x${n}$x$",
        "SELECT now() - interval '{n} days'",
    ],
)
def test_what_is_no_literal_that_a_parameter_could_be_has_a_name_each(text: str) -> None:
    names = Names("numeric_dollar")
    assert len({names.of(text.format(n=n), other="x") for n in range(20)}) == 20


def test_a_name_whose_literals_became_parameters_is_a_statement_that_postgresql_parses() -> None:
    from pglast import parse_sql

    names = Names("numeric_dollar")
    text = "SELECT round(avg(g)::numeric(10,2), 2) FROM r WHERE a = {n} GROUP BY 1 ORDER BY 1"
    (name,) = {names.of(text.format(n=n), other="x") for n in range(10)} - {
        text.format(n=n) for n in range(10)
    }
    assert name == text.format(n="$1")
    assert len(parse_sql(name)) == 1
