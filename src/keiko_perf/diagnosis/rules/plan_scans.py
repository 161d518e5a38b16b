"""
Plans: tables and indexes that are read in vain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keiko_perf.diagnosis.plans.clauses import Reason
from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import (
    LEAST_ROWS,
    LEAST_SHARE,
    MANUAL,
    MANY_ROWS,
    WORK_MEM,
    Rule,
    finding,
    matters,
    megabytes,
)
from keiko_perf.diagnosis.rules.plan_groups import Scan, partitions, scans
from keiko_perf.diagnosis.rules.plan_limits import is_walk
from keiko_perf.model import Finding, Text, say

SELECTIVE = 0.07
"""A scan that keeps at most this share of the rows it read: from about here on an index is
quicker than the table from end to end."""
SELECTIVE_BY_COST = 0.02
"""The same for a plan that was not executed, which does not say how many rows there are."""
_FEW_JOINED = 0.02
"""The same for a join, where each of the few rows has to be looked up by itself."""
_LOOK_UP_COST = 4.0
"""What the planner takes for one look-up at least: for more, no index would be used if there was
one (random_page_cost, as it is by default)."""
_STRETCH = 0.02
_RANGE = re.compile(r" [<>]=? ")
_COMPARES = re.compile(r" (?:=|[<>]=?)(?: ANY)? ")
_BLOCKS_OF_A_LOOK_UP = 5.0
_BLOCKS_OF_A_ROW = 2.0
_MANY_BLOCKS = 500
"""Of an index: some hundred thousand entries."""
_BLOCKING = (Reason.FUNCTION, Reason.CALL, Reason.CAST, Reason.PATTERN, Reason.OR_ACROSS)


def selective_seq_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.selective-seq-scan`: a table is read whole for few of its rows."""
    for scan in scans(plan, "Seq Scan"):
        few = SELECTIVE if plan.executed else SELECTIVE_BY_COST
        if not scan.filter or scan.read < MANY_ROWS or scan.kept > few * scan.read:
            continue
        if not matters(plan, scan.share) or _asks_only_subqueries(scan):
            continue
        if _is_what_pruning_left(scan):
            continue
        yield finding(
            plan,
            "plan.selective-seq-scan",
            scan.node,
            scan.share,
            _what_it_reads(scan),
            evidence={
                "filter": scan.filter,
                "rows_read": round(scan.read) if plan.executed else None,
                "rows_kept": round(scan.kept),
                "loops": scan.node.loops,
            }
            | partitions(scan),
            explanation=say(
                "As the filter is written no ordinary index can serve it; another finding on this"
                " step says why."
            )
            if _another_rule_says_why(scan)
            else say(
                "An index on what the filter compares would hand out just these rows. keiko-perf"
                " db advise finds the one that serves most statements, and prices it."
            ),
            link=f"{MANUAL}/indexes-intro.html",
        )


