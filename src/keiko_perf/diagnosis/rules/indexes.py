"""
Indexes: those that only cost.

Before one is dropped: a standby may use it, and so may a report that runs once a quarter. That is
why nothing here is ever critical.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from keiko_perf.diagnosis.evidence import Evidence, IndexStats
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.rules.writing import MIB, iso, name_of
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_BYTES = 1024 * 1024
"""A smaller index costs nothing worth a word."""
LEAST_TABLE_SCANS = 1_000
"""Only when its table was read this often does it tell anything that an index was not used."""
LEAST_COUNTED = timedelta(days=7)
"""Before a week is over, the weekly jobs have not run."""
LEAST_TRANSACTIONS = 1_000
"""Since it was made; with fewer it has cost nothing yet."""
LEAST_AIR_BYTES = 16 * MIB
LEAST_AIR_RATIO = 0.5
FEW_VALUES = 20
_PAGE_HEADER_BYTES = 40  # with what a B-tree keeps at a page's end
_A_DOUBLE = re.compile(r"_cc(?:new|old)\d*$")
_LARGE_BYTES = 100 * MIB
_LINK = "https://www.postgresql.org/docs/current/monitoring-stats.html"


def unused(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.unused`: never scanned, for long, though its table is read a lot."""
    candidates = [index for index in evidence.indexes if _is_unused(index)]
    counted = evidence.counted
    if candidates and (counted is None or counted < LEAST_COUNTED):
        yield _too_early(len(candidates), evidence)
        return
    for index in candidates:
        since_at = evidence.since_at
        assert since_at is not None
        yield Finding(
            code="indexes.unused",
            severity=_severity(index),
            subject=index.full_name,
            summary=say(
                "no query used the index since {since_at:time}, while its table {table} was read"
                " {scans:count} times",
                since_at=since_at,
                table=index.table_name,
                scans=index.table_scans,
            ),
            evidence={
                "size_bytes": index.size_bytes,
                "table": index.table_name,
                "table_rows_written": index.table_writes,
                "counted_since": iso(since_at),
                "transactions_since_made": index.transactions,
            },
            explanation=say(
                "Each write to the table also writes the index. Look at the standbys too, which"
                " count for themselves, and think of jobs that run rarely."
            ),
            cure=_drop(index),
            link=f"{_LINK}#MONITORING-PG-STAT-ALL-INDEXES-VIEW",
        )


def _is_unused(index: IndexStats) -> bool:
    if index.scans or index.is_unique or index.backs or not index.is_valid:
        return False
    # One that was made a moment ago had no time to be used.
    if index.transactions is not None and index.transactions < LEAST_TRANSACTIONS:
        return False
    return index.size_bytes >= LEAST_BYTES and index.table_scans >= LEAST_TABLE_SCANS


def _too_early(count: int, evidence: Evidence) -> Gap:
    days = LEAST_COUNTED.days
    if evidence.since_at is None:
        return Gap(
            subject=say("whether {count:count} indexes are needed", count=count),
            reason=say("no query used them, but since when that is counted is not known"),
            remedy=say(
                "Look again in {days:count} days: SELECT idx_scan FROM pg_stat_user_indexes",
                days=days,
            ),
        )
    return Gap(
        subject=say("whether {count:count} indexes are needed", count=count),
        reason=say(
            "no query used them, but that is counted only since {since_at:time}",
            since_at=evidence.since_at,
        ),
        remedy=say(
            "Ask again after {then:time}, when rare jobs have run too",
            then=evidence.since_at + LEAST_COUNTED,
        ),
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
                "The CREATE INDEX CONCURRENTLY of a unique index mostly ends so because a value is"
                " there twice, and would again: drop what is left, look for the value, build anew."
            )
            if index.is_unique and not _is_a_double(index)
            else say(
                "A CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY did not end well. Drop what"
                " is left, or build it again."
            ),
            cure=_drop(index) if index.is_unique or _is_a_double(index) else _rebuilt(index),
            link="https://www.postgresql.org/docs/current/sql-createindex.html"
            "#SQL-CREATEINDEX-CONCURRENTLY",
        )


def _is_a_double(index: IndexStats) -> bool:
    """Whether it is what a REINDEX CONCURRENTLY left beside the index that it was to replace."""
    return _A_DOUBLE.search(index.name) is not None


def _rebuilt(index: IndexStats) -> str:
    return f"REINDEX INDEX CONCURRENTLY {_name(index)};"


