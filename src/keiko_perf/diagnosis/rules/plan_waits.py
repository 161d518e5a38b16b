"""
Plans: time in which nothing was done: pages that had to come from disk, and locks of others.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import LEAST_SHARE, MANUAL, Rule, finding
from keiko_perf.model import Finding, say

_COLD_SHARE = 3 * LEAST_SHARE
_COLD_BLOCKS = 1_000
_COLD_BLOCK_S = 20e-6
"""A page that the system still has in memory comes in a fraction of this."""
_WAIT_S = 0.1
_ROW_S = 0.3e-3
_BLOCK_S = 0.1e-3
"""What a row and a page of a write may take at the very most, on a busy machine."""
_WRITERS = ("LockRows", "ModifyTable")
_READERS = ("Seq Scan", "Index Scan", "Index Only Scan", "Tid Scan")


def cold_read(plan: Plan) -> Iterator[Finding]:
    """`plan.cold-read`: most of the time was spent waiting for pages from disk."""
    nodes = [node for node in plan.nodes if node.io_read_s is not None]
    if not nodes or not plan.execution_s:
        return
    node = max(nodes, key=lambda one: _own_read_s(plan, one))
    read_s = sum(_own_read_s(plan, one) for one in nodes)
    blocks = sum(plan.own(one, "Shared Read Blocks") for one in plan.nodes)
    share = min(1.0, read_s / plan.execution_s)
    if blocks < _COLD_BLOCKS or share < _COLD_SHARE or read_s < _COLD_BLOCK_S * blocks:
        return
    yield finding(
        plan,
        "plan.cold-read",
        node,
        share,
        say(
            "waited {read_s:duration} for {blocks:count} pages that were not in memory",
            read_s=read_s,
            blocks=blocks,
        ),
        evidence={"read_s": read_s, "blocks_read": round(blocks)},
        explanation=say(
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


RULES: tuple[Rule, ...] = (cold_read, lock_or_io_wait)


def _own_read_s(plan: Plan, node: Node) -> float:
    """By the wall clock: processes that wait side by side wait but once."""
    below = sum(one.io_read_s or 0.0 for one in plan.children(node))
    return max(0.0, (node.io_read_s or 0.0) - below) / node.processes


def _is_judged(node: Node) -> bool:
    """Whether it is known what it did: a write, or a plain scan of which the pages were counted."""
    if node.kind in _WRITERS:
        return True
    computes = "(" in str(node.details.get("Filter", "")).replace("(", "", 1)
    return node.kind in _READERS and "Shared Hit Blocks" in node.details and not computes


def _work(plan: Plan, node: Node) -> tuple[float, float]:
    rows = (node.rows or 0.0) + node.removed() + (node.loops or 0.0)
    rows += sum(one.rows or 0.0 for one in plan.children(node) if node.kind in _WRITERS)
    names = ("Hit", "Read", "Dirtied", "Written")
    return rows, sum(plan.own(node, f"Shared {name} Blocks") for name in names)


def _time_s(value: object) -> float:
    return value / 1000 if isinstance(value, int | float) else 0.0