def joined_seq_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.selective-seq-scan`, too: a table is read whole to join a few of its rows."""
    for node in plan.nodes:
        sides = [_unhashed(plan, one) for one in plan.children(node)]
        if node.kind not in ("Hash Join", "Merge Join") or len(sides) != 2:
            continue
        for scan, other in (sides, sides[::-1]):
            read, few = _rows(scan), _rows(other)
            is_whole = scan.kind == "Seq Scan" and not _is_selective(plan, scan)
            is_for_few = few <= _FEW_JOINED * read and _rows(node) <= _FEW_JOINED * read
            is_for_few = is_for_few and few * _LOOK_UP_COST <= scan.total_cost
            share = min(1.0, scan.share + node.share)
            if not is_whole or not is_for_few or read < 10 * MANY_ROWS or not matters(plan, share):
                continue
            yield finding(
                plan,
                "plan.selective-seq-scan",
                scan,
                share,
                say(
                    "reads {read:count} rows of {table}, from end to end, to join {kept:count}",
                    table=scan.relation or "the table",
                    read=read,
                    kept=_rows(node),
                ),
                evidence={
                    "condition": node.condition,
                    "rows_read": round(read) if plan.executed else None,
                    "rows_kept": round(_rows(node)),
                },
                explanation=say(
                    "The other side of the join has few rows, each of which an index on the"
                    " column of the join would lead to its own. A foreign key has no such index by"
                    " itself."
                ),
                link=f"{MANUAL}/indexes-intro.html",
            )


def _unhashed(plan: Plan, node: Node) -> Node:
    """What a join reads through a Hash, a Sort or a Materialize."""
    while node.kind in ("Hash", "Sort", "Materialize", "Gather", "Gather Merge") and node.children:
        node = plan.children(node)[0]
    return node


def _rows(node: Node) -> float:
    return node.plan_rows if node.rows is None else node.rows


def _is_selective(plan: Plan, node: Node) -> bool:
    """Whether its own filter leaves few rows, which is another finding."""
    return node.removed() > 0 if plan.executed else "Filter" in node.details


def _asks_only_subqueries(scan: Scan) -> bool:
    """Whether each row has to be held against a subquery, as NOT IN does."""
    return bool(scan.clauses) and all(one.reason is Reason.SUBPLAN for one in scan.clauses)


def _is_what_pruning_left(scan: Scan) -> bool:
    """Whether of all partitions one was read, for a stretch of it: a day of its month."""
    relation = str(scan.node.relation)
    alias = re.sub(r"_\d+$", "", str(scan.node.details.get("Alias")))
    if len(scan.nodes) > 1 or relation == alias or not relation.startswith(alias):
        return False
    columns = {one.column if _RANGE.search(one.text) else None for one in scan.clauses}
    return len(columns) == 1 and None not in columns and scan.kept >= _STRETCH * scan.read


def _another_rule_says_why(scan: Scan) -> bool:
    """Whether nothing in the filter could be served by an index as it is written."""
    reasons = [one.reason for one in scan.clauses]
    certain = all(one.is_certain for one in scan.clauses if one.reason in _BLOCKING)
    return bool(reasons) and certain and all(reason in _BLOCKING for reason in reasons)


def _what_it_reads(scan: Scan) -> Text:
    if not scan.plan.executed:
        return say(
            "would read {table} from end to end for an estimated {kept:count} rows",
            table=scan.tables,
            kept=scan.kept,
        )
    if scan.is_limited:
        return say(
            "reads {read:count} rows of {table} one after the other to find {kept:count}",
            table=scan.tables,
            kept=scan.kept,
            read=scan.read,
        )
    return say(
        "reads {table} from end to end and keeps {kept:count} of {read:count} rows",
        table=scan.tables,
        kept=scan.kept,
        read=scan.read,
    )


def filtered_index_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.filtered-index-scan`: an index finds far more rows than are wanted."""
    for scan in scans(plan, "Index Scan", "Bitmap Heap Scan", "Index Only Scan"):
        if scan.removed < MANY_ROWS or scan.kept > 0.1 * scan.read:
            continue
        if not matters(plan, scan.share) or is_walk(scan) or _asks_only_subqueries(scan):
            continue
        yield finding(
            plan,
            "plan.filtered-index-scan",
            scan.node,
            scan.share,
            say(
                "fetches {read:count} rows of {table} and throws all but {kept:count} away",
                read=scan.read,
                table=scan.table,
                kept=scan.kept,
            ),
            evidence={
                "filter": scan.filter,
                "rows_read": round(scan.read),
                "rows_kept": round(scan.kept),
            },
            explanation=say(
                "The index does not hold what the filter compares. One that has these columns too"
                " would not fetch the rows in vain."
            ),
            link=f"{MANUAL}/indexes-multicolumn.html",
        )


def walked_index(plan: Plan) -> Iterator[Finding]:
    """`plan.filtered-index-scan`, too: an index is read from end to end for a few of its rows."""
    for node in plan.nodes:
        if node.kind not in ("Index Scan", "Index Only Scan", "Bitmap Index Scan"):
            continue
        blocks = sum(plan.own(node, f"Shared {name} Blocks") for name in ("Hit", "Read"))
        rows = (node.rows or 0.0) + node.removed() + node.removed("Rows Removed by Index Recheck")
        needed = _BLOCKS_OF_A_LOOK_UP * (node.loops or 0.0) + _BLOCKS_OF_A_ROW * rows
        is_much = blocks >= max(_MANY_BLOCKS, 4 * needed) and node.share >= 3 * LEAST_SHARE
        if not is_much or not _compares_only(str(node.details.get("Index Cond", ""))):
            continue
        yield finding(
            plan,
            "plan.filtered-index-scan",
            node,
            node.share,
            say(
                "reads {blocks:count} pages of {index} for {rows:count} rows",
                blocks=blocks,
                index=node.index or "the index",
                rows=rows,
            ),
            evidence={
                "condition": str(node.details.get("Index Cond")),
                "blocks": round(blocks),
                "rows_read": round(rows),
            },
            explanation=say(
                "An index is sorted by its first column. A condition on a later one alone leaves"
                " nothing out: give it an index that begins with what is compared for equality."
                " (Where that is so already, dead entries fill it: VACUUM, then REINDEX.)"
            ),
            link=f"{MANUAL}/indexes-multicolumn.html",
        )


def _compares_only(condition: str) -> bool:
    """Whether a B-tree answers it, of which is known what a look-up reads."""
    parts = condition.split(" AND ")
    return bool(condition) and all(_COMPARES.search(part) for part in parts)


def lossy_bitmap(plan: Plan) -> Iterator[Finding]:
    """`plan.lossy-bitmap`: the bitmap of rows did not fit into work_mem."""
    for scan in scans(plan, "Bitmap Heap Scan"):
        lossy = sum(node.number("Lossy Heap Blocks") for node in scan.nodes)
        exact = sum(node.number("Exact Heap Blocks") for node in scan.nodes)
        rechecked = sum(node.removed("Rows Removed by Index Recheck") for node in scan.nodes)
        is_in_vain = rechecked >= max(MANY_ROWS, 0.1 * scan.kept)
        is_forgotten = lossy > exact and scan.kept >= LEAST_ROWS
        if not (lossy and exact) or not (is_in_vain or is_forgotten):
            continue  # a BRIN index knows of blocks alone, whatever the memory
        if not matters(plan, scan.share):
            continue
        yield finding(
            plan,
            "plan.lossy-bitmap",
            scan.node,
            scan.share,
            say(
                "checks {rechecked:count} rows of {lossy:count} blocks in vain: the bitmap does not"
                " fit into work_mem",
                rechecked=rechecked,
                lossy=lossy,
            )
            if is_in_vain
            else say(
                "checks all rows of {lossy:count} blocks once more: the bitmap does not fit into"
                " work_mem",
                lossy=lossy,
            ),
            evidence={
                "lossy_blocks": round(lossy),
                "exact_blocks": round(exact),
                "rows_rechecked": round(rechecked),
            },
            # An entry takes some 64 bytes a block, and as much again as the hash table is not full.
            cure=f"SET work_mem = '{megabytes(256 * lossy)}MB';",
            explanation=say("With more work_mem it remembers the rows instead of whole blocks."),
            link=WORK_MEM,
        )


def heap_fetches(plan: Plan) -> Iterator[Finding]:
    """`plan.heap-fetches`: an index-only scan that visits the table all the same."""
    for scan in scans(plan, "Index Only Scan"):
        fetches = sum(node.number("Heap Fetches") for node in scan.nodes)
        if fetches < max(MANY_ROWS, 0.3 * scan.read) or not matters(plan, scan.share):
            continue
        yield finding(
            plan,
            "plan.heap-fetches",
            scan.node,
            scan.share,
            say(
                "looks {fetches:count} rows up in the table, though the index has all it needs",
                fetches=fetches,
            ),
            evidence={"heap_fetches": round(fetches), "rows": scan.kept},
            cure=f"VACUUM {scan.node.relation};" if scan.node.relation else None,
            explanation=say(
                "Only a vacuum marks pages as visible to all, and rows of pages without the mark"
                " must be looked up. If it is often so, let autovacuum come by more often."
            ),
            link=f"{MANUAL}/indexes-index-only-scans.html",
        )


RULES: tuple[Rule, ...] = (
    selective_seq_scan,
    joined_seq_scan,
    filtered_index_scan,
    walked_index,
    lossy_bitmap,
    heap_fetches,
)
