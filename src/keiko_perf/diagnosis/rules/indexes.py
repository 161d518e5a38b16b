"""
Indexes: those that only cost.

Before one is dropped: a standby may use it, and so may a report that runs once a quarter. That is
why nothing here is ever critical.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence, IndexStats
from keiko_perf.diagnosis.parser import quoted
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_BYTES = 1024 * 1024
"""A smaller index costs nothing worth a word."""
LEAST_TABLE_SCANS = 1_000
"""Only when its table was read this often does it tell anything that an index was not used."""
_LARGE_BYTES = 100 * 1024 * 1024
_LINK = "https://www.postgresql.org/docs/current/monitoring-stats.html"


def unused(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.unused`: never scanned, though its table is read a lot."""
    for index in evidence.indexes:
        if index.scans or index.is_unique or index.backs or not index.is_valid:
            continue
        if index.size_bytes < LEAST_BYTES or index.table_scans < LEAST_TABLE_SCANS:
            continue
        since_at = evidence.since_at
        yield Finding(
            code="indexes.unused",
            severity=_severity(index),
            subject=index.full_name,
            summary=say(
                "no query used the index while its table {table} was read {scans:count} times",
                table=index.table,
                scans=index.table_scans,
            ),
            evidence={
                "size_bytes": index.size_bytes,
                "table": index.table,
                "table_rows_written": index.table_writes,
                "counted_since": since_at.isoformat(timespec="seconds") if since_at else None,
            },
            explanation=say(
                "Each write to the table also writes the index. Look at the standbys too, which"
                " count for themselves, and think of jobs that run rarely."
            ),
            cure=_drop(index),
            link=f"{_LINK}#MONITORING-PG-STAT-ALL-INDEXES-VIEW",
        )


def duplicate(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.duplicate`: another index is the same but for its name."""
    groups: defaultdict[tuple[str, str, str], list[IndexStats]] = defaultdict(list)
    for index in evidence.indexes:
        if index.is_valid:
            groups[index.schema, index.table, index.shape].append(index)
    for group in groups.values():
        kept, *others = sorted(
            group, key=lambda one: (not one.backs, not one.is_unique, -one.scans, one.name)
        )
        for index in others:
            # What forbids something that the kept one allows is not a duplicate.
            if index.backs or (index.is_unique and not kept.is_unique):
                continue
            yield Finding(
                code="indexes.duplicate",
                severity=_severity(index),
                subject=index.full_name,
                summary=say(
                    "the index does the same as {kept} on {table}",
                    kept=kept.full_name,
                    table=index.table,
                ),
                evidence={
                    "size_bytes": index.size_bytes,
                    "scans": index.scans,
                    "kept": kept.full_name,
                    "table_rows_written": index.table_writes,
                },
                explanation=say(
                    "Each write to the table writes both; queries need one. What used this one"
                    " will use the other."
                ),
                cure=_drop(index),
                link="https://www.postgresql.org/docs/current/sql-dropindex.html",
            )


def invalid(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.invalid`: left behind by a CREATE INDEX CONCURRENTLY that failed."""
    for index in evidence.indexes:
        if index.is_valid or index.is_being_built:
            continue
        yield Finding(
            code="indexes.invalid",
            severity=Severity.WARNING,
            subject=index.full_name,
            summary=say(
                "the index on {table} is invalid: it is written to, and no query may use it",
                table=index.table,
            ),
            evidence={
                "size_bytes": index.size_bytes,
                "table_rows_written": index.table_writes,
            },
            explanation=say(
                "A CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY did not end well. Drop what"
                " is left, or build it again."
            ),
            cure=f"REINDEX INDEX CONCURRENTLY {_name(index)};",
            link="https://www.postgresql.org/docs/current/sql-createindex.html"
            "#SQL-CREATEINDEX-CONCURRENTLY",
        )


def _severity(index: IndexStats) -> Severity:
    """Space, or work at each write: it is worth a warning only where there is much of either."""
    is_costly = index.size_bytes >= _LARGE_BYTES or index.table_writes >= 1_000_000
    return Severity.WARNING if is_costly else Severity.NOTE


def _drop(index: IndexStats) -> str:
    return f"DROP INDEX CONCURRENTLY {_name(index)};"


def _name(index: IndexStats) -> str:
    schema = "" if index.schema == "public" else f"{quoted(index.schema)}."
    return f"{schema}{quoted(index.name)}"


RULES = (unused, duplicate, invalid)
