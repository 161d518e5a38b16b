"""What happened between two readings, without a reset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.diagnosis.evidence import Evidence, StatementStats
from keiko_perf.diagnosis.history.delta import between

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def statement(query: str, calls: int, total_s: float) -> StatementStats:
    return StatementStats(
        query=query, calls=calls, total_s=total_s, mean_s=total_s / max(calls, 1), stddev_s=0.1,
        max_s=1.0, rows=calls * 2, hit_blocks=calls * 10, read_blocks=calls, temp_blocks=0,
    )  # fmt: skip


def evidence(*statements: StatementStats, after_s: float = 0) -> Evidence:
    return Evidence(
        read_at=NOON + timedelta(seconds=after_s),
        statements=statements,
        statements_total_s=sum(one.total_s for one in statements),
    )


def test_only_what_happened_in_between_counts() -> None:
    earlier = evidence(statement("a", 10, 1.0), statement("seed", 1, 20.0))
    later = evidence(statement("a", 110, 6.0), statement("seed", 1, 20.0), after_s=60)
    (found,) = between(earlier, later).statements
    assert (found.query, found.calls, found.rows, found.hit_blocks) == ("a", 100, 200, 1000)
    assert found.total_s == pytest.approx(5.0)
    assert found.mean_s == pytest.approx(0.05)


def test_a_statement_that_is_new_counts_in_full_and_the_largest_comes_first() -> None:
    later = evidence(statement("new", 3, 0.3), statement("large", 3, 3.0))
    assert [one.query for one in between(evidence(), later).statements] == ["large", "new"]


def test_counters_that_somebody_reset_count_from_there() -> None:
    earlier, later = evidence(statement("a", 100, 9.0)), evidence(statement("a", 5, 0.5))
    (found,) = between(earlier, later).statements
    assert (found.calls, found.total_s) == (5, 0.5)


def test_the_whole_is_never_less_than_its_parts() -> None:
    earlier, later = evidence(statement("a", 100, 9.0)), evidence(statement("b", 5, 0.5))
    assert between(earlier, later).statements_total_s == pytest.approx(0.5)
    assert between(earlier, later).statements_since_at == NOON


def test_statements_of_the_same_text_are_one() -> None:
    earlier = evidence(statement("a", 2, 1.0), statement("a", 10, 5.0))
    later = evidence(statement("a", 12, 6.0), statement("a", 3, 1.5))
    (found,) = between(earlier, later).statements
    assert (found.calls, found.total_s) == (3, pytest.approx(1.5))
