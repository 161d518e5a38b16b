"""
Planner: asks the server for plans, without executing anything.

Statements are planned as they were recorded, with `$1` in place of values, by their generic plan.
VERBOSE, since only then a plan says of which schema a table is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.nodes import Node, index_names, shared_by, table_of
from keiko_perf.diagnosis.pricing.price import Price, TableLocked
from keiko_perf.diagnosis.pricing.walk import visits_of
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.parser import NotUnderstood, written_out
from keiko_perf.errors import DatabaseUnavailable, StatementRefused

GENERIC = {"plan_cache_mode": "force_generic_plan"}
"""The setting of the transaction in which a `Planner` asks."""

_OPTIONS = "FORMAT JSON, VERBOSE"
_PREPARED = "keiko_perf"
_SYNTAX_ERROR = "42601"
LOCK_TIMEOUT = "55P03"
_ASIDE = frozenset({"SubPlan", "InitPlan"})
_GENERIC_PLAN_SINCE = 160000


class Planner:
    """Asks for plans, and counts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rewritten: dict[str, str] = {}
        self.planner_calls = 0

    async def plan(self, text: str, parameters: int) -> dict[str, Any]:
        """
        The plan of a statement.

        Raises:
            StatementRefused: the server cannot plan it.
        """
        plan, _ = await self.plan_after((), text, parameters)
        return plan

    async def plan_after(
        self, before: Sequence[str], text: str, parameters: int
    ) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
        """
        The plan of a statement once others have been carried out, in one message where the driver
        can; and the rows of those.

        Args:
            before: the others, of ours.
            text: the statement.
            parameters: how many `$n` it has.

        Raises:
            StatementRefused: the server cannot plan it, or carry out the others.
        """
        try:
            return await self._explained(before, self._rewritten.get(text, text), parameters)
        except StatementFailed as failure:
            if failure.sqlstate != _SYNTAX_ERROR or text in self._rewritten:
                raise not_planned(failure) from None
        # `interval $1`, as pg_stat_statements writes it, is no SQL: the parser's own words are.
        try:
            self._rewritten[text] = written_out(text)
            return await self._explained(before, self._rewritten[text], parameters)
        except NotUnderstood as error:
            raise StatementRefused(
                f"a statement cannot be read: {error}", cure="Look at it in the workload"
            ) from None
        except StatementFailed as failure:
            raise not_planned(failure) from None

    async def _explained(
        self, before: Sequence[str], text: str, parameters: int
    ) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
        self.planner_calls += 1
        asking, place = self._asking(text, parameters)
        try:
            answers = await self._database.send_together([*before, *asking])
        except StatementFailed:
            if place:
                await forget_prepared(self._database)
            raise
        return _plan_of(answers[len(before) + place]), answers[: len(before)]

    def _asking(self, text: str, parameters: int) -> tuple[list[str], int]:
        """What has to be sent, and the answer to which of it holds the plan."""
        if parameters == 0:
            return [f"EXPLAIN ({_OPTIONS}) {text}"], 0
        if self._database.server.version >= _GENERIC_PLAN_SINCE and self._database.sends_as_text:
            return [f"EXPLAIN ({_OPTIONS}, GENERIC_PLAN) {text}"], 0
        # A statement that stays prepared would keep its plan, whatever indexes come and go.
        nulls = ", ".join(["NULL"] * parameters)
        return [
            f"PREPARE {_PREPARED} AS {text}",
            f"EXPLAIN ({_OPTIONS}) EXECUTE {_PREPARED} ({nulls})",
            f"DEALLOCATE {_PREPARED}",
        ], 1


async def surely(database: Database, sql: str) -> None:
    """Run *sql* to clean up; a connection that was lost, or cancelled, took everything with it."""
    with suppress(DatabaseUnavailable):
        await database.send(sql)


async def forget_prepared(database: Database) -> None:
    """A prepared statement outlives its transaction; a cancellation may have left ours."""
    with suppress(DatabaseUnavailable):
        if await database.rows(
            "SELECT FROM pg_catalog.pg_prepared_statements"
            " WHERE name OPERATOR(pg_catalog.=) CAST(:name AS pg_catalog.text)",
            name=_PREPARED,
        ):
            await surely(database, f"DEALLOCATE {_PREPARED}")


def _plan_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    answer = next(iter(rows[0].values()))
    parsed = json.loads(answer) if isinstance(answer, str | bytes) else answer
    plan: dict[str, Any] = parsed[0]["Plan"]
    return plan


