"""What an index might cost or save by the statistics alone, before the planner is asked."""

from __future__ import annotations

import pytest
from tests.diagnosis.candidates.test_projection import COLUMNS, TABLE, T, gin, index

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.expectation import expectation
from keiko_perf.diagnosis.statements.predicates import Use
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables

SEQUENTIAL = 20_000 + 1e6 * 0.0125
SIZE = 30e6


def use_of(rest: str, what: str = "*") -> Use:
    tables = Tables(columns={T: tuple(COLUMNS)})
    return read(f"SELECT {what} FROM t WHERE {rest}", tables).uses[0]


def expected(one: Index, rest: str, rows: float, what: str = "*", size: float = SIZE) -> float:
    found = expectation(one, use_of(rest, what), TABLE, size, {T: rows})
    assert found is not None
    return found


def test_few_rows_cost_little_and_half_of_them_more_than_reading_all() -> None:
    assert expected(index("b"), "b = 1", 1) < 20
    assert expected(index("a"), "a = 1", 10_000) < SEQUENTIAL
    assert expected(index("b"), "b > 1", 500_000) > SEQUENTIAL


def test_what_else_the_index_knows_need_not_be_fetched() -> None:
    alone = expected(index("a"), "a = 1 AND b = 2", 1)
    assert expected(index("a", "b"), "a = 1 AND b = 2", 1) < 0.1 * alone
    assert expected(index("a", "c", "b"), "a = 1 AND b = 2", 1) < alone, "behind what it is not for"


def test_read_from_end_to_end_it_spares_the_table_what_it_knows_not_to_be_asked() -> None:
    whole = expected(index("c", "b"), "b = 2", 1, size=16e6)
    assert expected(index("b"), "b = 2", 1) < whole < SEQUENTIAL
    assert expected(index("c", "b"), "b = 2", 1, size=160e6) > SEQUENTIAL


def test_an_index_that_holds_all_that_is_read_spares_the_table() -> None:
    covering = expected(index("a", "b"), "a = 1", 10_000, "b")
    assert covering < 0.5 * expected(index("a"), "a = 1", 10_000, "b")


def test_rows_in_their_order_lie_together() -> None:
    scattered, together = (expected(index(name), f"{name} > 1", 50_000) for name in "bc")
    assert together < 0.3 * scattered


def test_the_first_rows_in_order_are_soon_found() -> None:
    limited = expected(index("b"), "a = 1 ORDER BY b LIMIT 5", 10_000)
    assert limited < expected(index("b"), "b > 1 AND a = 1", 10_000)


@pytest.mark.parametrize(
    ("one", "rest"),
    [
        (index("b"), "a = 1"),  # of no use
        (gin("note", "gin_trgm_ops"), "note LIKE '%x%'"),  # no B-tree
    ],
)
def test_of_what_nobody_knows_nothing_is_expected(one: Index, rest: str) -> None:
    assert expectation(one, use_of(rest), TABLE, SIZE, {T: 1e6}) is None
