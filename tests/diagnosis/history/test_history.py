"""What happened between readings: told once, whatever was reset, and kept whatever dies."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from string import printable
from typing import Any

import pytest

from keiko_perf.diagnosis.evidence import Evidence, StatementStats, TableStats
from keiko_perf.diagnosis.history.file import HistoryFile
from keiko_perf.diagnosis.history.history import Changes, Period, merged, period_between, split
from keiko_perf.diagnosis.history.text import (
    read_period,
    read_reading,
    write_period,
    write_reading,
)
from keiko_perf.diagnosis.rules.changes import judge_changes
from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import Severity

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024
PLACE = "db:5432/app"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def statement(
    query: str, calls: int, mean_s: float, *, stddev_s: float = 0.001, **changes: Any
) -> StatementStats:
    one = StatementStats(
        query=query, calls=calls, total_s=calls * mean_s, mean_s=mean_s, stddev_s=stddev_s,
        max_s=mean_s * 3, rows=calls, hit_blocks=calls * 10, read_blocks=0, temp_blocks=0,
        wal_bytes=float(calls), characters=len(query),
    )  # fmt: skip
    return replace(one, **changes)


def table(size_bytes: int, *, inserts: int = 0, seq_scans: int = 0) -> TableStats:
    return TableStats(
        schema="public", name="tasks", size_bytes=size_bytes, estimated_rows=1.0, inserts=inserts,
        updates=0, deletes=0, live_rows=inserts, dead_rows=0, modified_rows=0,
        last_vacuum_at=None, last_analyze_at=None, seq_scans=seq_scans, index_scans=0,
    )  # fmt: skip


def reading(minutes: float, *statements: StatementStats, **changes: Any) -> Evidence:
    return replace(
        Evidence(
            read_at=at(minutes),
            statements=statements,
            statements_total_s=sum(one.total_s for one in statements),
        ),
        **changes,
    )


def test_a_period_is_what_happened_in_it_with_its_own_deviation() -> None:
    # A hundred fast ones, then ten slow ones of exactly 50 ms.
    earlier = reading(0, statement("q", 100, 0.001, stddev_s=0.0))
    whole = statement("q", 110, (100 * 0.001 + 10 * 0.05) / 110)
    square_s2 = 100 * 0.001**2 + 10 * 0.05**2
    later = reading(1, replace(whole, stddev_s=(square_s2 / 110 - whole.mean_s**2) ** 0.5))
    period = period_between(earlier, later)
    (one,) = period.statements
    assert (one.calls, one.rows, one.wal_bytes) == (10, 10, 10.0)
    assert one.mean_s == pytest.approx(0.05)
    assert one.stddev_s == pytest.approx(0.0, abs=1e-6)
    assert (period.length_s, period.total_s) == (60.0, pytest.approx(0.5))


def test_what_somebody_reset_in_between_is_not_counted_twice_nor_lost() -> None:
    earlier = reading(0, statement("q", 100, 0.01))
    # It has been executed more often since the reset than ever before.
    later = reading(10, statement("q", 150, 0.01), statements_since_at=at(5))
    assert period_between(earlier, later).statements[0].calls == 150
    later = replace(later, statements_since_at=at(-5))
    assert period_between(earlier, later).statements[0].calls == 50


def test_tables_tell_what_was_written_and_how_they_grew() -> None:
    earlier = reading(0, tables=(table(MIB, inserts=100, seq_scans=5),))
    later = reading(1, tables=(table(3 * MIB, inserts=700, seq_scans=9),))
    (one,) = period_between(earlier, later).tables
    assert (one.bytes_before, one.bytes_after, one.written, one.seq_scans) == (MIB, 3 * MIB, 600, 4)
    reset = reading(2, tables=(table(3 * MIB, inserts=50, seq_scans=1),))
    (one,) = period_between(later, reset).tables
    assert (one.written, one.seq_scans) == (50, 1)


def test_a_reading_that_is_not_later_is_refused() -> None:
    with pytest.raises(UsageError, match="not later"):
        period_between(reading(1), reading(1))


def test_merged_periods_are_one_of_the_whole_time() -> None:
    first = period_between(reading(0), reading(1, statement("q", 10, 0.01)))
    second = period_between(
        reading(1, statement("q", 10, 0.01), tables=(table(MIB),)),
        reading(3, statement("q", 40, 0.01), tables=(table(2 * MIB),)),
        note="deployed 7",
    )
    whole = merged([second, first])
    assert (whole.start_at, whole.end_at, whole.note) == (at(0), at(3), "deployed 7")
    assert (whole.statements[0].calls, whole.total_s) == (40, pytest.approx(0.4))
    assert whole.tables[0].bytes_before == MIB


def test_what_is_written_down_is_read_again() -> None:
    evidence = reading(
        0, statement("SELECT 'ä\x00\ud800'", 3, 0.1, read_s=0.5), tables=(table(MIB, inserts=7),),
        statements_since_at=at(-60), statements_left_out=3,
    )  # fmt: skip
    again = read_reading(write_reading(evidence))
    assert again.statements == evidence.statements
    assert (again.read_at, again.statements_since_at) == (at(0), at(-60))
    assert (again.tables[0].inserts, again.statements_left_out) == (7, 3)
    period = period_between(evidence, reading(1, statement("q", 1, 0.1), tables=(table(MIB),)))
    assert read_period(write_period(period), start_at=at(0), end_at=at(1)) == period


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b"x" + b, lambda b: b""])
def test_what_is_damaged_is_refused(damage: Any) -> None:
    with pytest.raises(ValueError, match=r"read|short"):
        read_reading(damage(write_reading(reading(0))))


# --- The file -----------------------------------------------------------------------------------


def test_a_file_keeps_the_periods_of_each_database(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "made" / "history.sqlite")
    assert (history.places(), history.periods(PLACE), history.read_last_at(PLACE)) == ([], [], None)
    assert not history.path.exists()  # reading makes no file
    assert history.keep(PLACE, reading(0)) is None
    kept = history.keep(PLACE, reading(1, statement("q", 5, 0.1)), note="after the deployment")
    history.keep("db:5432/other", reading(7))
    again = HistoryFile(history.path)
    assert again.periods(PLACE) == [kept]
    assert again.periods(PLACE)[0].note == "after the deployment"
    assert (again.places(), again.read_last_at(PLACE)) == ([PLACE, "db:5432/other"], at(1))
    assert again.periods(PLACE, since_at=at(1)) == []


def test_after_a_day_the_periods_of_an_hour_are_one_and_nothing_is_lost(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.sqlite")
    for minute in range(0, 180, 10):
        history.keep(PLACE, reading(minute, statement("q", minute, 0.01)))
    history.keep(PLACE, reading(60 * 48, statement("q", 500, 0.01)))
    kept = history.periods(PLACE)
    assert [one.length_s for one in kept[:-1]] == [3600.0, 3600.0, 3000.0]
    assert sum(one.statements[0].calls for one in kept) == 500
    assert [one.end_at for one in kept[:-1]] == [one.start_at for one in kept[1:]]


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.sqlite", retention_s=3 * 86_400.0)
    for day in range(7):
        history.keep(PLACE, reading(day * 1440))
    assert [one.end_at for one in history.periods(PLACE)] == [
        at(day * 1440) for day in (3, 4, 5, 6)
    ]


def test_where_the_room_ends_the_oldest_go(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.sqlite", max_bytes=1 << 18)
    for minute in range(60):
        # A text that does not compress.
        noise = "".join(Random(minute).choices(printable, k=8_000))
        history.keep(PLACE, reading(minute, statement(noise, minute + 1, 0.01)))
    kept = history.periods(PLACE)
    assert 5 < len(kept) < 59
    assert kept[-1].end_at == at(59)
    assert history.path.stat().st_size <= 1 << 18


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE t (x)")
    theirs.close()
    before = path.read_bytes()
    for ask in (
        lambda: HistoryFile(path).places(),
        lambda: HistoryFile(path).keep(PLACE, reading(0)),
    ):
        with pytest.raises(StoreUnavailable, match="no history of keiko-perf"):
            ask()
    assert path.read_bytes() == before
    path.write_bytes(b"not a database at all, whatever its name says" * 40)
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        HistoryFile(path).places()


def test_what_another_process_writes_is_waited_for_and_not_forever(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.sqlite", busy_timeout_s=0.05)
    history.keep(PLACE, reading(0))
    holder = sqlite3.connect(history.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        history.keep(PLACE, reading(1))
    holder.execute("ROLLBACK")
    holder.close()
    assert history.keep(PLACE, reading(1)) is not None


def test_a_damaged_period_is_told(tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.sqlite")
    history.keep(PLACE, reading(0))
    history.keep(PLACE, reading(1))
    with sqlite3.connect(history.path) as db:
        db.execute("UPDATE periods SET body = x'00'")
    db.close()
    with pytest.raises(StoreUnavailable, match="moved away by hand"):
        history.periods(PLACE)


# --- Before and after ---------------------------------------------------------------------------


def period(start: float, end: float, *statements: StatementStats, **changes: Any) -> Period:
    made = Period(
        start_at=at(start), end_at=at(end), statements=statements,
        total_s=sum(one.total_s for one in statements),
    )  # fmt: skip
    return replace(made, **changes)


def test_before_and_after_share_no_period() -> None:
    periods = [period(0, 10), period(10, 20), period(20, 30), period(30, 40)]
    found = split(periods, since_at=None, before_s=86_400)
    assert (found.before.start_at, found.before.end_at) == (at(0), at(30))
    assert (found.after.start_at, found.after.end_at) == (at(30), at(40))
    found = split(periods, since_at=at(15), before_s=86_400)
    assert (found.before.end_at, found.after.start_at) == (at(10), at(20))
    found = split(periods, since_at=at(30), before_s=600)
    assert found.before.start_at == at(20)


@pytest.mark.parametrize(
    ("periods", "since_at", "says"),
    [
        ([], None, "three snapshots"),
        ([period(0, 1)], None, "three snapshots"),
        ([period(0, 1), period(1, 2)], at(5), "no snapshot after"),
        ([period(0, 1), period(1, 2)], at(-5), "no snapshot before"),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_so(
    periods: list[Period], since_at: datetime | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        split(periods, since_at=since_at, before_s=86_400)


FAST = statement("SELECT q", 1_000, 0.01)
OTHER = statement("SELECT other", 10, 1.0)


@pytest.mark.parametrize(
    ("why", "before", "after", "expected"),
    [
        ("as before", FAST, FAST, []),
        ("four times as slow", FAST, statement("SELECT q", 1_000, 0.04),
         [("statements.regressed", Severity.CRITICAL)]),
        ("a little slower", FAST, statement("SELECT q", 1_000, 0.013), []),
        ("three times as slow, by chance", FAST, statement("SELECT q", 1_000, 0.03, stddev_s=1.0),
         []),
        ("three times as slow, a few times", FAST, statement("SELECT q", 10, 0.03), []),
        ("three times as slow, and nothing beside the rest", statement("SELECT q", 100, 0.0001),
         statement("SELECT q", 100, 0.0003), []),
        ("three times as often", FAST, statement("SELECT q", 3_000, 0.01),
         [("statements.more-often", Severity.NOTE)]),
        ("it was not there", None, FAST, [("statements.new", Severity.WARNING)]),
        ("it is gone", FAST, None, []),
        ("maintenance", statement("VACUUM q", 1_000, 0.01), statement("VACUUM q", 1_000, 0.05), []),
    ],
)  # fmt: skip
def test_changes(
    why: str,
    before: StatementStats | None,
    after: StatementStats | None,
    expected: list[tuple[str, Severity]],
) -> None:
    changes = Changes(
        before=period(0, 10, OTHER, *([before] if before else [])),
        after=period(10, 20, OTHER, *([after] if after else [])),
    )
    assert [(one.code, one.severity) for one in judge_changes(changes)] == expected


@pytest.mark.parametrize(
    ("before", "after", "is_found"),
    [(100 * MIB, 160 * MIB, True), (100 * MIB, 105 * MIB, False), (MIB, 3 * MIB, False)],
)
def test_tables_that_grow(before: int, after: int, is_found: bool) -> None:
    happened = period_between(
        reading(0, tables=(table(before),)), reading(10, tables=(table(after),))
    )
    found = judge_changes(Changes(before=period(-10, 0), after=happened))
    assert [one.code for one in found] == ["tables.growing"] * is_found
