"""
A plan: what EXPLAIN (FORMAT JSON) says, as nodes with times and rows that can be added up.

EXPLAIN gives averages: of the loops of a node, and below a Gather of the processes too. Here
rows are totals over all of them, and times are the wall clock's: a node that five processes ran
side by side for a second each took one second. A node's self time is what its children did not
take. Nodes are kept in one tuple, parents first, so that no depth is too deep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from keiko_perf.diagnosis.plans.draft import (
    Draft,
    branch_costs,
    drafts_of,
    listed,
    mapping,
    number,
    text,
)
from keiko_perf.diagnosis.plans.source import explained, whole

_COMPARED = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond", "Join Filter")
_READ_TIMES = ("I/O Read Time", "Shared I/O Read Time", "Local I/O Read Time")
_REMOVED = (
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """
    One step of a plan.

    Attributes:
        id: its place in `Plan.nodes`.
        parent: its parent's; None for the root.
        children: its children's.
        kind: PostgreSQL's "Node Type".
        relationship: what it is to its parent: Outer, Inner, SubPlan, InitPlan, Member.
        relation: the table that it reads, if it does.
        index: the index that it reads.
        total_cost: the planner's, of one loop.
        plan_rows: the planner's estimate of the rows of one loop (of one process).
        loops: how often it ran, in all processes; 0 if never, None if it was not executed.
        rows: the rows of all loops together; None if it was not executed.
        total_s: how long it took with its children; None if no time was taken.
        self_s: how long it took without them.
        share: what it costs itself, of the whole: of the time, or of the cost if no time is known.
        branch_share: the same, with its children.
        processes: how many ran it side by side.
        details: everything that EXPLAIN said of it, by EXPLAIN's names.
    """

    id: int
    parent: int | None
    children: tuple[int, ...]
    kind: str
    relationship: str
    relation: str | None
    index: str | None
    total_cost: float
    plan_rows: float
    loops: float | None
    rows: float | None
    total_s: float | None
    self_s: float | None
    share: float
    branch_share: float
    processes: float
    details: Mapping[str, Any] = field(repr=False)

    @property
    def was_never_executed(self) -> bool:
        return self.loops == 0

    @property
    def rows_per_loop(self) -> float | None:
        """What `plan_rows` is compared with."""
        return self.rows / self.loops if self.loops and self.rows is not None else None

    @property
    def name(self) -> str:
        """As people know it from EXPLAIN's text: "Seq Scan on tasks"."""
        on = f" on {self.relation}" if self.relation else ""
        using = f" using {self.index}" if self.index else ""
        parallel = "Parallel " if self.details.get("Parallel Aware") else ""
        return f"{parallel}{self.kind}{using}{on}"

    def number(self, name: str) -> float:
        """A figure of EXPLAIN's, by its name; 0 if it is not there."""
        value = self.details.get(name)
        return value if isinstance(value, int | float) else 0.0

    @property
    def condition(self) -> str | None:
        """What it compares, in the index, the table and the join together."""
        shown = [str(self.details[name]) for name in _COMPARED if name in self.details]
        return " AND ".join(shown) or None

    @property
    def io_read_s(self) -> float | None:
        """
        How long all processes together waited to read pages for it and its children; None if
        track_io_timing is off.
        """
        names = [name for name in _READ_TIMES if name in self.details]
        return sum(self.number(name) for name in names) / 1000 if names else None

    def removed(self, name: str = "Rows Removed by Filter") -> float:
        """Rows that were thrown away in all loops; EXPLAIN says how many in one."""
        return self.number(name) * (self.loops or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What the planner chose for a statement, and what came of it.

    Attributes:
        nodes: parents before their children; the root first.
        executed: whether it was run (EXPLAIN ANALYZE), not only planned.
        planning_s: how long planning took; None if it was not said.
        execution_s: how long execution took; None if it was not executed.
        triggers: what EXPLAIN said of triggers.
        jit: what it said of compilation.
        settings: the settings that differ from the default, if it was asked for them.
        query: the statement, if it stands in the log beside its plan.
    """

    nodes: tuple[Node, ...] = field(repr=False)
    executed: bool
    planning_s: float | None
    execution_s: float | None
    triggers: tuple[Mapping[str, Any], ...] = ()
    jit: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    query: str | None = field(default=None, repr=False)

    @property
    def root(self) -> Node:
        return self.nodes[0]

    @property
    def total_cost(self) -> float:
        return self.root.total_cost

    @property
    def rows_handled(self) -> float:
        """
        How much there was to do: the rows that were read, compared, or made by a join of fewer,
        in all loops. It is the same on any machine, however busy. An empty loop counts as one row.
        """
        return sum(
            self._made_of(node) + sum(node.removed(name) for name in _REMOVED)
            for node in self.nodes
        )

    def _made_of(self, node: Node) -> float:
        """The rows that come out of a node and did not go into it."""
        out = node.rows or 0.0
        if not node.children:
            return out + (node.loops or 0.0)
        return max(0.0, out - sum(one.rows or 0.0 for one in self.children(node)))

    def parent(self, node: Node) -> Node | None:
        return None if node.parent is None else self.nodes[node.parent]

    def children(self, node: Node) -> list[Node]:
        return [self.nodes[id] for id in node.children]

    def child(self, node: Node, relationship: str) -> Node | None:
        """The outer or inner child."""
        return next((o for o in self.children(node) if o.relationship == relationship), None)

    def own(self, node: Node, name: str) -> float:
        """A figure that EXPLAIN adds up over the children, such as blocks, without theirs."""
        return max(0.0, node.number(name) - sum(o.number(name) for o in self.children(node)))

    def ancestors(self, node: Node) -> Iterator[Node]:
        """From the parent to the root."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)


def read_plan(source: object) -> Plan:
    """
    The plan in EXPLAIN's answer.

    Args:
        source: what EXPLAIN printed, in JSON or as text, or the value that a driver made of its
            JSON. Of the plans in auto_explain's log lines it is the one that took longest.

    Raises:
        UsageError: it is no plan, or one that was cut off or changed by hand.
    """
    return max(read_plans(source), key=lambda plan: plan.execution_s or 0.0)


def read_plans(source: object) -> tuple[Plan, ...]:
    """
    All plans in a text, of which auto_explain's log lines hold many.

    Raises:
        UsageError: there is none, or one was cut off or changed by hand.
    """
    if isinstance(source, str | bytes):
        return tuple(_plan(one) for one in explained(source))
    return (_plan(whole(source)),)


def _plan(said: dict[str, Any]) -> Plan:
    drafts = drafts_of(said["Plan"])
    execution_ms = number(said, "Execution Time")
    if execution_ms is None:
        execution_ms = number(said, "Total Runtime")
    if execution_ms is None and drafts[0].total_s is not None:
        execution_ms = drafts[0].total_s * 1000
    planning_ms = number(said, "Planning Time")
    query = said.get("Query Text")
    return Plan(
        nodes=_nodes(drafts, None if execution_ms is None else execution_ms / 1000),
        executed=drafts[0].loops is not None,
        planning_s=None if planning_ms is None else planning_ms / 1000,
        execution_s=None if execution_ms is None else execution_ms / 1000,
        triggers=tuple(o for o in listed(said, "Triggers") if isinstance(o, dict)),
        jit=mapping(said, "JIT"),
        settings=mapping(said, "Settings"),
        query=query if isinstance(query, str) else None,
    )


def _nodes(drafts: list[Draft], execution_s: float | None) -> tuple[Node, ...]:
    costs = branch_costs(drafts)
    whole_s = max(execution_s or 0.0, drafts[0].total_s or 0.0)
    return tuple(_node(draft, costs, whole_s) for draft in drafts)


def _node(draft: Draft, costs: list[float], whole_s: float) -> Node:
    details = draft.details
    if draft.total_s is not None and draft.self_s is not None and whole_s > 0:
        share, branch = draft.self_s / whole_s, draft.total_s / whole_s
    else:
        own = costs[draft.id] - sum(costs[child.id] for child in draft.children)
        share, branch = max(own, 0.0) / (costs[0] or 1.0), costs[draft.id] / (costs[0] or 1.0)
    return Node(
        id=draft.id,
        parent=None if draft.parent is None else draft.parent.id,
        children=tuple(child.id for child in draft.children),
        kind=draft.kind,
        relationship=draft.relationship,
        relation=text(details, "Relation Name"),
        index=text(details, "Index Name"),
        total_cost=draft.cost,
        plan_rows=number(details, "Plan Rows") or 0.0,
        loops=draft.loops,
        rows=draft.rows,
        total_s=draft.total_s,
        self_s=draft.self_s,
        share=min(share, 1.0),
        branch_share=min(branch, 1.0),
        processes=draft.processes,
        details=MappingProxyType({k: v for k, v in details.items() if k != "Plans"}),
    )
