"""
Nodes: what a plan is made of, as EXPLAIN gives it in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keiko_perf.diagnosis.schema import TableName

Node = Mapping[str, Any]
"""A node of a plan; a plan is its first one."""
_LEADER_HELPS = 0.3


def nodes(plan: Node) -> Iterator[Node]:
    """A plan's first node, and all below it."""
    yield plan
    for one in plan.get("Plans", ()):
        yield from nodes(one)


def table_of(node: Node) -> TableName | None:
    """The table that a node reads or changes."""
    name = node.get("Relation Name")
    return TableName(node.get("Schema", ""), name) if name else None


def index_names(plan: Node) -> Iterator[str]:
    """The indexes that a plan uses."""
    return (one["Index Name"] for one in nodes(plan) if "Index Name" in one)


def shared_by(node: Node, workers: int) -> float:
    """Among how many processes the planner divides a node's work."""
    return processes(workers) if node.get("Parallel Aware") else 1.0


def processes(workers: float) -> float:
    """Among how many it divides what is done in parallel: the leader helps the less, the more
    workers it has to hear."""
    return workers + max(1 - _LEADER_HELPS * workers, 0.0)
