"""
Plans: tables and indexes that are read in vain.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import (
    MANUAL,
    MANY_ROWS,
    WORK_MEM,
    Rule,
    finding,
    matters,
    megabytes,
)
from keiko_perf.model import Finding, say

_SELECTIVE = 0.1
"""A scan that keeps at most this share of the rows it read."""
_TAKES_ALL = ("Sort", "Hash", "Aggregate", "Materialize", "WindowAgg", "SetOp")
"""What wants every row before it gives its first."""
_COST_OF_A_ROW = 0.03
"""What a sequential scan costs for one row of usual width, page and filter together."""


def selective_seq_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.selective-seq-scan`: a table is read whole for few of its rows."""
    for node in plan.nodes:
        if node.kind != "Seq Scan" or "Filter" not in node.details:
            continue
        read, kept = _read_and_kept(plan, node)
        if read < MANY_ROWS or kept > _SELECTIVE * read or not matters(plan, node.share):
            continue
        yield finding(
            "plan.selective-seq-scan",
            node,
            node.share,
            say(
                "reads {read:count} rows of {table} one after the other to find {kept:count}",
                table=node.relation or "the table",
                kept=kept,
                read=read,
            )
            if plan.executed and _is_limited(plan, node)
            else say(
                "reads {table} from end to end and keeps {kept:count} of {read:count} rows",
                table=node.relation or "the table",
                kept=kept,
                read=read,
            )
            if plan.executed
            else say(
                "would read {table} from end to end for an estimated {kept:count} rows",
                table=node.relation or "the table",
                kept=kept,
            ),
            evidence={
                "filter": str(node.details["Filter"]),
                "rows_read": round(read) if plan.executed else None,
                "rows_kept": round(kept),
                "loops": node.loops,
            },
            explanation=say(
                "An index on what the filter compares would hand out just these rows. keiko-perf"
                " db advise finds the one that serves most statements, and prices it."
            ),
            link=f"{MANUAL}/indexes-intro.html",
        )


def sorted_for_few(plan: Plan) -> Iterator[Finding]:
    """`plan.sorted-for-few`: a table is read and sorted whole for its first rows."""
    for node in plan.nodes:
        child = plan.child(node, "Outer")
        if node.kind != "Sort" or child is None or child.kind != "Seq Scan":
            continue
        read, wanted = child.rows or 0.0, node.rows or 0.0
        is_for_few = "top-N" in str(node.details.get("Sort Method", ""))
        # What the filter leaves over is few already: the scan is what is spoken of.
        filtered, kept = _read_and_kept(plan, child)
        if not is_for_few or kept <= _SELECTIVE * filtered or wanted > _SELECTIVE * read:
            continue
        if read < MANY_ROWS or not matters(plan, node.branch_share):
            continue
        yield finding(
            "plan.sorted-for-few",
            node,
            node.branch_share,
            say(
                "sorts {read:count} rows of {table} for the first {wanted:count}",
                read=read,
                table=child.relation or "the table",
                wanted=wanted,
            ),
            evidence={
                "sort_key": ", ".join(str(key) for key in node.details.get("Sort Key", ())),
                "rows_read": round(read),
                "rows_kept": round(wanted),
            },
            explanation=say(
                "An index in this order would hand out just the first rows. keiko-perf db advise"
                " finds the one that serves most statements, and prices it."
            ),
            link=f"{MANUAL}/indexes-ordering.html",
        )


def filtered_index_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.filtered-index-scan`: an index finds far more rows than are wanted."""
    for node in plan.nodes:
        if node.kind not in ("Index Scan", "Bitmap Heap Scan", "Index Only Scan"):
            continue
        removed, kept = node.removed(), node.rows or 0.0
        if removed < MANY_ROWS or kept > _SELECTIVE * (kept + removed):
            continue
        if not matters(plan, node.share):
            continue
        yield finding(
            "plan.filtered-index-scan",
            node,
            node.share,
            say(
                "fetches {read:count} rows of {table} and throws all but {kept:count} away",
                read=kept + removed,
                table=node.relation or "the table",
                kept=kept,
            ),
            evidence={
                "filter": str(node.details.get("Filter")),
                "rows_read": round(kept + removed),
                "rows_kept": round(kept),
            },
            explanation=say(
                "The index does not hold what the filter compares. One that has these columns too"
                " would not fetch the rows in vain."
            ),
            link=f"{MANUAL}/indexes-multicolumn.html",
        )


def lossy_bitmap(plan: Plan) -> Iterator[Finding]:
    """`plan.lossy-bitmap`: the bitmap of rows did not fit into work_mem."""
    for node in plan.nodes:
        lossy = node.number("Lossy Heap Blocks")
        rechecked = node.removed("Rows Removed by Index Recheck")
        in_vain = lossy and rechecked >= max(MANY_ROWS, node.rows or 0.0)
        if not in_vain or not matters(plan, node.share):
            continue
        yield finding(
            "plan.lossy-bitmap",
            node,
            node.share,
            say(
                "checks {rechecked:count} rows of {lossy:count} blocks in vain: the bitmap does not"
                " fit into work_mem",
                rechecked=rechecked,
                lossy=lossy,
            ),
            evidence={
                "lossy_blocks": round(lossy),
                "exact_blocks": round(node.number("Exact Heap Blocks")),
                "rows_rechecked": round(rechecked),
            },
            # An entry takes some 64 bytes a block, and as much again as the hash table is not full.
            cure=f"SET work_mem = '{megabytes(256 * lossy)}MB';",
            explanation=say("With more work_mem it remembers the rows instead of whole blocks."),
            link=WORK_MEM,
        )


def heap_fetches(plan: Plan) -> Iterator[Finding]:
    """`plan.heap-fetches`: an index-only scan that visits the table all the same."""
    for node in plan.nodes:
        fetches = node.number("Heap Fetches")
        if fetches < max(MANY_ROWS, 0.5 * (node.rows or 0.0)) or not matters(plan, node.share):
            continue
        yield finding(
            "plan.heap-fetches",
            node,
            node.share,
            say(
                "looks {fetches:count} rows up in the table, though the index has all it needs",
                fetches=fetches,
            ),
            evidence={"heap_fetches": round(fetches), "rows": node.rows},
            cure=f"VACUUM {node.relation};",
            explanation=say(
                "Only a vacuum marks pages as visible to all, and rows of pages without the mark"
                " must be looked up. If it is often so, let autovacuum come by more often."
            ),
            link=f"{MANUAL}/indexes-index-only-scans.html",
        )


RULES: tuple[Rule, ...] = (
    selective_seq_scan,
    sorted_for_few,
    filtered_index_scan,
    lossy_bitmap,
    heap_fetches,
)


def _is_limited(plan: Plan, node: Node) -> bool:
    """Whether a LIMIT above may have ended the scan before the table did."""
    for above in plan.ancestors(node):
        if above.kind == "Limit":
            return True
        if above.kind in _TAKES_ALL:
            return False
    return False


def _read_and_kept(plan: Plan, node: Node) -> tuple[float, float]:
    """How many rows a scan read, and how many it handed on: measured, or by its cost."""
    if node.rows is not None:
        return node.rows + node.removed(), node.rows
    below_gather = any(above.kind.startswith("Gather") for above in plan.ancestors(node))
    # One of several processes is paid for its part of the rows, though for all of the pages.
    return node.total_cost / _COST_OF_A_ROW * (1.5 if below_gather else 1.0), node.plan_rows
