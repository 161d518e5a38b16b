"""
Front doors: the advisor's answers as the guide's two functions give them.
"""

from __future__ import annotations

from typing import Any

from keiko_perf.diagnosis.advice.advice import AdvisedIndex
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.catalog import find_table, recorded_workload
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.price import Pricer
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Workload
from keiko_perf.errors import UsageError


async def missing_indexes(
    database: Database, *, workload: Workload | None = None, pricer: Pricer | None = None
) -> list[dict[str, Any]]:
    """
    The indexes that the workload lacks, the most useful first.

    Args:
        database: where the tables are.
        workload: what is sent to it; by default what pg_stat_statements has recorded.
        pricer: who says what an index would bring; HypoPG by default, if it is there.

    Returns:
        For each: `table`; `column` (the names joined by a comma) and `columns`; `distinct_values`
        and `correlation` of the first column (None if not known); `suggested_index`, a complete
        statement; `verified_by` (None: it was not verified); `benefit`, the share of the
        workload's cost that it saves, 0 to 1 (None if not verified).

    Raises:
        DatabaseUnavailable: nothing recorded the workload, or the connection was lost.
    """
    if workload is None:
        workload = await recorded_workload(database)
    advice = await advise(database, workload, pricer=pricer)
    return [_row(one) for one in advice.indexes]


async def suggest_for_table(
    database: Database,
    table: str,
    *,
    workload: Workload | None = None,
    pricer: Pricer | None = None,
) -> list[str]:
    """
    The CREATE INDEX statements for one table, the most useful first.

    Args:
        database: where the table is.
        table: its name, such as `tasks` or `app.tasks`.
        workload: what is sent to it; by default what pg_stat_statements has recorded.
        pricer: who says what an index would bring; HypoPG by default, if it is there.

    Returns:
        Complete statements; one that nobody verified says so in a comment at its end.

    Raises:
        UsageError: there is no such table.
        DatabaseUnavailable: nothing recorded the workload, or the connection was lost.
    """
    name = await find_table(database, table)
    if name is None:
        raise UsageError(
            f"there is no table {table!r} in the database {database.server.database!r}",
            cure="Write its name as it is stored, with its schema if that is not on the"
            " search_path, such as app.tasks",
        )
    if workload is None:
        workload = await recorded_workload(database)
    spoken_of = Workload.of(
        one
        for one in workload.statements
        if name.name in {table.name for table in read(one.text).tables}
        or name.name in {write.table.name for write in read(one.text).writes}
    )
    advice = await advise(database, spoken_of, pricer=pricer)
    return [_statement(one) for one in advice.indexes if one.index.table == name]


def _row(advised: AdvisedIndex) -> dict[str, Any]:
    columns = advised.index.columns
    first = advised.table.columns.get(columns[0])  # an expression is no column
    distinct = first.distinct if first else None
    return {
        "table": advised.table.shown_name,
        "column": ", ".join(columns),
        "columns": list(columns),
        "distinct_values": None if distinct is None else round(distinct),
        "correlation": first.correlation if first else None,
        "suggested_index": advised.statement + ";",
        "verified_by": advised.verified_by,
        "benefit": advised.benefit_ratio,
    }


def _statement(advised: AdvisedIndex) -> str:
    if advised.verified_by is None:
        return f"{advised.statement}; -- not verified: HypoPG is not there"
    return f"{advised.statement};"