def price_of(plan: dict[str, Any], assumed: Mapping[str, Index]) -> Price:
    """The price of a plan; *assumed* are the indexes in question, by their names."""
    return Price(
        float(plan["Total Cost"]),
        frozenset(assumed[one] for one in index_names(plan) if one in assumed),
        scans=scans_of(plan),
        rows=rows_of(plan),
        given=given_of(plan),
        ways=ways_of(plan),
        visits=visits_of(plan, assumed),
    )


def scans_of(plan: Node) -> dict[TableName, float]:
    """
    What reading each table costs in a plan.

    What a nested loop repeats counts as often, and a subplan as often as what it is part of is
    dearer for it, or once for each row that is given with what it found.
    """
    found: dict[TableName, float] = {}

    def walk(node: Node, times: float) -> None:
        runs = _runs_of_subplans(node)
        if name := table_of(node):
            cost = float(node["Total Cost"])
            cost -= runs * _cost_of_subplans(node) if _are_given(node) else 0.0
            found[name] = found.get(name, 0.0) + times * max(cost, 0.0)
        children = node.get("Plans", ())
        outer_rows = float(children[0]["Plan Rows"]) if children else 1.0
        for child in children:
            relation = child.get("Parent Relationship")
            often = times
            if relation == "SubPlan":
                often = times * runs
            elif relation == "Inner" and node["Node Type"] == "Nested Loop":
                is_kept = child["Node Type"] == "Materialize"
                often = times if is_kept else times * max(outer_rows, 1.0)
            walk(child, often)

    walk(plan, 1.0)
    return found


def _runs_of_subplans(node: Node) -> float:
    """How often a node runs its subplans, by how much more it costs than what it reads from; of a
    table, whose own cost is not told, by the rows, unless they decide which rows it gives."""
    subplans = _cost_of_subplans(node)
    if not subplans:
        return 1.0
    own = float(node["Total Cost"]) - sum(
        float(one["Total Cost"])
        for one in node.get("Plans", ())
        if one.get("Parent Relationship") not in _ASIDE
    )
    runs = max(own / subplans, 1.0)
    return min(max(float(node["Plan Rows"]), 1.0), runs) if _are_given(node) else runs


def _cost_of_subplans(node: Node) -> float:
    """What all subplans of a node cost once."""
    return sum(
        float(one["Total Cost"])
        for one in node.get("Plans", ())
        if one.get("Parent Relationship") == "SubPlan"
    )


def _are_given(node: Node) -> bool:
    """Whether it reads a table, and its subplans only say more of the rows that it gives."""
    return table_of(node) is not None and "SubPlan" not in node.get("Filter", "")


def given_of(plan: Node) -> dict[TableName, float]:
    """
    How many rows each table gives in a plan, after its filters; of several scans the most.

    Of a parallel scan the planner tells each worker's share.
    """
    found: dict[TableName, float] = {}

    def walk(node: Node, workers: int) -> None:
        workers = node.get("Workers Planned", workers)
        if name := table_of(node):
            rows = float(node["Plan Rows"]) * shared_by(node, workers)
            found[name] = max(found.get(name, 0.0), rows)
        for one in node.get("Plans", ()):
            walk(one, workers)

    walk(plan, 0)
    return found


def rows_of(plan: Node) -> float:
    """How many rows a plan expects to give or, where it writes, to change."""
    node = plan
    while node["Node Type"] == "ModifyTable" and node.get("Plans"):
        node = node["Plans"][0]
    return float(node["Plan Rows"])


def ways_of(plan: Node) -> dict[TableName, str]:
    """How a plan first reads each table: `Index Scan using task_pkey`."""
    found: dict[TableName, str] = {}
    if (name := table_of(plan)) and plan["Node Type"] != "ModifyTable":
        names = sorted(index_names(plan))
        found[name] = " ".join([plan["Node Type"], *(["using", ", ".join(names)] if names else [])])
    for one in plan.get("Plans", ()):
        found = ways_of(one) | found
    return found


def not_planned(failure: StatementFailed) -> StatementRefused:
    """Why a statement was not planned: its table is locked, or what the server says."""
    if failure.sqlstate == LOCK_TIMEOUT:
        return TableLocked(failure.what, cure=failure.cure)
    return StatementRefused(
        f"the server cannot plan it: {failure.message}",
        cure="Run EXPLAIN on it to see why",
    )
