"""
DatabasePerformanceAnalyzer: slow statements, missing indexes and the state of the tables.
"""

from __future__ import annotations

from typing import Any

from keiko_perf.diagnosis.collect import autovacuum, statement_statistics, table_statistics
from keiko_perf.diagnosis.evidence import StatementStats
from keiko_perf.diagnosis.frontdoor import missing_indexes
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules.tables import needs_vacuum
from keiko_perf.diagnosis.source import Source
from keiko_perf.errors import DatabaseUnavailable, UsageError
from keiko_perf.model import Gap
from keiko_perf.render import phrase

MOST_SLOW = 20
MOST_CHARACTERS = 200


class DatabasePerformanceAnalyzer:
    """
    Reads what PostgreSQL recorded of itself. It changes nothing, not even the counters.
    """

    def __init__(self, db_session: Source) -> None:
        """
        Args:
            db_session: an AsyncSession, AsyncEngine or database URL. Of a session only its engine
                is used: the questions are asked on a connection of its own.
        """
        self._source = db_session

    async def analyze_slow_queries(self, min_duration_ms: float = 1000) -> list[dict[str, Any]]:
        """
        The 20 statements that are slowest on average, since the statistics began.

        Args:
            min_duration_ms: only those whose mean time is above this.

        Returns:
            For each: `query` (at most 200 characters and an ellipsis), `mean_exec_time_ms`,
            `calls`, `total_exec_time_ms`, `avg_rows`, `cache_hit_percent` (None if it read no
            block).

        Raises:
            DatabaseUnavailable: the database cannot be reached, or has no statement statistics.
        """
        if not 0 <= min_duration_ms < float("inf"):
            raise UsageError(
                f"a duration of {min_duration_ms!r} ms is no limit",
                cure="Pass a number of milliseconds from 0 on",
            )
        async with Database.connect(self._source) as database:
            read = await statement_statistics(
                database, limit=MOST_SLOW, slower_than_s=min_duration_ms / 1000
            )
        if isinstance(read, Gap):
            raise _unavailable(read)
        return [_as_row(one) for one in read.statements]

    async def analyze_missing_indexes(self) -> list[dict[str, Any]]:
        """
        The indexes that the recorded workload lacks, the most useful first.

        Returns:
            For each: `table`, `column` (its columns, joined by a comma), `distinct_values` and
            `correlation` of the first, `suggested_index` (a complete statement), `verified_by`
            and `benefit`.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or has no statement statistics.
        """
        async with Database.connect(self._source) as database:
            return await missing_indexes(database)

    async def get_table_statistics(self) -> list[dict[str, Any]]:
        """
        What happened to each table since its statistics began, the largest first.

        Returns:
            For each: `table`, `inserts`, `updates`, `deletes`, `live_tuples`, `dead_tuples`,
            `dead_tuple_ratio` (0 to 1), `last_vacuum` and `last_analyze` (by hand or automatic;
            None if never), `needs_vacuum` (by autovacuum's own formula).

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        async with Database.connect(self._source) as database:
            tables, _ = await table_statistics(database)
            server = await autovacuum(database)
        return [
            {
                "table": one.full_name,
                "inserts": one.inserts,
                "updates": one.updates,
                "deletes": one.deletes,
                "live_tuples": one.live_rows,
                "dead_tuples": one.dead_rows,
                "dead_tuple_ratio": one.dead_ratio,
                "last_vacuum": one.last_vacuum_at,
                "last_analyze": one.last_analyze_at,
                "needs_vacuum": needs_vacuum(one, server),
            }
            for one in tables
        ]


def _as_row(one: StatementStats) -> dict[str, Any]:
    query = " ".join(one.query.split())
    hit_ratio = one.hit_ratio
    return {
        "query": query if len(query) <= MOST_CHARACTERS else query[:MOST_CHARACTERS] + "…",
        "mean_exec_time_ms": one.mean_s * 1000,
        "calls": one.calls,
        "total_exec_time_ms": one.total_s * 1000,
        "avg_rows": one.rows_per_call,
        "cache_hit_percent": None if hit_ratio is None else hit_ratio * 100,
    }


def _unavailable(gap: Gap) -> DatabaseUnavailable:
    return DatabaseUnavailable(phrase(gap.reason), cure=phrase(gap.remedy))
