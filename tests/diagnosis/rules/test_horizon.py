"""Who keeps dead rows from being removed, and who cannot be called the cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.diagnosis.rules.judging import AT, EMPTY, HOUR_BEFORE, TABLE

from keiko_perf.diagnosis.evidence import (
    Connections,
    Evidence,
    PreparedTransaction,
    Replication,
    Session,
    Slot,
    Standby,
)
from keiko_perf.diagnosis.rules import judge
from keiko_perf.model import Finding

IDLE = Session(
    pid=7, user="app", application="report", state="idle in transaction", transaction_s=20.0,
    state_s=5.0, holds_back_rows=9,
)  # fmt: skip
BUSY = replace(IDLE, state="active", query="SELECT 1")
PREPARED = PreparedTransaction(name="it's", age_s=5.0, user="app", holds_back_rows=9)
SLOT = Slot(
    name="old", kind="physical", is_active=False, wal_status="reserved", kept_bytes=1.0,
    holds_back_rows=9,
)  # fmt: skip
STANDBY = Standby(
    name="west", state="streaming", sync_state="async", behind_bytes=0.0, behind_s=None,
    holds_back_rows=9,
)  # fmt: skip
VACUUM = "VACUUM (ANALYZE) tasks;"


def dead(*, last_vacuum_at: Any = HOUR_BEFORE, **changes: Any) -> Evidence:
    table = replace(TABLE, dead_rows=90_000, last_vacuum_at=last_vacuum_at)
    known = {name: changes.pop(name) for name in ("sessions", "prepared") if name in changes}
    followed = {name: changes.pop(name) for name in ("slots", "standbys") if name in changes}
    return replace(
        EMPTY,
        tables=(table,),
        connections=Connections(used=1, most=100, **known),
        replication=Replication(**followed),
        **changes,
    )


def told(evidence: Evidence) -> Finding:
    (found,) = (one for one in judge(evidence).findings if one.code == "tables.dead-tuples")
    return found


@pytest.mark.parametrize(("why", "changes", "who", "cure"), [
    ("idle in its transaction", {"sessions": (IDLE,)}, "pid 7, report, app",
     f"SELECT pg_terminate_backend(7); {VACUUM}"),
    ("of another database", {"sessions": (replace(IDLE, is_here=False),)}, None, VACUUM),
    ("sees nothing any more", {"sessions": (replace(IDLE, holds_back_rows=None),)}, None, VACUUM),
    ("at work for a moment", {"sessions": (BUSY,)}, None, VACUUM),
    ("at work for long", {"sessions": (replace(BUSY, transaction_s=100.0),)},
     "pid 7, report, app", f"SELECT pg_cancel_backend(7); {VACUUM}"),
    ("at work when a vacuum came by", {"sessions": (BUSY,), "last_vacuum_at": AT},
     "pid 7, report, app", f"SELECT pg_cancel_backend(7); {VACUUM}"),
    ("a vacuum itself", {"sessions": (replace(BUSY, transaction_s=100.0, query="vacuum t"),)},
     None, VACUUM),
    ("prepared", {"prepared": (PREPARED,)}, "'it''s'",
     f"ROLLBACK PREPARED 'it''s'; {VACUUM}"),
    ("a slot that nobody uses", {"slots": (SLOT,)}, "old",
     f"SELECT pg_drop_replication_slot('old'); {VACUUM}"),
    ("a logical slot, which keeps the catalog alone",
     {"slots": (replace(SLOT, holds_back_all=False),)}, None, VACUUM),
    ("a slot in use that is not far behind", {"slots": (replace(SLOT, is_active=True),)},
     None, VACUUM),
    ("a slot in use that is far behind",
     {"slots": (replace(SLOT, is_active=True, holds_back_rows=20_000),)}, "old", VACUUM),
    ("a standby that is not far behind", {"standbys": (STANDBY,)}, None, VACUUM),
    ("a query on a standby", {"standbys": (replace(STANDBY, holds_back_rows=20_000),)},
     "west", VACUUM),
    ("the oldest of several",
     {"sessions": (IDLE,), "slots": (replace(SLOT, holds_back_rows=10),)}, "old",
     f"SELECT pg_drop_replication_slot('old'); {VACUUM}"),
])  # fmt: skip
def test_who_keeps_dead_rows(why: str, changes: dict[str, Any], who: str | None, cure: str) -> None:
    found = told(dead(**changes))
    assert (found.evidence.get("kept_by"), found.cure) == (who, cure)


def test_a_table_that_a_vacuum_has_just_left_is_no_news_unless_somebody_keeps_its_rows() -> None:
    assert not judge(dead(last_vacuum_at=AT)).findings
    assert told(dead(last_vacuum_at=AT, sessions=(IDLE,))).evidence["kept_by"]


@pytest.mark.parametrize(
    ("held", "who"), [(400_000_000, "pid 7, report, app"), (100_000_000, None)]
)
def test_who_is_younger_than_what_autovacuum_freezes_is_not_why_it_does_not(
    held: int, who: str | None
) -> None:
    known = Connections(used=1, most=100, sessions=(replace(IDLE, holds_back_rows=held),))
    old = replace(TABLE, frozen_age=400_000_001)
    found = judge(replace(EMPTY, tables=(old,), connections=known)).findings
    (told,) = (one for one in found if one.code == "tables.wraparound")
    assert told.evidence.get("kept_by") == who
