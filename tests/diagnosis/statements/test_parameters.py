from __future__ import annotations

import pytest

from keiko_perf.diagnosis.schema import Column, Table, TableName
from keiko_perf.diagnosis.statements.parameters import (
    Compared,
    Draw,
    Values,
    compared_in,
    draws_of,
    filled_in,
    is_skewed,
    strata,
    value_sql,
    weights_for,
)
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables

JOB = TableName("public", "job")
TENANT = TableName("public", "tenant")
TABLES = {
    JOB: Table(
        name=JOB,
        columns={
            "id": Column(name="id", type="int8"),
            "status": Column(name="status", type="text"),
            "tenant": Column(name="tenant", type="int4"),
            "open": Column(name="open", type="bool"),
        },
        rows=100_000.0,
    ),
    TENANT: Table(
        name=TENANT,
        columns={"id": Column(name="id", type="int4"), "slug": Column(name="slug", type="text")},
        rows=500.0,
    ),
}
STATES = Values(
    common=(("done", 0.9), ("it's late", 0.06), ("open", 0.03)),
    bounds=("a", "m", "z"),
    distinct=20.0,
)
EVEN = Values(common=(("1", 0.011),), bounds=("1", "2"), distinct=100.0)


def compared(text: str) -> list[Compared]:
    tables = Tables(columns={name: tuple(one.columns) for name, one in TABLES.items()})
    return compared_in(text, read(text, tables), TABLES)


def drawn(text: str, rows_per_call: float | None = None) -> tuple[Draw, ...]:
    values = {(JOB, "status"): STATES, (JOB, "tenant"): EVEN}
    return draws_of(text, compared(text), values, TABLES, rows_per_call=rows_per_call)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT * FROM job WHERE status = $1", [Compared(1, "equals", (JOB, "status"))]),
        ("SELECT * FROM job j WHERE $1::text = j.status", [Compared(1, "equals", (JOB, "status"))]),
        (
            "SELECT * FROM job WHERE tenant IN ($1, $2) LIMIT $3 OFFSET $4",
            [
                Compared(1, "equals", (JOB, "tenant")),
                Compared(2, "equals", (JOB, "tenant")),
                Compared(3, "limit"),
                Compared(4, "offset"),
            ],
        ),
        (
            "UPDATE job SET status = $1 WHERE tenant = $2",  # what is set is not looked for
            [Compared(2, "equals", (JOB, "tenant"))],
        ),
        # A value for two columns, one of a range, one of an expression, and `id` of two tables.
        (
            "SELECT 1 FROM job WHERE status = $1 OR tenant::text = $2 OR id > $3",
            [
                Compared(1, "equals", (JOB, "status")),
            ],
        ),
        ("SELECT 1 FROM job, tenant WHERE status = $1 AND slug = $1", []),
        ("SELECT 1 FROM job a JOIN tenant a2 ON a.tenant = a2.id WHERE id = $1", []),
    ],
)
def test_a_parameter_is_told_by_the_column_that_it_is_compared_with(
    text: str, found: list[Compared]
) -> None:
    assert compared(text) == found


def test_a_column_is_skewed_where_a_value_is_far_from_an_average_one() -> None:
    assert is_skewed(STATES, 100_000.0)
    assert is_skewed(Values(common=(("a", 0.6), ("b", 0.39), ("c", 0.01)), distinct=3.0), 1e5)
    assert not is_skewed(Values(common=(("t", 0.6), ("f", 0.4)), distinct=2.0), 1e5)
    assert not is_skewed(EVEN, 100_000.0)
    assert not is_skewed(STATES, 100.0)  # whatever is asked of so few rows
    assert not is_skewed(Values(), 100_000.0)


def test_a_column_gives_its_most_common_a_middling_and_a_rare_value() -> None:
    found = strata(STATES)
    assert [value for value, _ in found] == ["done", "it's late", "m"]
    assert [share for _, share in found] == pytest.approx([0.9, 0.09, 0.01])


def test_of_a_column_with_few_values_the_rarest_is_the_rare_one() -> None:
    few = Values(common=(("done", 0.9), ("failed", 0.09), ("new", 0.01)), distinct=3.0)
    assert [value for value, _ in strata(few)] == ["done", "failed", "new"]
    assert [value for value, _ in strata(Values(common=(("done", 1.0),), distinct=1.0))] == ["done"]


def test_a_statement_is_asked_about_with_each_value_and_the_rest_stays_a_parameter() -> None:
    found = drawn("SELECT id FROM job WHERE tenant = $1 AND status = $2 AND id > $3")
    assert [one.text for one in found] == [
        f"SELECT id FROM job WHERE tenant = $1 AND status = {value} AND id > $2"
        for value in ("'done'", "'it''s late'", "'m'")
    ]
    assert {one.parameters for one in found} == {2}
    # Half as often as rows have them, half alike.
    assert [one.weight for one in found] == pytest.approx([0.617, 0.212, 0.172], abs=0.001)
    assert sum(one.weight for one in found) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rows_per_call", "limit"), [(None, 20), (0.3, 1), (18.0, 20), (730.0, 1000), (1e9, 100_000)]
)
def test_a_limit_is_about_as_many_rows_as_the_statement_gave(
    rows_per_call: float | None, limit: int
) -> None:
    text = "SELECT id FROM job WHERE tenant = $1 ORDER BY id LIMIT $2 OFFSET $3"
    (only,) = drawn(text, rows_per_call)
    assert only == Draw(
        f"SELECT id FROM job WHERE tenant = $1 ORDER BY id LIMIT {limit} OFFSET 0", 1, 1.0
    )


def test_where_any_value_is_as_good_as_another_no_question_more_is_asked() -> None:
    assert drawn("SELECT * FROM job WHERE tenant = $1 AND id > $2") == ()
    assert drawn("SELECT 1") == ()


def test_parameters_are_found_behind_letters_of_several_bytes() -> None:
    text = "SELECT 'ä€', $2, $10 FROM job WHERE status = $1 AND tenant = $2"
    assert filled_in(text, {1: "'ö'"}) == (
        "SELECT 'ä€', $1, $2 FROM job WHERE status = 'ö' AND tenant = $1",
        2,
    )


def test_the_rows_that_a_statement_gave_tell_which_values_it_was_asked_with() -> None:
    draws = drawn("SELECT * FROM job WHERE status = $1")
    rows = (90_000.0, 6_000.0, 50.0)
    assert weights_for(draws, rows, 20.0) == (0.0, 0.0, 1.0)
    assert weights_for(draws, rows, 6_000.0) == (0.0, 1.0, 0.0)
    assert weights_for(draws, rows, 1e6) == (1.0, 0.0, 0.0)
    many = weights_for(draws, rows, 45_000.0)
    assert sum(w * r for w, r in zip(many, rows, strict=True)) == pytest.approx(45_000)
    assert weights_for(draws, rows, None) == tuple(one.weight for one in draws)
    # A count gives one row whatever it counts: it tells nothing.
    assert weights_for(draws, (1.0, 1.0, 1.0), 1.0) == tuple(one.weight for one in draws)


def test_a_value_below_zero_is_no_comment_behind_a_minus() -> None:
    text = "SELECT 1 FROM job WHERE tenant = $1 AND id -$1 > 0"
    filled, left = filled_in(text, {1: value_sql("-5", "int4")})
    assert (filled, left) == ("SELECT 1 FROM job WHERE tenant = '-5' AND id -'-5' > 0", 0)
    assert value_sql("5", "int4") == "5"
    assert value_sql("a\\'b", "text") == "E'a\\\\''b'"
