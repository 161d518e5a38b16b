"""
When the rules about replication, checkpoints and settings speak, and when they keep quiet.

`settings.parallel-workers` has its cases only here: PostgreSQL counts the workers from 18 on, which
the machines of the tests do not have.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.diagnosis.rules.judging import (
    AT,
    CRITICAL,
    EMPTY,
    GIB,
    HOUR_BEFORE,
    LONG_BEFORE,
    MIB,
    NOTE,
    STATEMENT,
    TABLE,
    WARNING,
    Said,
    check,
    said,
    set_to,
)

from keiko_perf.diagnosis.evidence import (
    Archiver,
    Autovacuum,
    Checkpoints,
    DatabaseStats,
    Machine,
    Replication,
    Setting,
    Settings,
    Slot,
    Standby,
    Wal,
)
from keiko_perf.diagnosis.rules import judge

SLOT = Slot(name="it's", kind="physical", is_active=False, wal_status="extended", kept_bytes=100.0)


@check([
    ("keeps up", {"standbys": (Standby(name="a", state="streaming", sync_state="async",
                                       behind_bytes=100.0, behind_s=None),)}, []),
    ("far behind", {"standbys": (Standby(name="a", state="streaming", sync_state="async",
                                         behind_bytes=2.0 * GIB, behind_s=90.0),)},
     [("replication.lag", WARNING)]),
    ("a base backup", {"standbys": (Standby(name="a", state="backup", sync_state="async",
                                            behind_bytes=2.0 * GIB, behind_s=None),)}, []),
    ("this one is far behind", {"behind_s": 1000.0, "behind_bytes": 1.0},
     [("replication.lag", CRITICAL)]),
    ("this one has replayed nothing since it was started",
     {"behind_s": None, "behind_bytes": 2.0 * GIB}, [("replication.lag", WARNING)]),
    ("this one is about to", {"behind_s": None, "behind_bytes": 1.0 * MIB}, []),
    ("nothing was written since", {"behind_s": None, "behind_bytes": 0.0}, []),
    ("a slot that keeps little", {"slots": (SLOT,)}, []),
    ("a slot that keeps much", {"slots": (replace(SLOT, kept_bytes=1.0 * GIB),)},
     [("replication.slot", WARNING)]),
    ("a slot in use", {"slots": (replace(SLOT, kept_bytes=1.0 * GIB, is_active=True),)}, []),
    ("a slot about to be lost",
     {"slots": (replace(SLOT, kept_bytes=1.0 * GIB, wal_status="unreserved"),)},
     [("replication.slot", CRITICAL)]),
    ("a slot that is lost", {"slots": (replace(SLOT, wal_status="lost"),)},
     [("replication.slot-lost", WARNING)]),
    ("a slot that keeps dead rows", {"slots": (replace(SLOT, holds_back_rows=2_000_000),)},
     [("replication.slot-horizon", WARNING)]),
    ("what it keeps is not known", {"slots": (replace(SLOT, kept_bytes=None),)}, []),
])  # fmt: skip
def test_replication(why: str, changes: dict[str, Any], expected: Said) -> None:
    assert said(replace(EMPTY, replication=replace(Replication(), **changes))) == expected
    assert said(replace(EMPTY, replication=None)) == []


def test_a_standby_whose_replay_was_paused_is_told_to_go_on() -> None:
    known = Replication(behind_bytes=2.0 * GIB, is_paused=True)
    (found,) = judge(replace(EMPTY, replication=known)).findings
    assert found.cure == "SELECT pg_wal_replay_resume();"


def test_a_cure_for_a_slot_quotes_its_name() -> None:
    known = Replication(slots=(replace(SLOT, wal_status="lost"),))
    (found,) = judge(replace(EMPTY, replication=known)).findings
    assert found.cure == "SELECT pg_drop_replication_slot('it''s');"


def test_statements_that_a_standby_cancelled() -> None:
    known = Replication(conflicts=50)
    assert said(replace(EMPTY, replication=known, is_standby=True)) == [
        ("replication.conflicts", NOTE)
    ]
    assert said(replace(EMPTY, replication=known)) == []
    assert said(replace(EMPTY, replication=Replication(), is_standby=True)) == []


WAL = Wal(bytes=100.0 * GIB, records=1.0, since_at=HOUR_BEFORE)


@check([
    ("one a minute", {}, [("checkpoints.requested", WARNING)]),
    ("as set", {"checkpoints": Checkpoints(timed=12, requested=2, since_at=HOUR_BEFORE)}, []),
    ("asked for, but not by the log", {"wal": replace(WAL, bytes=1.0 * MIB)}, []),
    ("how much log is not told", {"wal": None}, [("checkpoints.requested", WARNING)]),
    ("since when is not known", {"checkpoints": Checkpoints(timed=0, requested=60)}, []),
    ("the setting is not seen", {"settings": Settings()}, []),
    ("not told", {"checkpoints": None}, []),
])  # fmt: skip
def test_checkpoints(why: str, changes: dict[str, Any], expected: Said) -> None:
    evidence = replace(
        EMPTY,
        checkpoints=Checkpoints(timed=0, requested=60, since_at=HOUR_BEFORE),
        wal=WAL,
        settings=set_to(max_wal_size=str(GIB), checkpoint_timeout="300"),
    )
    assert said(replace(evidence, **changes)) == expected


@pytest.mark.parametrize(
    ("why", "last_archived_at", "last_failed_at", "expected"),
    [
        ("fails since it was set up", None, AT, [("wal.archiver", WARNING)]),
        ("fails for hours", LONG_BEFORE, AT, [("wal.archiver", CRITICAL)]),
        ("failed once and went on", AT, HOUR_BEFORE, []),
        ("never failed", AT, None, []),
    ],
)
def test_the_archiver(
    why: str, last_archived_at: datetime | None, last_failed_at: datetime | None, expected: Said
) -> None:
    known = Archiver(
        archived=1, failed=9, last_archived_at=last_archived_at, last_failed_at=last_failed_at
    )
    assert said(replace(EMPTY, archiver=known)) == expected


SPILLED = DatabaseStats(temp_bytes=10.0 * GIB, temp_files=100)
MISSED = DatabaseStats(hit_blocks=1_000_000, read_blocks=1_000_000)
BUSY = DatabaseStats(commits=3_600_000)
LOOKUP = replace(STATEMENT, read_blocks=20_000, calls=10_000, read_s=2.0, total_s=3.0, rows=10_000)
SCAN = replace(STATEMENT, query="SELECT scan", hit_blocks=5_000_000, total_s=15.0)
HUGE = replace(TABLE, size_bytes=40 * GIB)
ROOMY = Machine(memory_bytes=64 * GIB, available_bytes=40 * GIB, swapped_bytes=0)
SWAPPING = Machine(memory_bytes=8 * GIB, available_bytes=0.3 * GIB, swapped_bytes=GIB)
TAKING = set_to(shared_buffers=str(4 * GIB), work_mem=str(64 * MIB), max_connections="200")


@check([
    ("much in files", {"database": SPILLED, "settings": set_to(work_mem=str(4 * MIB))},
     [("settings.work-mem", NOTE)]),
    ("much in files, though work_mem is large",
     {"database": SPILLED, "settings": set_to(work_mem=str(512 * MIB))}, []),
    ("much in files, work_mem is not seen", {"database": SPILLED}, []),
    ("little in files", {"database": replace(SPILLED, temp_bytes=1.0),
                         "settings": set_to(work_mem=str(4 * MIB))}, []),
    ("half is not found in a small cache",
     {"database": MISSED, "settings": set_to(shared_buffers=str(16 * MIB)), "tables": (TABLE,)},
     [("settings.shared-buffers", WARNING)]),
    ("half is not found, of small tables",
     {"database": MISSED, "settings": set_to(shared_buffers=str(128 * MIB)), "tables": (TABLE,)},
     []),
    ("half is not found in a large cache",
     {"database": MISSED, "settings": set_to(shared_buffers=str(GIB)), "tables": (TABLE,)}, []),
    ("random reads are cheap, and tables are scanned",
     {"statements": (LOOKUP, SCAN), "statements_total_s": 20.0,
      "settings": set_to(random_page_cost="4", seq_page_cost="1")},
     [("settings.random-page-cost", NOTE)]),
    ("random reads are dear", {"statements": (replace(LOOKUP, read_s=200.0), SCAN),
                               "statements_total_s": 20.0,
                               "settings": set_to(random_page_cost="4")}, []),
    ("reads are not timed", {"statements": (replace(LOOKUP, read_s=None), SCAN),
                             "statements_total_s": 20.0,
                             "settings": set_to(random_page_cost="4")}, []),
    ("nothing is scanned", {"statements": (LOOKUP,), "statements_total_s": 20.0,
                            "settings": set_to(random_page_cost="4")}, []),
    ("it is set already", {"statements": (LOOKUP, SCAN), "statements_total_s": 20.0,
                           "settings": set_to(random_page_cost="1.1")}, []),
    ("no hash joins", {"settings": set_to(enable_hashjoin="off")},
     [("settings.planner-switch", WARNING)]),
    ("a switch that is off by default",
     {"settings": set_to(enable_partitionwise_join="off", enable_hashjoin="on")}, []),
    ("less cache than there is", {"tables": (TABLE,), "settings": set_to(
        effective_cache_size=str(8 * MIB), shared_buffers=str(GIB))},
     [("settings.effective-cache-size", NOTE)]),
    ("less cache than there is, of small tables", {"settings": set_to(
        effective_cache_size=str(8 * MIB), shared_buffers=str(GIB))}, []),
    ("a fourth of the machine would hold them",
     {"database": MISSED, "settings": set_to(shared_buffers=str(GIB)), "tables": (HUGE,),
      "machine": ROOMY}, [("settings.shared-buffers", WARNING)]),
    ("a fourth of the machine is theirs already",
     {"database": MISSED, "settings": set_to(shared_buffers=str(16 * GIB)), "tables": (HUGE,),
      "machine": ROOMY}, []),
    ("nobody knows what the machine has",
     {"database": MISSED, "settings": set_to(shared_buffers=str(GIB)), "tables": (HUGE,)}, []),
    ("the planner does not know of the machine's memory",
     {"tables": (HUGE,), "machine": ROOMY, "settings": set_to(
         effective_cache_size=str(4 * GIB), shared_buffers=str(GIB))},
     [("settings.effective-cache-size", NOTE)]),
    ("the planner does not know of memory that no table would fill",
     {"tables": (TABLE,), "machine": ROOMY, "settings": set_to(
         effective_cache_size=str(4 * GIB), shared_buffers=str(GIB))}, []),
    ("the planner knows of memory that nobody else knows of",
     {"tables": (HUGE,), "settings": set_to(
         effective_cache_size=str(4 * GIB), shared_buffers=str(GIB))}, []),
    ("the machine swaps for what the server may take",
     {"machine": SWAPPING, "settings": TAKING}, [("settings.memory", WARNING)]),
    ("the machine has room", {"machine": replace(SWAPPING, available_bytes=2 * GIB),
                              "settings": TAKING}, []),
    ("the machine swapped nothing", {"machine": replace(SWAPPING, swapped_bytes=0),
                                     "settings": TAKING}, []),
    ("another than the server makes the machine swap",
     {"machine": SWAPPING, "settings": set_to(
         shared_buffers=str(GIB), work_mem=str(4 * MIB), max_connections="100")}, []),
    ("the server is elsewhere", {"settings": TAKING}, []),
    ("nobody cleans up", {"autovacuum": Autovacuum(is_on=False),
                          "tables": (replace(TABLE, dead_rows=1_500),)},
     [("settings.autovacuum", WARNING)]),
    ("nobody counts, so nobody sees what is to do",
     {"autovacuum": Autovacuum(is_on=False), "settings": set_to(track_counts="off")},
     [("settings.autovacuum", WARNING)]),
    ("nobody cleans up, and nothing is to do", {"autovacuum": Autovacuum(is_on=False),
                                                "tables": (TABLE,)}, []),
    ("a loss of power damages it", {"settings": set_to(fsync="off", full_page_writes="on")},
     [("settings.unsafe", WARNING)]),
    ("damage is read over", {"settings": set_to(zero_damaged_pages="on")},
     [("settings.unsafe", WARNING)]),
    ("set so for this start, as a test server is",
     {"settings": Settings(by_name={"fsync": Setting(
         value="off", source="command line")})}, []),
    ("safe", {"settings": set_to(fsync="on", zero_damaged_pages="off")}, []),
    ("all is logged", {"database": BUSY, "settings": set_to(log_statement="all")},
     [("settings.logging", WARNING)]),
    ("all of little is logged", {"database": DatabaseStats(commits=10),
                                 "settings": set_to(log_statement="all")}, []),
    ("what is slow is logged", {"database": BUSY, "settings": set_to(
        log_statement="ddl", log_min_duration_statement="500")}, []),
    ("workers are lacking", {"database": DatabaseStats(workers_planned=5_000,
                                                       workers_launched=100)},
     [("settings.parallel-workers", NOTE)]),
    ("workers are there", {"database": DatabaseStats(workers_planned=5_000,
                                                     workers_launched=4_900)}, []),
    ("workers are not told", {"database": DatabaseStats()}, []),
])  # fmt: skip
def test_settings(why: str, changes: dict[str, Any], expected: Said) -> None:
    found = said(replace(EMPTY, **changes))
    assert [one for one in found if one[0].startswith("settings.")] == expected
