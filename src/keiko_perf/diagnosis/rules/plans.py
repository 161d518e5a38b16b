"""
Plans: which node costs too much, and why.

A rule speaks only where what it saw costs a tenth of the whole or more, and more than a moment.
A sequential scan that returns most of a table, a hash join, a nested loop over an index: these are
what a good plan is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import ceil

from keiko_perf.diagnosis.plan import Node, Plan
from keiko_perf.model import Finding, Severity, Text, say

LEAST_SHARE = 0.1
"""Of the plan's time, or of its cost if it was not executed."""
LEAST_S = 0.001
"""A plan's part that takes less time than this is not worth a word."""
LEAST_COST = 500.0
"""The same for a plan that was not executed, in the planner's unit."""
_SELECTIVE = 0.1
"""A scan that keeps at most this share of the rows it read."""
_COST_OF_A_ROW = 0.03
"""What a sequential scan costs for one row of usual width, page and filter together."""
_MANY_ROWS = 1_000
_WRONG = 10.0
"""From this factor on an estimate is wrong enough to choose another plan."""
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")
_MANUAL = "https://www.postgresql.org/docs/current"
_WORK_MEM = f"{_MANUAL}/runtime-config-resource.html#GUC-WORK-MEM"

Rule = Callable[[Plan], Iterator[Finding]]


