"""
Explaining: asks the planner, and the catalog, why the slowest statements take long. It only reads.

A statement is planned for any values and never executed. One that cannot be planned (its tables are
somebody else's, or it is written for another search path) stays without a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from keiko_perf.diagnosis.catalog import find_table
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.plans.explain import estimated
from keiko_perf.diagnosis.plans.plan import Plan
from keiko_perf.diagnosis.plans.safety import inspect
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules.statements import LEAST_MEAN_S
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.doctor.reasons import is_misjudged, operation, reason, written_table
from keiko_perf.doctor.shape import is_same, shape
from keiko_perf.doctor.symptoms import Reason
from keiko_perf.errors import StatementRefused, UsageError
from keiko_perf.model import Finding

MOST_EXPLAINED = 5
MOST_REPLACED = 20
LEAST_SHARE = 0.05
"""Of the time of all statements: what takes less is no cause."""


async def explained(
    database: Database,
    statements: Sequence[Statement],
    evidence: Evidence,
    findings: Sequence[Finding],
    *,
    is_late: Callable[[], bool],
) -> tuple[Reason, ...]:
    """
    Why the slowest statements take long, of those for which anything tells it.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    found = []
    for query in _slowest(statements):
        plan = None if is_late() else await _plan(database, query)
        triggers = () if plan is None else await _triggers(database, query, plan)
        one = reason(
            next((one for one in evidence.statements if is_same(one.query, query)), None),
            plan=plan,
            findings=findings,
            evidence=evidence,
            triggers=triggers,
        )
        if one is not None:
            found.append(
                Reason(
                    statement=query,
                    finding=one,
                    is_before_index=plan is not None and is_misjudged(plan, one),
                )
            )
    return tuple(found)


async def as_sent(
    database: Database, statements: Sequence[Statement], sent: Iterable[str]
) -> list[Statement]:
    """
    The statements, each as its service sent it where the server cannot plan what it wrote down.

    pg_stat_statements puts a parameter of no type in the place of each value. `date_column + $1` is
    then ambiguous, where `date_column + 3` was not.

    Args:
        statements: as the server has them, of which the first are asked for.
        sent: the texts that the service knows.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    by_shape = {shape(one): one for one in sent}
    found = []
    for number, one in enumerate(statements):
        own = by_shape.get(shape(one.text))
        is_refused = (
            number < MOST_REPLACED
            and own is not None
            and own != one.text
            and await _plan(database, one.text) is None
            and await _plan(database, own) is not None
        )
        found.append(replace(one, text=own) if own is not None and is_refused else one)
    return found


def _slowest(statements: Iterable[Statement]) -> list[str]:
    known = list(statements)
    least_s = LEAST_SHARE * sum(one.total_s for one in known)
    slow = [
        one for one in known if one.calls and one.total_s >= max(least_s, LEAST_MEAN_S * one.calls)
    ]
    slow.sort(key=lambda one: -one.total_s)
    return [one.text for one in slow[:MOST_EXPLAINED]]


async def _plan(database: Database, query: str) -> Plan | None:
    try:
        return await estimated(database, inspect(query))
    except (StatementRefused, StatementFailed, UsageError):
        return None


async def _triggers(database: Database, query: str, plan: Plan) -> tuple[str, ...]:
    """What a write fires for each row, without the server's own checks of keys."""
    written, bit = written_table(plan), _BITS.get(operation(plan), 0)
    if written is None or not bit:
        return ()
    try:
        table = await find_table(database, _as_written(query, written))
        if table is None:
            return ()
        rows = await database.rows(_TRIGGERS, schema=table.schema, table=table.name, bit=bit)
    except StatementFailed:
        return ()
    return tuple(f"{row['trigger']} ({row['function']})" for row in rows)


def _as_written(query: str, table: str) -> str:
    """A table of the plan, which tells no schema, with the one that the statement names."""
    named = re.search(rf'("[^"]+"|\w+)\s*\.\s*"?{re.escape(table)}"?(?!\w)', query)
    return f"{named[1]}.{quoted(table)}" if named else quoted(table)


_BITS = {"Insert": 4, "Delete": 8, "Update": 16}
"""As pg_trigger.tgtype has them; 1 is FOR EACH ROW."""

_TRIGGERS = """
SELECT t.tgname::text AS trigger, p.proname::text AS function
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = CAST(:schema AS text) AND c.relname = CAST(:table AS text)
  AND NOT t.tgisinternal AND t.tgenabled <> 'D'
  AND (t.tgtype & 1) <> 0 AND (t.tgtype & CAST(:bit AS int)) <> 0
ORDER BY t.tgname LIMIT 3
"""
