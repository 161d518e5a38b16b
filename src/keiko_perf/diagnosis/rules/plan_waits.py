"""
Plans: time in which nothing was done: pages that had to come from disk, and locks of others.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import LEAST_SHARE, MANUAL, Rule, finding
from keiko_perf.diagnosis.rules.plan_writes import looks_up_a_parent
from keiko_perf.model import Finding, say

_COLD_SHARE = 3 * LEAST_SHARE
_COLD_BLOCKS = 1_000
_COLD_S = 0.01
_READ_ROW_S = 3e-6
_READ_BLOCK_S = 20e-6
"""What a row and a page take that are in the system's memory, on a busy machine."""
_WAIT_S = 0.1
_ROW_S = 0.3e-3
_BLOCK_S = 0.1e-3
"""What a row and a page of a write may take at the very most, on a busy machine."""
_CALL_S = 0.5e-3
"""The same for a look-up by a primary key, with the lock that it takes."""
_WRITERS = ("LockRows", "ModifyTable")
_BITMAPS = ("Bitmap Heap Scan", "Bitmap Index Scan")
_READS_NOTHING = ("Aggregate", "Result", "ProjectSet", "WindowAgg", "Sort", "Subquery Scan")
_READERS = ("Seq Scan", "Index Scan", "Index Only Scan", "Tid Scan")


def cold_read(plan: Plan) -> Iterator[Finding]:
    """`plan.cold-read`: most of the time was spent waiting for pages from disk."""
    is_timed = any(node.io_read_s is not None for node in plan.nodes)
    nodes = [node for node in plan.nodes if node.io_read_s is not None or not is_timed]
    if not nodes or not plan.execution_s:
        return
    waits_s = {n.id: _own_read_s(plan, n) if is_timed else _guessed_s(plan, n) for n in nodes}
    node = max(nodes, key=lambda one: waits_s[one.id])
    read_s = sum(waits_s.values())
    blocks = sum(plan.own(one, "Shared Read Blocks") for one in plan.nodes)
    share = min(1.0, read_s / plan.execution_s)
    if blocks < _COLD_BLOCKS or share < _COLD_SHARE or read_s < _COLD_S:
        return
    yield finding(
        plan,
        "plan.cold-read",
        node,
        share,
        say(
            "waited {read_s:duration} for {blocks:count} pages that were not in shared_buffers",
            read_s=read_s,
            blocks=blocks,
        )
        if is_timed
        else say(
            "took {read_s:duration}, longer than its rows explain: {blocks:count} pages were not"
            " in shared_buffers",
            read_s=read_s,
            blocks=blocks,
        ),
        evidence={"read_s": read_s, "blocks_read": round(blocks)},
        explanation=say(
            "This step reads no table: the pages are of large values that are kept apart from"
            " their rows (TOAST), or of what a function asked for. Ask for such columns only"
            " where they are needed; length() and the like of them unpack each value."
        )
        if node.kind in _READS_NOTHING
        else say(
            "Run it again: if it is quick then, only the first run was cold. If it is slow each"
            " time, what it reads does not fit into memory: read fewer pages (an index that holds"
            " all columns, rows that lie together) or give shared_buffers more."
        ),
        link=f"{MANUAL}/runtime-config-resource.html#GUC-SHARED-BUFFERS",
    )


