"""
QueryOptimizer: what a statement's plan tells, and which indexes a table lacks.
"""

from __future__ import annotations

from typing import Any

from keiko_perf.diagnosis.frontdoor import suggest_for_table
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules.plans import judge_plan
from keiko_perf.diagnosis.source import Source
from keiko_perf.errors import UsageError
from keiko_perf.model import Finding, say
from keiko_perf.render import phrase


class QueryOptimizer:
    """
    Says why a statement is slow, and which indexes would serve the recorded workload.

    Nothing is changed: a statement is executed only if it provably only reads, in a read-only
    transaction under a timeout that is rolled back.
    """

    def __init__(self, db_session: Source, *, statement_timeout_s: float = 30.0) -> None:
        """
        Args:
            db_session: an AsyncSession, AsyncEngine or database URL. Of a session only its engine
                is used: the statement runs on a connection of its own.
            statement_timeout_s: how long a statement may be executed.
        """
        self._source = db_session
        self._statement_timeout_s = statement_timeout_s

    async def analyze_query_plan(self, query: str) -> dict[str, Any]:
        """
        Explain a statement, and say what in its plan costs too much.

        Args:
            query: one SQL statement; with `$1` in it, it is planned for any value, and priced for
                the most common and a rare one of the column that `$1` is compared with.

        Returns:
            `total_cost` (the planner's), `execution_time` and `planning_time` (ms; None where not
            measured), `recommendations` (sentences), `findings` (the same as values), `plan` (the
            tree), `executed`, and `not_executed_because` (None if it was).

        Raises:
            StatementRefused: it is not one statement that has a plan.
            DatabaseUnavailable: the database cannot be reached.
        """
        async with Database.connect(
            self._source, statement_timeout_s=self._statement_timeout_s
        ) as database:
            explained = await explain(database, query)
        plan, findings = explained.plan, judge_plan(explained.plan)
        if explained.prices is not None:
            findings += explained.prices.findings
        why = explained.why_not_executed
        return {
            "total_cost": plan.total_cost,
            "execution_time": _ms(plan.execution_s),
            "planning_time": _ms(plan.planning_s),
            "recommendations": [_sentence(one) for one in findings] or [phrase(_HEALTHY)],
            "findings": list(findings),
            "plan": plan,
            "executed": plan.executed,
            "not_executed_because": None if why is None else phrase(why),
        }

    async def suggest_index_optimizations(self, table_name: str) -> list[str]:
        """
        The indexes on a table that the recorded workload would use, each priced by the planner.

        Args:
            table_name: as in SQL: with its schema if that is not in the search path.

        Returns:
            Complete `CREATE INDEX` statements, the most useful first; empty if none would pay.
            One that could not be priced says so in a comment at its end.

        Raises:
            UsageError: there is no such table.
            DatabaseUnavailable: the database cannot be reached, or has no statement statistics.
        """
        if not table_name.strip() or "\0" in table_name:
            raise UsageError(
                f"{table_name!r} is not the name of a table",
                cure="Write its name, with its schema if that is not on the search_path",
            )
        async with Database.connect(
            self._source, statement_timeout_s=self._statement_timeout_s
        ) as database:
            return await suggest_for_table(database, table_name)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


_HEALTHY = say("Nothing to do here: no part of the plan costs more than it should.")


def _sentence(finding: Finding) -> str:
    parts = [f"{finding.subject}: {phrase(finding.summary)}."]
    if finding.explanation is not None:
        parts.append(phrase(finding.explanation))
    if finding.cure is not None:
        parts.append(finding.cure)
    return " ".join(parts)
