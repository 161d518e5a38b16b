"""
A healthy database as evidence, to be changed a little, and what the rules say of it.

What a real server can be made to do is in test_sick_*.py, test_standby.py and test_snapshots.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keiko_perf.diagnosis.evidence import (
    Evidence,
    IndexStats,
    Setting,
    Settings,
    StatementStats,
    TableStats,
)
from keiko_perf.diagnosis.rules import judge
from keiko_perf.model import Severity

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR_BEFORE = AT - timedelta(hours=1)
LONG_BEFORE = AT - timedelta(days=60)
EMPTY = Evidence(read_at=AT, since_at=HOUR_BEFORE, statements_since_at=HOUR_BEFORE)
MIB = 1024 * 1024
GIB = 1024 * MIB
NOTE, WARNING, CRITICAL = Severity.NOTE, Severity.WARNING, Severity.CRITICAL
Said = list[tuple[str, Severity]]
STATEMENT = StatementStats(
    query="SELECT id FROM t WHERE a = $1", calls=1000, total_s=10.0, mean_s=0.01, stddev_s=0.001,
    max_s=0.02, rows=1000, hit_blocks=1000, read_blocks=0, temp_blocks=0,
)  # fmt: skip
TABLE = TableStats(
    schema="public", name="tasks", size_bytes=100 * MIB, estimated_rows=100_000.0,
    inserts=100_000, updates=0, deletes=0, live_rows=100_000, dead_rows=0, modified_rows=0,
    last_vacuum_at=HOUR_BEFORE, last_analyze_at=HOUR_BEFORE, seq_scans=10,
    index_scans=10_000,
)  # fmt: skip
INDEX = IndexStats(
    schema="public", table="tasks", name="tasks_a", shape="a", size_bytes=32 * MIB, scans=500,
    is_valid=True, is_being_built=False, is_unique=False, backs="",
    table_writes=1000, table_scans=50_000, keys=("1 10 0 0",), kind="btree where",
    rows=100_000.0, table_rows=100_000.0, rows_read=500,
)  # fmt: skip


def said(evidence: Evidence) -> Said:
    return [(one.code, one.severity) for one in judge(evidence).findings]


def check(rows: Sequence[tuple[str, dict[str, Any], Said]]) -> Any:
    return pytest.mark.parametrize(
        ("why", "changes", "expected"), rows, ids=[one[0] for one in rows]
    )


def set_to(**values: str) -> Settings:
    """Settings in their plain unit: bytes or seconds."""
    units = {"work_mem": "B", "shared_buffers": "B", "effective_cache_size": "B",
             "max_wal_size": "B", "checkpoint_timeout": "s",
             "idle_in_transaction_session_timeout": "ms"}  # fmt: skip
    return Settings(
        by_name={
            name: Setting(value=value, unit=units.get(name), source="configuration file")
            for name, value in values.items()
        }
    )