def lock_or_io_wait(plan: Plan) -> Iterator[Finding]:
    """`plan.lock-or-io-wait`: a node took long and did next to nothing."""
    triggers_s = sum(_time_s(one.get("Time")) for one in plan.triggers)
    for node in plan.nodes:
        if node.self_s is None or node.share < _COLD_SHARE or not _is_judged(node):
            continue
        took_s = node.self_s - (triggers_s if node.kind == "ModifyTable" else 0.0)
        rows, blocks = _work(plan, node)
        if took_s < _WAIT_S or took_s < 3 * (_ROW_S * rows + _BLOCK_S * blocks):
            continue
        yield finding(
            plan,
            "plan.lock-or-io-wait",
            node,
            node.share,
            say(
                "took {took_s:duration} for {rows:count} rows and {blocks:count} pages: it waited",
                took_s=took_s,
                rows=rows,
                blocks=blocks,
            ),
            evidence={"self_s": took_s, "rows": rows, "blocks": round(blocks)},
            explanation=say(
                "Another transaction held the rows, if it wrote or locked them; else the disk was"
                " slow. The columns wait_event and pg_blocking_pids(pid) of pg_stat_activity tell"
                " which, while it lasts."
            ),
            link=f"{MANUAL}/monitoring-stats.html#WAIT-EVENT-TABLE",
        )


def parent_locked(plan: Plan) -> Iterator[Finding]:
    """`plan.lock-or-io-wait`, too: a row that a foreign key refers to was held by another."""
    for trigger in plan.triggers:
        time_s, calls = _time_s(trigger.get("Time")), trigger.get("Calls")
        if not looks_up_a_parent(plan, trigger) or not isinstance(calls, int | float):
            continue
        share = time_s / plan.execution_s if plan.execution_s else 0.0
        # A primary key serves each call: what is over is no work.
        if share < _COLD_SHARE or time_s < max(_WAIT_S, 3 * _CALL_S * calls):
            continue
        constraint = str(trigger.get("Constraint Name"))
        yield finding(
            plan,
            "plan.lock-or-io-wait",
            plan.root,
            share,
            say(
                "the foreign key {constraint} took {took_s:duration} to look {calls:count} rows up"
                " by their key: it waited",
                constraint=constraint,
                took_s=time_s,
                calls=calls,
            ),
            evidence={"constraint": constraint, "calls": round(calls), "total_s": time_s},
            explanation=say(
                "A row that refers to another locks it against being deleted, and waits where"
                " another transaction holds it. pg_blocking_pids(pid) tells which, while it lasts."
            ),
            link=f"{MANUAL}/explicit-locking.html#LOCKING-ROWS",
        )


RULES: tuple[Rule, ...] = (cold_read, lock_or_io_wait, parent_locked)


def _own_read_s(plan: Plan, node: Node) -> float:
    """By the wall clock: processes that wait side by side wait but once."""
    below = sum(one.io_read_s or 0.0 for one in plan.children(node))
    return max(0.0, (node.io_read_s or 0.0) - below) / node.processes


def _guessed_s(plan: Plan, node: Node) -> float:
    """What a scan took beyond what its rows and pages explain, where nobody timed the reading."""
    blocks = plan.own(node, "Shared Read Blocks")
    if node.self_s is None or not blocks or node.kind not in (*_READERS, *_BITMAPS):
        return 0.0
    rows = (node.rows or 0.0) + node.removed() + (node.loops or 0.0)
    explained_s = (_READ_ROW_S * rows + _READ_BLOCK_S * blocks) / node.processes
    return node.self_s if node.self_s >= 2 * explained_s and not _computes(node) else 0.0


def _computes(node: Node) -> bool:
    return "(" in str(node.details.get("Filter", "")).replace("(", "", 1)


def _is_judged(node: Node) -> bool:
    """Whether it is known what it did: a write, or a plain scan of which the pages were counted."""
    if node.kind in _WRITERS:
        return True
    is_counted = "Shared Hit Blocks" in node.details
    return node.kind in _READERS and is_counted and not _computes(node)


def _work(plan: Plan, node: Node) -> tuple[float, float]:
    rows = (node.rows or 0.0) + node.removed() + (node.loops or 0.0)
    rows += sum(one.rows or 0.0 for one in plan.children(node) if node.kind in _WRITERS)
    names = ("Hit", "Read", "Dirtied", "Written")
    return rows, sum(plan.own(node, f"Shared {name} Blocks") for name in names)


def _time_s(value: object) -> float:
    return value / 1000 if isinstance(value, int | float) else 0.0
