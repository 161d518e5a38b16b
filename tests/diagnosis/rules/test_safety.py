"""What is damaged already, or sorted in an order that the system no longer has."""

from __future__ import annotations

from dataclasses import replace

from tests.diagnosis.rules.judging import AT, CRITICAL, EMPTY, WARNING, said

from keiko_perf.diagnosis.evidence import Collation, DatabaseStats
from keiko_perf.diagnosis.rules import judge

OLDER = Collation(
    database="shop", schema=None, name="shop", version="2.31", actual="2.36", indexes=7
)


def test_pages_that_came_back_damaged_are_the_gravest() -> None:
    damaged = DatabaseStats(checksum_failures=2, checksum_failed_at=AT)
    assert said(replace(EMPTY, database=damaged)) == [("server.checksum-failures", CRITICAL)]
    assert said(replace(EMPTY, database=DatabaseStats(checksum_failures=0))) == []


def test_pages_that_nobody_checks_are_not_called_sound_nor_damaged() -> None:
    assert said(replace(EMPTY, database=DatabaseStats(checksum_failures=None))) == []


def test_an_order_that_changed_is_built_anew_before_its_version_is_noted() -> None:
    own = replace(OLDER, schema="app", name="de")
    of_database, of_collation = judge(replace(EMPTY, collations=(OLDER, own))).findings
    assert (of_database.code, of_database.severity) == ("server.collation-changed", WARNING)
    assert of_database.cure == (
        "REINDEX DATABASE CONCURRENTLY shop; ALTER DATABASE shop REFRESH COLLATION VERSION;"
    )
    assert of_collation.cure == (
        "REINDEX DATABASE CONCURRENTLY shop; ALTER COLLATION app.de REFRESH VERSION;"
    )
