"""
Reasons: why a statement takes long that no index helps, of all that the rules found. Pure.

The rules speak of a database, of its statements and of plans, each for itself. What is told of a
slow statement is the one finding that explains it best: what was measured before what the planner
estimates, and what is wrong before what is merely much. Where nothing explains it, nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from keiko_perf.diagnosis.evidence import Evidence, StatementStats
from keiko_perf.diagnosis.plans.clauses import Reason as OfClause
from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.pricing.nodes import processes
from keiko_perf.diagnosis.rules.plan_groups import scans
from keiko_perf.diagnosis.rules.plans import judge_plan
from keiko_perf.diagnosis.rules.statements import LEAST_MEAN_S
from keiko_perf.diagnosis.rules.writing import name_of, one_line
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Finding, Severity, say

LEAST_COST = 1_000.0
"""In the planner's unit: what a statement may cost that has no business to be slow."""
MANY_ROWS = 10_000
MOST_OF_IT = 0.5
MOST_WRITTEN = 100
"""Rows of one execution: who writes more has work of his own."""
_DEAD = 0.5
_PREFERRED = (
    "tables.dead-tuples",
    "tables.stale-statistics",
    "indexes.foreign-key",
    "tables.triggers",
    "plan.random-order",
    "plan.cast-on-column",
    "plan.function-on-column",
    "plan.leading-wildcard",
    "plan.pattern",
    "plan.or-across-tables",
    "plan.correlated-subplan",
    "patterns.deep-offset",
    "statements.temp-files",
    "patterns.count-per-page",
    "patterns.select-star",
    "plan.offset-walk",
    "plan.work-repeated",
    "plan.cte-materialized",
    "statements.jit",
    "plan.too-many-partitions",
    "statements.cache-misses",
    "plan.counted-anew",
)
"""
In this order. What asks for an index is not among them: the planner was asked about those, and none
made the statement much cheaper.
"""
_A_PATTERN = re.compile(r"(?<!!)~~\*? .*\$\d")
"""LIKE and ILIKE, as EXPLAIN writes them, of a value that is not known."""


def reason(
    stats: StatementStats | None,
    *,
    plan: Plan | None,
    findings: Sequence[Finding],
    evidence: Evidence,
    triggers: Iterable[str] = (),
) -> Finding | None:
    """
    What explains best that the statement takes long; None where nothing does.

    Args:
        stats: what pg_stat_statements counted of it; None if it did not.
        plan: for any values, as the planner estimates it; None if there is none.
        findings: what the rules noticed in the database.
        evidence: what they saw.
        triggers: those of the table that it writes to, for what it does there.
    """
    found = [
        *([] if stats is None else [f for f in findings if f.subject == one_line(stats.query)]),
        *([] if plan is None else _of_plan(plan)),
        *([] if plan is None else _of_tables(plan, findings, evidence)),
        *([] if plan is None else _of_writing(stats, plan, evidence, tuple(triggers))),
    ]
    telling = [one for one in found if one.code in _PREFERRED]
    return min(telling, key=lambda one: _PREFERRED.index(one.code), default=None)


def is_misjudged(plan: Plan, found: Finding) -> bool:
    """
    Whether the planner takes a slow statement for a quick one, because of its table.

    What it expects of an index is as wrong then: dead rows lie in every index, and old statistics
    are those of each. Who reads dead rows by an index already has no use for another one.
    """
    if found.code not in ("tables.dead-tuples", "tables.stale-statistics"):
        return False
    if plan.total_cost < LEAST_COST:
        return True
    table = found.subject.rpartition(".")[2]
    kinds = {one.kind for one in plan.nodes if one.relation == table}
    return found.code == "tables.dead-tuples" and "Seq Scan" not in kinds


def written_table(plan: Plan) -> str | None:
    """The table that a statement writes to; None if it only reads."""
    return plan.root.relation if plan.root.kind == "ModifyTable" else None


def operation(plan: Plan) -> str:
    """Insert, Update, Delete or Merge; empty of what only reads."""
    return str(plan.root.details.get("Operation", ""))


def _of_plan(plan: Plan) -> Iterator[Finding]:
    for one in judge_plan(plan):
        share = one.evidence["share_ratio"]
        if isinstance(share, int | float) and share >= MOST_OF_IT:
            yield one
    yield from _pattern(plan)
    yield from _counted_anew(plan)