def judge_plan(plan: Plan, rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """What is wrong with a plan, the most expensive first; of a healthy one, nothing."""
    found = [one for rule in (RULES if rules is None else rules) for one in rule(plan)]
    return tuple(sorted(found, key=lambda one: (-one.severity, -_share_of(one))))


def selective_seq_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.selective-seq-scan`: a table is read whole for few of its rows."""
    for node in plan.nodes:
        if node.kind != "Seq Scan" or "Filter" not in node.details:
            continue
        read, kept = _read_and_kept(plan, node)
        if read < _MANY_ROWS or kept > _SELECTIVE * read or not _matters(plan, node.share):
            continue
        yield _finding(
            "plan.selective-seq-scan",
            node,
            node.share,
            say(
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
            link=f"{_MANUAL}/indexes-intro.html",
        )


def filtered_index_scan(plan: Plan) -> Iterator[Finding]:
    """`plan.filtered-index-scan`: an index finds far more rows than are wanted."""
    for node in plan.nodes:
        if node.kind not in ("Index Scan", "Bitmap Heap Scan", "Index Only Scan"):
            continue
        removed, kept = node.removed(), node.rows or 0.0
        if removed < _MANY_ROWS or kept > _SELECTIVE * (kept + removed):
            continue
        if not _matters(plan, node.share):
            continue
        yield _finding(
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
            link=f"{_MANUAL}/indexes-multicolumn.html",
        )


def sort_spill(plan: Plan) -> Iterator[Finding]:
    """`plan.sort-spill`: a sort did not fit into work_mem."""
    for node in plan.nodes:
        spilled = _sort_on_disk_bytes(node)
        if not spilled or not _matters(plan, node.share):
            continue
        yield _finding(
            "plan.sort-spill",
            node,
            node.share,
            say("sorts on disk, {spilled:bytes}: it does not fit into work_mem", spilled=spilled),
            evidence={
                "spilled_bytes": spilled,
                "sort_key": ", ".join(str(key) for key in node.details.get("Sort Key", ())),
            },
            # In memory a row takes about twice to three times the room that it takes on disk.
            cure=f"SET work_mem = '{_megabytes(3 * spilled)}MB';",
            explanation=say(
                "Set it for the session or the role that runs this, not for the server: each sort"
                " and hash of each connection may take as much. An index in this order, or fewer"
                " or narrower rows, would spare the sort."
            ),
            link=_WORK_MEM,
        )


def hash_spill(plan: Plan) -> Iterator[Finding]:
    """`plan.hash-spill`: a hash table did not fit into work_mem * hash_mem_multiplier."""
    for node in plan.nodes:
        batches, spilled = node.number("Hash Batches"), _in_all(node, "Disk Usage") * 1024
        share = node.share
        if node.kind == "Hash":
            above = plan.parent(node)
            share += above.share if above is not None else 0.0
            if batches <= 1:
                continue
        elif node.kind != "Aggregate" or not spilled:
            continue
        if not _matters(plan, share):
            continue
        memory = node.number("Peak Memory Usage") * 1024
        yield _finding(
            "plan.hash-spill",
            node,
            share,
            say("its hash table does not fit into work_mem and goes to disk in batches"),
            evidence={
                "batches": round(batches or node.number("HashAgg Batches")),
                "peak_memory_bytes": memory,
                "spilled_bytes": spilled or None,
            },
            cure=f"SET work_mem = '{_megabytes(memory * max(batches, 1) + 2 * spilled)}MB';",
            explanation=say(
                "Set it for the session or the role that runs this, not for the server. Where the"
                " estimate of the rows is wrong, right statistics cure it too."
            ),
            link=_WORK_MEM,
        )


def nested_loop_blowup(plan: Plan) -> Iterator[Finding]:
    """`plan.nested-loop-blowup`: the inner side runs far more often than was expected."""
    for node in plan.nodes:
        if node.kind != "Nested Loop":
            continue
        outer, inner = plan.child(node, "Outer"), plan.child(node, "Inner")
        if outer is None or inner is None or not (inner.loops and outer.rows is not None):
            continue
        share = min(1.0, node.share + inner.branch_share)
        rejected = node.removed("Rows Removed by Join Filter")
        expected = max(outer.plan_rows, 1.0) * max(outer.loops or 0.0, 1.0)
        is_wrong = inner.loops >= _MANY_ROWS and outer.rows >= _WRONG * expected
        is_cross = rejected >= 100 * _MANY_ROWS and rejected >= 10 * (node.rows or 0.0)
        if not (is_wrong or is_cross) or not _matters(plan, share):
            continue
        yield _finding(
            "plan.nested-loop-blowup",
            node,
            share,
            say(
                "runs its inner side {loops:count} times where {expected:count} were expected",
                loops=inner.loops,
                expected=expected,
            )
            if is_wrong
            else say(
                "compares each row with each other and rejects {rejected:count}", rejected=rejected
            ),
            evidence={
                "inner_loops": inner.loops,
                "outer_rows_expected": expected,
                "rows_rejected": rejected,
                "inner_node": inner.name,
            },
            explanation=say(
                "For so many rows a hash join is cheaper. The planner chose by an estimate that"
                " was too low: ANALYZE the tables of the outer side, or give them extended"
                " statistics."
            )
            if is_wrong
            else say("The join has no condition of equality that an index or a hash could serve."),
            link=f"{_MANUAL}/planner-stats.html",
        )


def row_misestimate(plan: Plan) -> Iterator[Finding]:
    """`plan.row-misestimate`: a wrong number of rows, where a join or sort above pays for it."""
    blamed: set[int] = set()
    for node in reversed(plan.nodes):  # children first: where the error begins
        if node.rows_per_loop is None or any(child in blamed for child in node.children):
            # An error is passed on upwards; it is told once, where it arises.
            if any(child in blamed for child in node.children):
                blamed.add(node.id)
            continue
        factor = _misestimate(node)
        if factor < _WRONG or _may_stop_early(plan, node):
            continue
        blamed.add(node.id)
        costly = max((_branch_of_join(plan, above) for above in plan.ancestors(node)), default=0.0)
        # Twice as wrong is needed again where too many rows were expected: that costs less.
        is_under = (node.rows_per_loop or 0.0) > node.plan_rows
        if not (is_under or factor >= _WRONG**2) or not _matters(plan, costly):
            continue
        yield _finding(
            "plan.row-misestimate",
            node,
            costly,
            say(
                "{expected:count} rows were expected and {actual:count} came",
                expected=node.plan_rows,
                actual=node.rows_per_loop,
            ),
            evidence={
                "rows_expected": node.plan_rows,
                "rows_seen": node.rows_per_loop,
                "misestimate_factor": round(factor, 1),
                "condition": _condition(node),
            },
            cure=f"ANALYZE {node.relation};" if node.relation else None,
            explanation=say(
                "The joins and sorts above were chosen for another number of rows. If ANALYZE does"
                " not help, the columns of the condition depend on each other: CREATE STATISTICS"
                " tells the planner how."
            ),
            link=f"{_MANUAL}/planner-stats.html#PLANNER-STATS-EXTENDED",
        )


def lossy_bitmap(plan: Plan) -> Iterator[Finding]:
    """`plan.lossy-bitmap`: the bitmap of rows did not fit into work_mem."""
    for node in plan.nodes:
        lossy = node.number("Lossy Heap Blocks")
        rechecked = node.removed("Rows Removed by Index Recheck")
        in_vain = lossy and rechecked >= max(_MANY_ROWS, node.rows or 0.0)
        if not in_vain or not _matters(plan, node.share):
            continue
        yield _finding(
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
            cure=f"SET work_mem = '{_megabytes(256 * lossy)}MB';",
            explanation=say("With more work_mem it remembers the rows instead of whole blocks."),
            link=_WORK_MEM,
        )


def heap_fetches(plan: Plan) -> Iterator[Finding]:
    """`plan.heap-fetches`: an index-only scan that visits the table all the same."""
    for node in plan.nodes:
        fetches = node.number("Heap Fetches")
        if fetches < max(_MANY_ROWS, 0.5 * (node.rows or 0.0)) or not _matters(plan, node.share):
            continue
        yield _finding(
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
            link=f"{_MANUAL}/indexes-index-only-scans.html",
        )


def correlated_subplan(plan: Plan) -> Iterator[Finding]:
    """`plan.correlated-subplan`: a subquery that is run again for each row."""
    for node in plan.nodes:
        if node.relationship != "SubPlan" or (node.loops or 0.0) < _MANY_ROWS:
            continue
        if not _matters(plan, node.branch_share) or node.branch_share < 3 * LEAST_SHARE:
            continue
        yield _finding(
            "plan.correlated-subplan",
            node,
            node.branch_share,
            say("a subquery is run {loops:count} times, once for each row", loops=node.loops),
            evidence={"loops": node.loops, "subplan": str(node.details.get("Subplan Name"))},
            explanation=say(
                "Write it as a join, or as a join with a grouped subquery: then it is run once."
            ),
            link=f"{_MANUAL}/functions-subquery.html",
        )


def jit_overhead(plan: Plan) -> Iterator[Finding]:
    """`plan.jit-overhead`: compiling took a large part of the time."""
    timing = plan.jit.get("Timing")
    total = timing.get("Total") if isinstance(timing, dict) else None
    if not isinstance(total, int | float) or not plan.execution_s:
        return
    share = total / 1000 / plan.execution_s
    if share < 2 * LEAST_SHARE or not _matters(plan, share):
        return
    yield _finding(
        "plan.jit-overhead",
        plan.root,
        min(share, 1.0),
        say("{compiling:duration} went into compiling expressions", compiling=total / 1000),
        evidence={"compiling_s": total / 1000, "functions": plan.jit.get("Functions")},
        cure="SET jit = off;",
        explanation=say(
            "It pays for statements that run for many seconds. Raise jit_above_cost, or switch it"
            " off for the role that runs this."
        ),
        link=f"{_MANUAL}/jit-decision.html",
    )


def workers_not_launched(plan: Plan) -> Iterator[Finding]:
    """`plan.workers-not-launched`: fewer processes helped than were planned."""
    for node in plan.nodes:
        planned, launched = node.number("Workers Planned"), node.number("Workers Launched")
        is_short = plan.executed and not node.was_never_executed and launched < planned
        if not is_short or not _matters(plan, node.branch_share):
            continue
        yield _finding(
            "plan.workers-not-launched",
            node,
            node.branch_share,
            say(
                "{launched:count} of {planned:count} planned workers helped",
                launched=launched,
                planned=planned,
            ),
            evidence={"workers_planned": round(planned), "workers_launched": round(launched)},
            explanation=say(
                "All of max_parallel_workers were busy. The plan was made for more, and another"
                " one may be better without them."
            ),
            link=f"{_MANUAL}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS",
        )


def slow_planning(plan: Plan) -> Iterator[Finding]:
    """`plan.slow-planning`: making the plan takes longer than following it."""
    planning_s, execution_s = plan.planning_s, plan.execution_s
    if planning_s is None or execution_s is None or planning_s < max(0.05, execution_s):
        return
    yield _finding(
        "plan.slow-planning",
        plan.root,
        planning_s / (planning_s + execution_s),
        say(
            "planning takes {planning_s:duration}, execution {execution_s:duration}",
            planning_s=planning_s,
            execution_s=execution_s,
        ),
        evidence={"planning_s": planning_s, "execution_s": execution_s},
        explanation=say(
            "Many partitions, joins or indexes make it so. A prepared statement is planned once;"
            " a condition on the partition key leaves partitions out early."
        ),
        link=f"{_MANUAL}/sql-prepare.html",
    )


RULES: tuple[Rule, ...] = (
    selective_seq_scan,
    filtered_index_scan,
    sort_spill,
    hash_spill,
    nested_loop_blowup,
    row_misestimate,
    lossy_bitmap,
    heap_fetches,
    correlated_subplan,
    jit_overhead,
    workers_not_launched,
    slow_planning,
)


def _finding(
    code: str,
    node: Node,
    share: float,
    summary: Text,
    *,
    evidence: dict[str, float | int | str | None],
    explanation: Text,
    cure: str | None = None,
    link: str,
) -> Finding:
    return Finding(
        code=code,
        severity=Severity.WARNING if share >= 0.3 else Severity.NOTE,
        subject=node.name,
        summary=summary,
        evidence={"share_ratio": share} | evidence,
        explanation=explanation,
        cure=cure,
        link=link,
    )


def _share_of(finding: Finding) -> float:
    share = finding.evidence["share_ratio"]
    assert isinstance(share, int | float)
    return share


def _matters(plan: Plan, share: float) -> bool:
    """Whether a part of the plan costs enough to speak of it."""
    if share < LEAST_SHARE:
        return False
    if plan.execution_s is not None:
        return share * plan.execution_s >= LEAST_S
    return share * plan.total_cost >= LEAST_COST


def _read_and_kept(plan: Plan, node: Node) -> tuple[float, float]:
    """How many rows a scan read, and how many it handed on: measured, or by its cost."""
    if node.rows is not None:
        return node.rows + node.removed(), node.rows
    below_gather = any(above.kind.startswith("Gather") for above in plan.ancestors(node))
    # One of several processes is paid for its part of the rows, though for all of the pages.
    return node.total_cost / _COST_OF_A_ROW * (1.5 if below_gather else 1.0), node.plan_rows


def _sort_on_disk_bytes(node: Node) -> float:
    """What a sort wrote to disk, in all processes."""
    if node.kind == "Incremental Sort":
        groups = [node.details.get(f"{kind} Groups") for kind in ("Full-sort", "Pre-sorted")]
        disks = [g.get("Sort Space Disk") for g in groups if isinstance(g, dict)]
        peaks = [d.get("Peak Sort Space Used", 0) for d in disks if isinstance(d, dict)]
        return float(max((p for p in peaks if isinstance(p, int | float)), default=0.0)) * 1024
    used = 0.0
    for one in (node.details, *_workers(node)):
        space = one.get("Sort Space Used")
        if one.get("Sort Space Type") == "Disk" and isinstance(space, int | float):
            used += space * 1024
    return used


def _in_all(node: Node, name: str) -> float:
    """A figure of the leader and of all workers, added up."""
    values = [one.get(name) for one in (node.details, *_workers(node))]
    return float(sum(value for value in values if isinstance(value, int | float)))


def _workers(node: Node) -> list[dict[str, object]]:
    workers = node.details.get("Workers")
    return [one for one in workers if isinstance(one, dict)] if isinstance(workers, list) else []


def _misestimate(node: Node) -> float:
    """By what factor the rows were misjudged; 1 where too few are concerned to matter."""
    actual, expected = node.rows_per_loop or 0.0, node.plan_rows
    if max(actual, expected) * (node.loops or 1.0) < _MANY_ROWS:
        return 1.0
    low, high = sorted((max(actual, 1.0), max(expected, 1.0)))
    return high / low


def _may_stop_early(plan: Plan, node: Node) -> bool:
    """Whether something above may not have wanted all rows, so that fewer came than there are."""
    if (node.rows_per_loop or 0.0) > node.plan_rows:
        return False
    stoppers = ("Limit", "Merge Join", "Nested Loop")
    below = node
    for above in plan.ancestors(node):
        kind = above.details.get("Join Type")
        if above.kind in stoppers and (above.kind != "Nested Loop" or kind in ("Semi", "Anti")):
            return True
        if above.kind == "Nested Loop" and below.relationship == "Inner":
            return True  # EXPLAIN rounds the rows of one loop
        if below.relationship in ("SubPlan", "InitPlan"):
            return True  # EXISTS takes one row
        below = above
    return False


def _branch_of_join(plan: Plan, node: Node) -> float:
    """What a join or a sort costs that was chosen by the rows below it."""
    if node.kind == "Nested Loop":
        inner = plan.child(node, "Inner")
        return node.share + (inner.branch_share if inner is not None else 0.0)
    if node.kind in (*_JOINS, "Sort", "Incremental Sort", "Aggregate", "Materialize"):
        return node.share
    return 0.0


def _condition(node: Node) -> str | None:
    names = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond", "Join Filter")
    shown = [str(node.details[name]) for name in names if name in node.details]
    return " AND ".join(shown) or None


def _megabytes(needed_bytes: float) -> int:
    """The next power of two that is enough, from 8 MB to 1 GB."""
    megabytes = 8
    while megabytes < min(1024, ceil(needed_bytes / 1024**2)):
        megabytes *= 2
    return megabytes
