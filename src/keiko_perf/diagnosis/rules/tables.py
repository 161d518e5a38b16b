"""
Tables: dead rows that nobody clears away, and statistics that are no longer true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from keiko_perf.diagnosis.evidence import Autovacuum, Evidence, TableStats
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.rules.horizon import keeper_of, kept
from keiko_perf.diagnosis.rules.writing import MIB, iso, name_of
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_ROWS = 1_000
"""Fewer dead or changed rows than this cost nothing."""
BEHIND = 2.0
"""Autovacuum comes by each minute: only at this many times its threshold is it behind."""
JUST_NOW = timedelta(minutes=5)
"""What was cleaned or analysed within this time is not behind, however much has changed since."""
LEAST_AIR_BYTES = 16 * MIB
LEAST_AIR_RATIO = 0.5
_PAGE_HEADER_BYTES = 24
_VACUUM = "https://www.postgresql.org/docs/current/routine-vacuuming.html"


def vacuum_threshold(table: TableStats, server: Autovacuum) -> float:
    """The dead rows from which on autovacuum cleans the table: its own formula."""
    base = setting_of(table.options, "autovacuum_vacuum_threshold", server.vacuum_threshold)
    scale = setting_of(table.options, "autovacuum_vacuum_scale_factor", server.vacuum_scale_ratio)
    cap = setting_of(
        table.options, "autovacuum_vacuum_max_threshold", server.vacuum_max_threshold, least=-1
    )
    threshold = base + scale * (table.estimated_rows or 0.0)
    return min(threshold, cap) if cap >= 0 else threshold


def analyze_threshold(table: TableStats, server: Autovacuum) -> float:
    """The changed rows from which on autovacuum analyses the table."""
    base = setting_of(table.options, "autovacuum_analyze_threshold", server.analyze_threshold)
    scale = setting_of(table.options, "autovacuum_analyze_scale_factor", server.analyze_scale_ratio)
    return base + scale * (table.estimated_rows or 0.0)


def needs_vacuum(table: TableStats, server: Autovacuum) -> bool:
    """Whether by autovacuum's own formula it is time to vacuum the table."""
    return table.dead_rows > vacuum_threshold(table, server)


def is_autovacuumed(table: TableStats, server: Autovacuum) -> bool:
    """Whether anybody cleans the table by itself."""
    own = table.options.get("autovacuum_enabled", "true").lower()
    return server.is_on and own in ("true", "on", "yes", "1", "t", "y")


