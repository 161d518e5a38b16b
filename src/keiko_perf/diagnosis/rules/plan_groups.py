"""
The scans of a plan, where those of a table's partitions count as one.

Each of a hundred partitions costs a hundredth, which no rule would speak of; together they are
what the statement waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from keiko_perf.diagnosis.plans.clauses import Clause, Reason, clauses, without_aliases
from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.model import Text, say

_APPENDS = ("Append", "Merge Append")
_TAKES_ALL = ("Sort", "Hash", "Aggregate", "Materialize", "WindowAgg", "SetOp", "Incremental Sort")
"""What wants every row before it gives its first."""
COST_OF_A_ROW = 0.03
"""What a sequential scan costs for one row of usual width, page and filter together."""


@dataclass(frozen=True)
class Scan:
    """One scan, or the same one of several partitions."""

    plan: Plan
    nodes: tuple[Node, ...]

    @cached_property
    def node(self) -> Node:
        """The one that costs most, which speaks for all."""
        return max(self.nodes, key=lambda node: node.branch_share)

    @property
    def table(self) -> str:
        return self.node.relation or "the table"

    @property
    def tables(self) -> Text:
        """The table, for a sentence: of partitions how many there are."""
        if len(self.nodes) == 1:
            return self.table
        return say("{count:count} partitions as {table}", count=len(self.nodes), table=self.table)

    @cached_property
    def share(self) -> float:
        """What they cost themselves, with the bitmaps below them."""
        return min(1.0, sum(self._share(node) for node in self.nodes))

    @cached_property
    def removed(self) -> float:
        return sum(node.removed() for node in self.nodes)

    @cached_property
    def kept(self) -> float:
        """How many rows they handed on; an estimate if they were not executed."""
        return sum(node.plan_rows if node.rows is None else node.rows for node in self.nodes)

    @cached_property
    def read(self) -> float:
        """How many rows they read: measured, or by their cost."""
        if self.plan.executed:
            return self.kept + self.removed
        return sum(self._read_by_cost(node) for node in self.nodes)

    @cached_property
    def filter(self) -> str:
        return str(self.node.details.get("Filter", ""))

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """What the filter is made of; empty if it cannot be read."""
        alias = self.node.details.get("Alias")
        return clauses(self.filter, str(alias) if alias else None) if self.filter else ()

    def clause(self, reason: Reason) -> Clause | None:
        return next((one for one in self.clauses if one.reason is reason), None)

    @property
    def is_limited(self) -> bool:
        """Whether a LIMIT above may have ended it before the table did."""
        return limit_above(self.plan, self.node) is not None

    def _share(self, node: Node) -> float:
        return node.share + sum(
            child.branch_share
            for child in self.plan.children(node)
            if child.kind.startswith("Bitmap")
        )

    def _read_by_cost(self, node: Node) -> float:
        below_gather = any(one.kind.startswith("Gather") for one in self.plan.ancestors(node))
        # One of several processes is paid for its part of the rows, though for all of the pages.
        return node.total_cost / COST_OF_A_ROW * (1.5 if below_gather else 1.0)


def scans(plan: Plan, *kinds: str) -> list[Scan]:
    """The scans of these kinds, those of partitions together."""
    groups: dict[tuple[object, ...], list[Node]] = {}
    for node in plan.nodes:
        if node.kind in kinds and not node.was_never_executed:
            groups.setdefault(_key(plan, node), []).append(node)
    return [Scan(plan, tuple(nodes)) for nodes in groups.values()]


def partitions(scan: Scan) -> dict[str, float | int | str | None]:
    """How many partitions it is about, if it is about more than one."""
    return {"partitions": len(scan.nodes)} if len(scan.nodes) > 1 else {}


def limit_above(plan: Plan, node: Node) -> Node | None:
    """The Limit that may end a node before it has handed out all it has."""
    below = node
    for above in plan.ancestors(node):
        if above.kind == "Limit":
            return above
        if above.kind in _TAKES_ALL or below.relationship in ("InitPlan", "SubPlan"):
            return None
        below = above
    return None


def append_above(plan: Plan, node: Node) -> Node | None:
    """The Append whose member a node is, or belongs to."""
    for above in plan.ancestors(node):
        if above.kind in _APPENDS:
            return above
        if len(above.children) > 1:
            return None
    return None


def _key(plan: Plan, node: Node) -> tuple[object, ...]:
    append = append_above(plan, node)
    if append is None:
        return (node.id,)
    said = without_aliases(str(node.details.get("Filter", "")))
    return (append.id, node.kind, said)
