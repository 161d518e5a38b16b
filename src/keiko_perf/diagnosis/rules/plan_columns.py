"""
Plans: filters that no ordinary index can serve, because of how they are written.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.plans.clauses import Clause, Reason, clauses
from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import MANUAL, MANY_ROWS, Rule, finding, matters
from keiko_perf.diagnosis.rules.plan_groups import Scan, partitions, scans
from keiko_perf.model import Finding, Text, say

_FEW = 0.15
"""A day, a month of a year, one of ten: what such filters are for."""
_FEW_BY_COST = 0.02
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")


def function_on_column(plan: Plan) -> Iterator[Finding]:
    """`plan.function-on-column`: the filter compares what a function makes of a column."""
    for scan, clause in _dropping(plan, Reason.FUNCTION):
        yield _finding(
            scan,
            clause,
            "plan.function-on-column",
            say(
                "computes something of {column} for {read:count} rows and keeps {kept:count}",
                column=clause.column or "its columns",
                read=scan.read,
                kept=scan.kept,
            ),
            say(
                "An index on the column cannot be used for this. Compare the column itself (a"
                " range from the first to the last moment instead of the day of each), or make an"
                " index on the expression as it stands in the filter, if it is immutable."
            ),
            f"{MANUAL}/indexes-expressional.html",
        )


def function_alone(plan: Plan) -> Iterator[Finding]:
    """`plan.function-on-column`, too: a function is asked of each row whether it is wanted."""
    for scan, clause in _dropping(plan, Reason.CALL):
        yield _finding(
            scan,
            clause,
            "plan.function-on-column",
            say(
                "asks a function of {column} for {read:count} rows and keeps {kept:count}",
                column=clause.column or "its columns",
                read=scan.read,
                kept=scan.kept,
            ),
            say(
                "No index tells what a function will say. Compare the column itself. Where a row"
                " security policy calls it, let a function return the values that may be seen, and"
                " compare the column with these: column = ANY (ARRAY(SELECT function())) asks once"
                " and can use an index."
            ),
            f"{MANUAL}/ddl-rowsecurity.html",
        )


def cast_on_column(plan: Plan) -> Iterator[Finding]:
    """`plan.cast-on-column`: the column is converted to the value's type for each row."""
    for scan, clause in _dropping(plan, Reason.CAST):
        yield _finding(
            scan,
            clause,
            "plan.cast-on-column",
            say(
                "converts {column} for {read:count} rows and keeps {kept:count}",
                column=clause.column or "its column",
                read=scan.read,
                kept=scan.kept,
            ),
            say(
                "An index on the column cannot be used for this. Pass the value with the column's"
                " own type, so that the value is converted, once, and not the column."
            ),
            f"{MANUAL}/typeconv-oper.html",
        )


def leading_wildcard(plan: Plan) -> Iterator[Finding]:
    """`plan.leading-wildcard`: a pattern that may begin with anything."""
    for scan, clause in _dropping(plan, Reason.PATTERN):
        column = clause.column or "column"
        table = scan.table
        yield _finding(
            scan,
            clause,
            "plan.leading-wildcard",
            say(
                "looks for a pattern anywhere in {column}, in {read:count} rows, and keeps"
                " {kept:count}",
                column=column,
                read=scan.read,
                kept=scan.kept,
            ),
            say(
                "An ordinary index is sorted by how a text begins, and the pattern does not say"
                " that. A trigram index (pg_trgm) finds what stands in the middle."
            ),
            f"{MANUAL}/pgtrgm.html",
            cure=f"CREATE INDEX CONCURRENTLY ON {table} USING gin ({column} gin_trgm_ops);",
        )


def or_across_tables(plan: Plan) -> Iterator[Finding]:
    """`plan.or-across-tables`: an OR of which each side is about another table."""
    for scan, clause in _dropping(plan, Reason.OR_ACROSS):
        yield _or_finding(plan, scan.node, scan.share, clause, scan.removed, scan.kept)
    for node in plan.nodes:
        if node.kind not in _JOINS or node.was_never_executed:
            continue
        told = clauses(str(node.details.get("Join Filter") or node.details.get("Filter") or ""))
        across = next((one for one in told if one.reason is Reason.OR_ACROSS), None)
        rejected = node.removed("Rows Removed by Join Filter") + node.removed()
        kept = node.plan_rows if node.rows is None else node.rows
        is_much = rejected >= MANY_ROWS and kept <= _FEW * (kept + rejected)
        if across is None or not (is_much or not plan.executed):
            continue
        if matters(plan, node.branch_share):
            yield _or_finding(plan, node, node.branch_share, across, rejected, kept)


RULES: tuple[Rule, ...] = (
    function_on_column,
    function_alone,
    cast_on_column,
    leading_wildcard,
    or_across_tables,
)


def _dropping(plan: Plan, reason: Reason) -> Iterator[tuple[Scan, Clause]]:
    """The scans that drop nearly all they read, with the clause of this kind in their filter."""
    few = _FEW if plan.executed else _FEW_BY_COST
    for scan in scans(plan, *_SCANS):
        if not scan.filter or scan.read < MANY_ROWS or scan.kept > few * scan.read:
            continue
        clause = scan.clause(reason) if matters(plan, scan.share) else None
        if clause is not None:
            yield scan, clause


def _finding(
    scan: Scan,
    clause: Clause,
    code: str,
    summary: Text,
    explanation: Text,
    link: str,
    *,
    cure: str | None = None,
) -> Finding:
    return finding(
        scan.plan,
        code,
        scan.node,
        scan.share,
        summary,
        evidence=partitions(scan)
        | {
            "condition": clause.text,
            "rows_read": round(scan.read) if scan.plan.executed else None,
            "rows_kept": round(scan.kept),
        },
        explanation=explanation,
        cure=cure,
        link=link,
    )


def _or_finding(
    plan: Plan, node: Node, share: float, clause: Clause, rejected: float, kept: float
) -> Finding:
    return finding(
        plan,
        "plan.or-across-tables",
        node,
        share,
        say("an OR joins conditions on different tables, so that no index serves either"),
        evidence={
            "condition": clause.text,
            "rows_rejected": round(rejected) if plan.executed else None,
            "rows_kept": round(kept),
        },
        explanation=say(
            "All rows are put together before they can be tested. Write one SELECT for each side"
            " of the OR and join them with UNION: each then uses its own index."
        ),
        link=f"{MANUAL}/queries-union.html",
    )