def dead_tuples(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.dead-tuples`: more dead rows than autovacuum would ever leave."""
    for table in evidence.tables:
        server = evidence.autovacuum
        threshold = vacuum_threshold(table, server)
        watched = is_autovacuumed(table, server)
        if table.dead_rows < max(LEAST_ROWS, threshold * (BEHIND if watched else 1.0)):
            continue
        keeper = keeper_of(table, evidence)
        if watched and keeper is None and _was_just(table.last_vacuum_at, evidence):
            continue
        found = Finding(
            code="tables.dead-tuples",
            severity=_severity(table),
            subject=table.full_name,
            summary=say(
                "{dead_ratio:ratio} of the rows are dead, {factor:factor} what autovacuum allows",
                dead_ratio=table.dead_ratio,
                factor=table.dead_rows / max(threshold, 1.0),
            )
            if watched
            else say(
                "{dead_ratio:ratio} of the rows are dead: autovacuum is off for this table",
                dead_ratio=table.dead_ratio,
            ),
            evidence={
                "dead_rows": table.dead_rows,
                "live_rows": table.live_rows,
                "dead_ratio": table.dead_ratio,
                "autovacuum_threshold_rows": threshold,
                "size_bytes": table.size_bytes,
                "last_vacuum_at": iso(table.last_vacuum_at),
            },
            explanation=say(
                "Each scan reads the dead rows too. They stay as long as no vacuum comes by, or"
                " while a long transaction or a replication slot still could see them."
            ),
            cure=f"VACUUM (ANALYZE) {_name(table)};",
            link=f"{_VACUUM}#VACUUM-FOR-SPACE-RECOVERY",
        )
        yield kept(found, keeper)


def _severity(table: TableStats) -> Severity:
    dead_bytes = table.size_bytes * table.dead_ratio
    if dead_bytes >= 1024 * MIB and table.dead_ratio >= 0.5:
        return Severity.CRITICAL
    return Severity.WARNING if dead_bytes >= 16 * MIB else Severity.NOTE


def stale_statistics(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.stale-statistics`: the planner guesses, or knows what was true long ago."""
    for table in evidence.tables:
        threshold = analyze_threshold(table, evidence.autovacuum)
        # CREATE INDEX and VACUUM count the rows too: an estimate alone proves no ANALYZE.
        never = table.last_analyze_at is None and (
            table.estimated_rows is None or table.modified_rows >= table.live_rows > 0
        )
        watched = is_autovacuumed(table, evidence.autovacuum)
        least = max(LEAST_ROWS, threshold * (BEHIND if watched else 1.0))
        is_small = max(table.live_rows, table.estimated_rows or 0) < LEAST_ROWS
        if is_small or (watched and _was_just(table.last_analyze_at, evidence)):
            continue
        if table.modified_rows < least and not (never and table.live_rows >= LEAST_ROWS):
            continue
        yield Finding(
            code="tables.stale-statistics",
            severity=_staleness(table),
            subject=table.full_name,
            summary=say("the table was never analysed: the planner guesses")
            if never
            else say(
                "{modified:count} rows changed since the planner's statistics were taken",
                modified=table.modified_rows,
            ),
            evidence={
                "modified_rows": table.modified_rows,
                "live_rows": table.live_rows,
                "autoanalyze_threshold_rows": threshold,
                "last_analyze_at": iso(table.last_analyze_at),
            },
            explanation=say(
                "The planner chooses by these statistics; where they are wrong it takes the wrong"
                " index or join."
            ),
            cure=f"ANALYZE {_name(table)};",
            link=f"{_VACUUM}#VACUUM-FOR-STATISTICS",
        )


def _was_just(at: datetime | None, evidence: Evidence) -> bool:
    return at is not None and evidence.read_at - at < JUST_NOW


def _staleness(table: TableStats) -> Severity:
    is_large = table.live_rows >= 10 * LEAST_ROWS
    is_different = table.modified_rows >= 0.5 * table.live_rows
    return Severity.WARNING if is_large and is_different else Severity.NOTE


def setting_of(options: Mapping[str, str], name: str, default: float, *, least: float = 0) -> float:
    """A table's own setting; PostgreSQL takes one below its least value for "not set"."""
    try:
        own = float(options[name])
    except (KeyError, ValueError):
        return default
    return own if own >= least else default


def bloated(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.bloated`: most of it is air, by the planner's statistics."""
    for table in evidence.tables:
        expected = _expected_bytes(table)
        if expected is None or table.last_analyze_at is None:
            continue
        own_bytes = table.size_bytes - table.toast_bytes
        air = own_bytes - expected
        if air < LEAST_AIR_BYTES or air < LEAST_AIR_RATIO * own_bytes:
            continue
        yield Finding(
            code="tables.bloated",
            severity=Severity.WARNING if air >= 1024 * MIB else Severity.NOTE,
            subject=table.full_name,
            summary=say(
                "about {air:ratio} of the table is air, {bytes:bytes}",
                air=air / own_bytes,
                bytes=air,
            ),
            evidence={
                "size_bytes": own_bytes,
                "expected_bytes": expected,
                "live_rows": table.live_rows,
                "dead_rows": table.dead_rows,
                "last_vacuum_at": iso(table.last_vacuum_at),
            },
            explanation=say(
                "Dead rows were cleaned up late, and their room stays with the table: every scan"
                " reads it. It is an estimate; what is written next fills the room again."
            ),
            cure=f"VACUUM (FULL, ANALYZE) {_name(table)}; -- locks it; pg_repack does not",
            link=f"{_VACUUM}#VACUUM-FOR-SPACE-RECOVERY",
        )


def _expected_bytes(table: TableStats) -> float | None:
    """The size without air, filled as its fillfactor says."""
    if table.row_bytes is None or not table.estimated_rows:
        return None
    fill = setting_of(table.options, "fillfactor", 100.0, least=10) / 100
    per_page = (PAGE_BYTES - _PAGE_HEADER_BYTES) * fill
    return (table.estimated_rows * table.row_bytes / per_page + 1) * PAGE_BYTES


def cold_updates(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.cold-updates`: most updates write all indexes, for want of room on the page."""
    for table in evidence.tables:
        if table.updates < 100_000 or "fillfactor" in table.options:
            continue
        if table.size_bytes - table.toast_bytes < 8 * MIB:
            continue
        hot, moved = table.hot_updates / table.updates, table.moved_updates
        # What was not moved and not HOT changed an indexed column: room would not have helped.
        if hot >= 0.5 or (moved is not None and moved < 0.3 * table.updates):
            continue
        yield Finding(
            code="tables.cold-updates",
            severity=Severity.NOTE,
            subject=table.full_name,
            summary=say(
                "only {hot:ratio} of {updates:count} updates spared the table's indexes",
                hot=hot,
                updates=table.updates,
            ),
            evidence={
                "updates": table.updates,
                "hot_updates": table.hot_updates,
                "moved_updates": moved,
                "size_bytes": table.size_bytes,
            },
            explanation=say(
                "An update that finds room on its row's page and sets no indexed column writes no"
                " index. Leave room on the pages, and drop indexes on columns that always change."
            ),
            cure=f"ALTER TABLE {_name(table)} SET (fillfactor = 85);",
            link="https://www.postgresql.org/docs/current/storage-hot.html",
        )


def no_primary_key(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.no-primary-key`: rows that are changed one by one cannot be told apart."""
    for table in evidence.tables:
        if table.has_primary_key or table.is_partition or table.live_rows < LEAST_ROWS:
            continue
        if table.updates + table.deletes < LEAST_ROWS:
            continue
        yield Finding(
            code="tables.no-primary-key",
            severity=Severity.NOTE,
            subject=table.full_name,
            summary=say(
                "the table has no primary key, and {changed:count} of its rows were changed",
                changed=table.updates + table.deletes,
            ),
            evidence={
                "live_rows": table.live_rows,
                "updates": table.updates,
                "deletes": table.deletes,
                "seq_scans": table.seq_scans,
            },
            explanation=say(
                "Without a key each change searches for its row by other means, duplicates go"
                " unseen, and logical replication sends whole rows or refuses to."
            ),
            cure=f"ALTER TABLE {_name(table)} ADD PRIMARY KEY (…);",
            link="https://www.postgresql.org/docs/current/ddl-constraints.html"
            "#DDL-CONSTRAINTS-PRIMARY-KEYS",
        )


def _name(table: TableStats) -> str:
    return name_of(table.schema, table.name)


RULES = (dead_tuples, stale_statistics, bloated, cold_updates, no_primary_key)