def _pattern(plan: Plan) -> Iterator[Finding]:
    """`plan.pattern`: a table is read whole for a pattern of which nobody tells how it begins."""
    for scan in scans(plan, "Seq Scan"):
        clause = next(
            (
                one
                for one in scan.clauses
                if one.reason is OfClause.OTHER and _A_PATTERN.search(one.text)
            ),
            None,
        )
        if clause is None or clause.column is None or scan.share < MOST_OF_IT:
            continue
        if scan.read < MANY_ROWS:
            continue
        yield Finding(
            code="plan.pattern",
            severity=Severity.WARNING,
            subject=scan.table,
            summary=say(
                "reads {table} from end to end for the texts in {column} that are like a pattern",
                table=scan.table,
                column=clause.column,
            ),
            explanation=say(
                "A pattern that begins with % is found by a trigram index (CREATE EXTENSION "
                "pg_trgm); one that begins with a text, by an index with text_pattern_ops."
            ),
            cure=f"CREATE INDEX CONCURRENTLY ON {quoted(scan.table)} USING gin"
            f" ({quoted(clause.column)} gin_trgm_ops);",
        )


def _counted_anew(plan: Plan) -> Iterator[Finding]:
    """`plan.counted-anew`: few rows are made of many, each time."""
    for node in plan.nodes:
        child = plan.child(node, "Outer")
        if node.kind != "Aggregate" or child is None:
            continue
        made_of = _rows_below(plan, node)
        if made_of < MANY_ROWS or plan.root.plan_rows > 0.01 * made_of:
            continue
        yield Finding(
            code="plan.counted-anew",
            severity=Severity.NOTE,
            subject=node.name,
            summary=say("makes what it returns of {rows:count} rows each time", rows=made_of),
            explanation=say(
                "No index spares it to read what it counts and sums. Keep the sums in a table of "
                "their own (a materialized view, or a row that each write changes), keep the "
                "answer for a while, or count up to a bound."
            ),
        )
        return


def _rows_below(plan: Plan, node: Node) -> float:
    """The most rows that any table below a node hands on, as the planner expects."""
    most, waiting = 0.0, plan.children(node)
    while waiting:
        one = waiting.pop()
        waiting += plan.children(one)
        if one.relation:
            most = max(most, one.plan_rows * _processes(plan, one))
    return most


def _processes(plan: Plan, node: Node) -> float:
    """Among how many the planner divides its rows."""
    return processes(max((o.number("Workers Planned") for o in plan.ancestors(node)), default=0.0))


def _of_tables(plan: Plan, findings: Sequence[Finding], evidence: Evidence) -> Iterator[Finding]:
    """What is wrong with the tables that it reads."""
    read = {one.relation for one in plan.nodes if one.relation}
    tables = {one.full_name: one for one in evidence.tables if one.name in read}
    for one in findings:
        table = tables.get(one.subject)
        if table is None or one.severity < Severity.WARNING:
            continue
        if one.code == "tables.stale-statistics":
            yield one
        if one.code == "tables.dead-tuples" and table.dead_ratio >= _DEAD:
            yield one


def _of_writing(
    stats: StatementStats | None, plan: Plan, evidence: Evidence, triggers: tuple[str, ...]
) -> Iterator[Finding]:
    """What a write sets off, which is in no plan: cascades, the checks of keys, and triggers."""
    table = written_table(plan)
    if table is None or plan.total_cost >= LEAST_COST:
        return
    if operation(plan) == "Delete":
        for key in evidence.foreign_keys:
            if key.referenced.rpartition(".")[2].strip('"') != table or key.rows < MANY_ROWS:
                continue
            columns = ", ".join(quoted(one) for one in key.columns)
            concurrently = "" if key.is_partitioned else "CONCURRENTLY "
            yield Finding(
                code="indexes.foreign-key",
                severity=Severity.WARNING,
                subject=f"{key.full_name} ({', '.join(key.columns)})",
                summary=say(
                    "each row that goes searches {table} from end to end, {rows:count} rows: no "
                    "index begins with {columns}",
                    table=key.full_name,
                    rows=key.rows,
                    columns=", ".join(key.columns),
                ),
                explanation=say(
                    "PostgreSQL makes no index on the columns of a foreign key by itself. The "
                    "search is part of the DELETE, and in no plan."
                ),
                cure=f"CREATE INDEX {concurrently}ON {name_of(key.schema, key.table)} ({columns});",
            )
    is_few = stats is None or stats.rows_per_call <= MOST_WRITTEN
    if triggers and is_few and (stats is None or stats.mean_s >= LEAST_MEAN_S):
        yield Finding(
            code="tables.triggers",
            severity=Severity.WARNING,
            subject=table,
            summary=say(
                "it writes few rows, and each of them fires {triggers}",
                triggers=", ".join(triggers),
            ),
            explanation=say(
                "What a trigger does is part of the statement, and in no plan. Look at what its "
                "function reads and writes; auto_explain.log_nested_statements logs it."
            ),
        )
