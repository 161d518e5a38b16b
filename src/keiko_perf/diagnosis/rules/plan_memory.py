"""
Plans: sorts and hash tables that do not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import WORK_MEM, Rule, finding, matters, megabytes
from keiko_perf.model import Finding, say


def sort_spill(plan: Plan) -> Iterator[Finding]:
    """`plan.sort-spill`: a sort did not fit into work_mem."""
    for node in plan.nodes:
        spilled = _sort_on_disk_bytes(node) or _sorted_within_bytes(plan, node)
        share = node.share + _share_of_window(plan, node)
        if not spilled or not matters(plan, share):
            continue
        yield finding(
            plan,
            "plan.sort-spill",
            node,
            share,
            say("sorts on disk, {spilled:bytes}: it does not fit into work_mem", spilled=spilled),
            evidence={
                "spilled_bytes": spilled,
                "sort_key": ", ".join(str(key) for key in node.details.get("Sort Key", ())),
            },
            # In memory a row takes about twice to three times the room that it takes on disk.
            cure=f"SET work_mem = '{megabytes(3 * spilled)}MB';",
            explanation=say(
                "Set it for the session or the role that runs this, not for the server: each sort"
                " and hash of each connection may take as much. An index in this order, or fewer"
                " or narrower rows, would spare the sort."
            ),
            link=WORK_MEM,
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
        if not matters(plan, share):
            continue
        memory = node.number("Peak Memory Usage") * 1024
        yield finding(
            plan,
            "plan.hash-spill",
            node,
            share,
            say("its hash table does not fit into work_mem and goes to disk in batches"),
            evidence={
                "batches": round(batches or node.number("HashAgg Batches")),
                "peak_memory_bytes": memory,
                "spilled_bytes": spilled or None,
            },
            cure=f"SET work_mem = '{megabytes(memory * max(batches, 1) + 2 * spilled)}MB';",
            explanation=say(
                "Set it for the session or the role that runs this, not for the server. Where the"
                " estimate of the rows is wrong, right statistics cure it too."
            ),
            link=WORK_MEM,
        )


RULES: tuple[Rule, ...] = (sort_spill, hash_spill)


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


def _share_of_window(plan: Plan, sort: Node) -> float:
    """What a window function above costs, if it keeps its rows on disk for the same reason."""
    above = plan.parent(sort)
    if above is None or above.kind != "WindowAgg":
        return 0.0
    return above.share if plan.own(above, "Temp Written Blocks") else 0.0


def _sorted_within_bytes(plan: Plan, node: Node) -> float:
    """What count(DISTINCT …) and ordered aggregates wrote: they sort without a node for it."""
    if node.kind != "Aggregate" or node.details.get("Strategy") not in ("Plain", "Sorted"):
        return 0.0
    return plan.own(node, "Temp Written Blocks") * PAGE_BYTES


def _in_all(node: Node, name: str) -> float:
    """A figure of the leader and of all workers, added up."""
    values = [one.get(name) for one in (node.details, *_workers(node))]
    return float(sum(value for value in values if isinstance(value, int | float)))


def _workers(node: Node) -> list[dict[str, object]]:
    workers = node.details.get("Workers")
    return [one for one in workers if isinstance(one, dict)] if isinstance(workers, list) else []
