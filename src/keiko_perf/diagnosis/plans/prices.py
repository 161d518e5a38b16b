"""
Prices of parameters: what a statement with `$1` in it costs for the values that are really there.

A statement that is quick for one tenant and slow for another has one plan for any value, and a
price for each. For each parameter that is compared with a column, the column's most common value
and a rare one are put in its place, one after the other, and the planner is asked. Nothing is
executed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.plans.plan import Plan, read_plan
from keiko_perf.diagnosis.plans.safety import Inspected
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.statements.parameters import numbers_of
from keiko_perf.diagnosis.statements.parser import ast, children, literal, parse
from keiko_perf.diagnosis.statements.tree import names_of
from keiko_perf.model import (
    Column,
    Finding,
    Gap,
    Message,
    Section,
    Severity,
    Table,
    Text,
    say,
)

MOST_PARAMETERS = 8
SKEWED = 10.0
"""From this factor on the dearest value's plan is told beside the cheapest one's."""
LEAST_COST = 500.0
_NAME = "keiko_perf_priced"
_COMPARED = ("=", "<", ">", "<=", ">=", "<>")
_PAGE = "20"
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """
    Attributes:
        parameter: the number of the parameter that got a value; None of the plan for any value.
        column: the column that it is compared with.
        value: what was put in its place.
        frequency: the share of the rows that have it; None if that is not known.
        plan: what the planner makes of it.
    """

    parameter: int | None
    column: str | None = None
    value: str | None = None
    frequency: float | None = None
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    frequency: float | None


@dataclass(frozen=True, slots=True)
class _Choice:
    """What there is to put in the place of a parameter, the most common first."""

    column: str | None
    values: tuple[_Value, ...]


async def prices(database: Database, inspected: Inspected, generic: Plan) -> Section | None:
    """
    A section that tells the prices; None if the statement has no parameter.

    Args:
        generic: its plan for any value.
    """
    if not inspected.parameters:
        return None
    choices = [await _choice(database, inspected, i) for i in range(1, inspected.parameters + 1)]
    unknown = [i for i, one in enumerate(choices, 1) if not one.values]
    if unknown or inspected.parameters > MOST_PARAMETERS:
        return _section([Price(parameter=None, plan=generic)], (_gap(unknown),))
    found = [Price(parameter=None, plan=generic)]
    try:
        found += await _priced(database, inspected, choices)
    except StatementFailed as error:
        return _section(found, (_refused(error.message),))
    return _section(found, ())


async def _priced(database: Database, inspected: Inspected, choices: list[_Choice]) -> list[Price]:
    found: list[Price] = []
    usual = [one.values[0].text for one in choices]
    async with database.transaction(settings={"plan_cache_mode": "force_custom_plan"}):
        await database.send(f"PREPARE {_NAME} AS {inspected.sql}")
        try:
            for place, choice in enumerate(choices):
                for value in choice.values if choice.column else ():
                    texts = [*usual[:place], value.text, *usual[place + 1 :]]
                    literals = ", ".join(map(literal, texts))
                    rows = await database.send(
                        f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME} ({literals})"
                    )
                    found.append(
                        Price(
                            parameter=place + 1,
                            column=choice.column,
                            value=value.text,
                            frequency=value.frequency,
                            plan=read_plan(next(iter(rows[0].values()))),
                        )
                    )
        finally:
            await database.send(f"DEALLOCATE {_NAME}")
    return found


async def _choice(database: Database, inspected: Inspected, number: int) -> _Choice:
    statement = parse(inspected.sql)
    if (
        number in set(numbers_of((statement.limitCount, statement.limitOffset)))
        if isinstance(statement, ast.SelectStmt)
        else False
    ):
        return _Choice(None, (_Value(_PAGE, None),))
    for names, is_own in _compared_with(statement):
        if is_own == number:
            tables = sorted({name for _, name in inspected.relations})
            return await _values(database, statement, names, tables)
    return _Choice(None, ())


async def _values(
    database: Database, statement: Any, names: tuple[str, ...], tables: list[str]
) -> _Choice:
    """What the statistics know of a column's values."""
    if len(names) > 1:
        aliased = dict(_aliases(statement))
        tables = [aliased.get(names[-2], names[-2])]
    row = await database.row(_STATISTICS, tables=tables, column=names[-1])
    if row is None:
        return _Choice(None, ())
    common = json.loads(row["common"]) if row["common"] else []
    bounds = json.loads(row["bounds"]) if row["bounds"] else []
    frequencies = list(row["frequencies"] or [])
    values = [_Value(_text(v), f) for v, f in zip(common, frequencies, strict=False)]
    rare = [_Value(_text(bounds[len(bounds) // 2]), None)] if bounds else []
    told = [*values[:1], *(rare or values[-1:])]
    distinct = tuple(dict.fromkeys(told))
    return _Choice(f"{row['table']}.{names[-1]}", distinct)


def _compared_with(statement: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    """The columns that parameters are compared with, each with the number of the parameter."""
    for node in _walk(statement):
        if not isinstance(node, ast.A_Expr) or str(node.name[-1].sval) not in _COMPARED:
            continue
        for side, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            if isinstance(side, ast.ColumnRef) and names_of(side):
                yield from ((names_of(side), number) for number in numbers_of(other))


def _aliases(statement: Any) -> Iterator[tuple[str, str]]:
    for node in _walk(statement):
        if isinstance(node, ast.RangeVar) and node.alias:
            yield str(node.alias.aliasname), str(node.relname)


def _walk(root: Any) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        one = waiting.pop(0)
        yield one
        waiting.extend(children(one))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _section(found: list[Price], gaps: tuple[Gap, ...]) -> Section:
    table = Table(
        title=say("What the planner expects for different values"),
        columns=(
            Column(say("Parameter"), "text"),
            Column(say("Value"), "text"),
            Column(say("Share of the rows"), "ratio"),
            Column(say("Cost"), "number"),
            Column(say("Rows expected"), "count"),
            Column(say("Way"), "text"),
        ),
        rows=tuple(_row(one) for one in found),
    )
    return Section(
        title=say("Prices of its parameters"),
        findings=tuple(_skewed(found)),
        tables=(table,),
        gaps=gaps,
    )


def _row(price: Price) -> tuple[object, ...]:
    value: Text = say("any value")
    if price.value is not None:
        cut = len(price.value) > _LONGEST_VALUE
        value = f"{price.value[: _LONGEST_VALUE - 1]}…" if cut else price.value
    name = "" if price.parameter is None else f"${price.parameter} ({price.column})"
    plan = price.plan
    way = next((node for node in plan.nodes if node.relation), plan.root)
    return name, value, price.frequency, plan.total_cost, plan.root.plan_rows, way.name


def _skewed(found: list[Price]) -> Iterator[Finding]:
    """`plan.parameter-skew`: what is cheap for a rare value and dear for the most common one."""
    for number in sorted({one.parameter for one in found if one.parameter is not None}):
        priced = [one for one in found if one.parameter == number]
        cheap = min(priced, key=lambda one: one.plan.total_cost)
        dear = max(priced, key=lambda one: one.plan.total_cost)
        factor = dear.plan.total_cost / max(cheap.plan.total_cost, 0.01)
        if factor < SKEWED or dear.plan.total_cost < LEAST_COST:
            continue
        yield Finding(
            code="plan.parameter-skew",
            severity=Severity.NOTE,
            subject=f"${number}",
            summary=say(
                "costs {factor:factor} as much for {dear} as for {cheap}",
                factor=factor,
                dear=f"{dear.column} = {dear.value}",
                cheap=str(cheap.value),
            ),
            evidence={
                "cost_dear": dear.plan.total_cost,
                "cost_cheap": cheap.plan.total_cost,
                "share_of_rows_ratio": dear.frequency,
            },
            explanation=_same_way(cheap, dear),
            link="https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES",
        )


def _same_way(cheap: Price, dear: Price) -> Message:
    if [node.name for node in cheap.plan.nodes] == [node.name for node in dear.plan.nodes]:
        return say(
            "The plan is the same, it only handles more rows for the one than for the other."
        )
    return say(
        "The two need different plans. After five executions a prepared statement may get one plan"
        " for any value; plan_cache_mode = force_custom_plan plans for each value."
    )


def _gap(unknown: list[int]) -> Gap:
    which = ", ".join(f"${number}" for number in unknown) or "more than eight"
    return Gap(
        subject=say("the prices of the parameters"),
        reason=say("no values are known for {which}", which=which),
        remedy=say(
            "Write values in the statement instead, or ANALYZE the tables and compare each"
            " parameter with a column"
        ),
    )


def _refused(message: str) -> Gap:
    return Gap(
        subject=say("the prices of the parameters"),
        reason=say("the server refused the values: {message}", message=message),
        remedy=say("Write values in the statement instead"),
    )


_STATISTICS = """
SELECT s.tablename::text AS table, pg_catalog.to_json(s.most_common_vals)::text AS common,
       s.most_common_freqs::float8[] AS frequencies,
       pg_catalog.to_json(s.histogram_bounds)::text AS bounds
FROM pg_catalog.pg_stats s
WHERE s.tablename = ANY (CAST(:tables AS text[])) AND s.attname = CAST(:column AS text)
ORDER BY s.schemaname LIKE 'pg\\_%', s.inherited DESC, s.schemaname, s.tablename LIMIT 1
"""