def redundant(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.redundant`: a wider index begins with the same columns."""
    by_table: defaultdict[tuple[str, str], list[IndexStats]] = defaultdict(list)
    for index in evidence.indexes:
        if index.is_valid and index.keys:
            by_table[index.schema, index.table].append(index)
    for group in by_table.values():
        for index in group:
            if index.is_unique or index.backs or index.has_included:
                continue
            if index.size_bytes < LEAST_BYTES:
                continue
            wider = min(
                (one for one in group if _begins_with(one, index)),
                key=lambda one: one.size_bytes,
                default=None,
            )
            # To read many times as much is no replacement.
            if wider is not None and wider.size_bytes <= 4 * index.size_bytes:
                yield _redundant(index, wider)


def _begins_with(wide: IndexStats, narrow: IndexStats) -> bool:
    width = len(narrow.keys)
    return wide.kind == narrow.kind and len(wide.keys) > width and wide.keys[:width] == narrow.keys


def _redundant(index: IndexStats, wider: IndexStats) -> Finding:
    return Finding(
        code="indexes.redundant",
        severity=_severity(index),
        subject=index.full_name,
        summary=say(
            "the wider index {kept} on {table} begins with the same columns",
            kept=wider.full_name,
            table=index.table_name,
        ),
        evidence={
            "size_bytes": index.size_bytes,
            "scans": index.scans,
            "kept": wider.full_name,
            "kept_size_bytes": wider.size_bytes,
            "table_rows_written": index.table_writes,
        },
        explanation=say(
            "What searches by these columns finds them in the wider index as well. Each write to"
            " the table writes both."
        ),
        cure=_drop(index),
        link="https://www.postgresql.org/docs/current/indexes-multicolumn.html",
    )


def bloated(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.bloated`: most of it is air, by the planner's statistics."""
    for index in evidence.indexes:
        expected = _expected_bytes(index)
        if expected is None or not index.is_valid:
            continue
        air = index.size_bytes - expected
        if air < LEAST_AIR_BYTES or air < LEAST_AIR_RATIO * index.size_bytes:
            continue
        yield Finding(
            code="indexes.bloated",
            severity=Severity.WARNING if air >= 1024 * MIB else Severity.NOTE,
            subject=index.full_name,
            summary=say(
                "about {air:ratio} of the index on {table} is air, {bytes:bytes}",
                air=air / index.size_bytes,
                table=index.table_name,
                bytes=air,
            ),
            evidence={
                "size_bytes": index.size_bytes,
                "expected_bytes": expected,
                "table": index.table_name,
                "scans": index.scans,
            },
            explanation=say(
                "Deleted and moved rows leave half-empty pages behind, which are read and cached"
                " like full ones. It is an estimate; REINDEX makes it as small as it can be."
            ),
            cure=_rebuilt(index),
            link="https://www.postgresql.org/docs/current/routine-reindex.html",
        )


def _expected_bytes(index: IndexStats) -> float | None:
    """The size of a new one, filled to 90 % as usual; equal keys make it smaller still."""
    if index.entry_bytes is None or index.rows is None:
        return None
    per_page = (PAGE_BYTES - _PAGE_HEADER_BYTES) * 0.9
    return (index.rows * index.entry_bytes / per_page + 1) * PAGE_BYTES


def few_values(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.few-values`: each of its scans reads a large part of the table."""
    for index in evidence.indexes:
        rows, distinct = index.table_rows or 0.0, index.distinct_values
        if distinct is None or distinct > FEW_VALUES or index.scans < 20 or rows < 10_000:
            continue
        if index.is_unique or index.backs or index.kind.partition(" ")[2] != "where":
            continue
        per_scan = index.rows_read / index.scans
        if per_scan < 0.1 * rows:
            continue
        yield Finding(
            code="indexes.few-values",
            severity=_severity(index),
            subject=index.full_name,
            summary=say(
                "each scan of the index reads {part:ratio} of its table {table}: its column has"
                " {values:count} values",
                part=min(per_scan / rows, 1.0),
                table=index.table_name,
                values=round(distinct),
            ),
            evidence={
                "scans": index.scans,
                "rows_per_scan": per_scan,
                "distinct_values": round(distinct),
                "size_bytes": index.size_bytes,
                "table_rows_written": index.table_writes,
            },
            explanation=say(
                "An index pays where it leads to few rows. Where only a rare value is searched for,"
                " a partial index on something else WHERE that value holds is smaller and faster."
            ),
            link="https://www.postgresql.org/docs/current/indexes-partial.html",
        )


def foreign_key(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`indexes.foreign-key`: each deleted row searches the whole table that refers to it."""
    for key in evidence.foreign_keys:
        if key.deletes < 10 or key.rows < 10_000:
            continue
        searched = key.deletes * key.rows
        concurrently = "" if key.is_partitioned else "CONCURRENTLY "
        columns = ", ".join(quoted(one) for one in key.columns)
        yield Finding(
            code="indexes.foreign-key",
            severity=Severity.WARNING if searched >= 1e8 else Severity.NOTE,
            subject=f"{key.full_name} ({', '.join(key.columns)})",
            summary=say(
                "no index begins with the columns that refer to {referenced}, from which"
                " {deletes:count} rows were deleted",
                referenced=key.referenced,
                deletes=key.deletes,
            ),
            evidence={
                "constraint": key.name,
                "rows": key.rows,
                "size_bytes": key.size_bytes,
                "deletes": key.deletes,
            },
            explanation=say(
                "For each deleted row the server reads all of {table} to see whether anything"
                " refers to it, and holds its locks meanwhile.",
                table=key.full_name,
            ),
            cure=f"CREATE INDEX {concurrently}ON {name_of(key.schema, key.table)} ({columns});",
            link="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        )


def _severity(index: IndexStats) -> Severity:
    """Space, or work at each write: it is worth a warning only where there is much of either."""
    is_costly = index.size_bytes >= _LARGE_BYTES or index.table_writes >= 1_000_000
    return Severity.WARNING if is_costly else Severity.NOTE


def _drop(index: IndexStats) -> str:
    return f"DROP INDEX CONCURRENTLY {_name(index)};"


def _name(index: IndexStats) -> str:
    return name_of(index.schema, index.name)


RULES = (unused, duplicate, redundant, invalid, bloated, few_values, foreign_key)
