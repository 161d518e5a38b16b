"""
A statement's plan: measured where it provably only reads, estimated otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.plans.doubt import doubt
from keiko_perf.diagnosis.plans.plan import Plan, read_plan
from keiko_perf.diagnosis.plans.prices import prices
from keiko_perf.diagnosis.plans.safety import Inspected, inspect
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.errors import StatementRefused
from keiko_perf.model import Message, Section, say

_NAME = "keiko_perf_explained"
_NOT_ITS_FAULT = ("55P03", "57014")
"""A lock or the statement timeout: the error says so itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """
    Attributes:
        plan: the plan; with times only if it was executed.
        why_not_executed: why the statement was planned only; None if it was executed.
        prices: what it costs for the values that are there, if it has parameters.
    """

    plan: Plan
    why_not_executed: Message | None
    prices: Section | None = None


async def explain(database: Database, sql: str, *, execute: bool = True) -> Explained:
    """
    Plan one statement, and execute it if nothing can be changed by that.

    Execution runs in a read-only transaction under the database's statement timeout, and is
    rolled back. Where it does not end in time or fails, the plan alone is the answer.

    Args:
        execute: False plans only.

    Raises:
        NotOneStatement: it is not one statement that has a plan.
        StatementRefused: the server cannot plan it.
        DatabaseUnavailable: the connection was lost, or a table stays locked by somebody.
    """
    inspected = inspect(sql)
    why = say("execution was not asked for") if not execute else await doubt(database, inspected)
    if why is None:
        try:
            return Explained(plan=await _measured(database, sql), why_not_executed=None)
        except StatementFailed as error:
            why = _why_it_failed(error)
    plan = await estimated(database, inspected)
    priced = await prices(database, inspected, plan)
    return Explained(plan=plan, why_not_executed=why, prices=priced)


async def estimated(database: Database, inspected: Inspected) -> Plan:
    """
    The plan without executing; with `$1` in it, the plan for any value.

    Raises:
        StatementRefused: the server cannot plan it.
    """
    try:
        if not inspected.parameters:
            return _plan_of(await database.send(f"EXPLAIN (FORMAT JSON) {inspected.sql}"))
        if database.server.major >= 16 and database.sends_as_text:
            sent = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {inspected.sql}"
            return _plan_of(await database.send(sent))
        return await _generic(database, inspected)
    except StatementFailed as error:
        if error.sqlstate in _NOT_ITS_FAULT:
            raise
        raise StatementRefused(
            f"the server cannot plan the statement: {error.message}",
            cure="Check the names in it, the search_path, and that the user may read the tables",
        ) from None


async def _measured(database: Database, sql: str) -> Plan:
    return _plan_of(await database.send(f"EXPLAIN (ANALYZE, BUFFERS, SETTINGS, FORMAT JSON) {sql}"))


async def _generic(database: Database, inspected: Inspected) -> Plan:
    """Before PostgreSQL 16 a prepared statement is the way to a plan for any value."""
    nulls = ", ".join(["NULL"] * inspected.parameters)
    async with database.transaction(settings={"plan_cache_mode": "force_generic_plan"}):
        await database.send(f"PREPARE {_NAME} AS {inspected.sql}")
        try:
            return _plan_of(await database.send(f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME} ({nulls})"))
        finally:
            await database.send(f"DEALLOCATE {_NAME}")


def _plan_of(rows: list[dict[str, object]]) -> Plan:
    return read_plan(next(iter(rows[0].values())))


def _why_it_failed(error: StatementFailed) -> Message:
    if error.sqlstate == "57014":
        return say("it did not end before the statement timeout")
    return say("it failed when it was executed: {message}", message=error.message)
