"""
A plan: what EXPLAIN (FORMAT JSON) says, as nodes with times and rows that can be added up.

EXPLAIN gives averages: of the loops of a node, and below a Gather of the processes too. Here
rows are totals over all of them, and times are the wall clock's: a node that five processes ran
side by side for a second each took one second. A node's self time is what its children did not
take. Nodes are kept in one tuple, parents first, so that no depth is too deep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from keiko_perf.diagnosis.json_text import parse
from keiko_perf.errors import UsageError

MOST_NODES = 200_000
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
    """

    nodes: tuple[Node, ...] = field(repr=False)
    executed: bool
    planning_s: float | None
    execution_s: float | None
    triggers: tuple[Mapping[str, Any], ...] = ()
    jit: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Node:
        return self.nodes[0]

    @property
    def total_cost(self) -> float:
        return self.root.total_cost

    @property
    def rows_handled(self) -> float:
        """
        How much there was to do: the rows that were read or compared, in all loops. It is the
        same on any machine, however busy. An empty loop counts as one row.
        """
        read = sum(
            (node.rows or 0.0) + (node.loops or 0.0) for node in self.nodes if not node.children
        )
        return read + sum(node.removed(name) for node in self.nodes for name in _REMOVED)

    def parent(self, node: Node) -> Node | None:
        return None if node.parent is None else self.nodes[node.parent]

    def children(self, node: Node) -> list[Node]:
        return [self.nodes[id] for id in node.children]

    def child(self, node: Node, relationship: str) -> Node | None:
        """The outer or inner child."""
        return next((o for o in self.children(node) if o.relationship == relationship), None)

    def ancestors(self, node: Node) -> Iterator[Node]:
        """From the parent to the root."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)


def read_plan(explained: object) -> Plan:
    """
    The plan in EXPLAIN's answer.

    Args:
        explained: the JSON as text, or as parsed by a driver.

    Raises:
        UsageError: it is no plan in JSON form, or one that was cut off or changed by hand.
    """
    if isinstance(explained, str | bytes):
        explained = _parsed(explained)
    if isinstance(explained, list) and len(explained) == 1:
        explained = explained[0]
    if not isinstance(explained, dict) or not isinstance(explained.get("Plan"), dict):
        raise _no_plan("there is no plan in it")
    drafts = _drafts(explained["Plan"])
    executed = drafts[0].loops is not None
    execution_ms = _number(explained, "Execution Time")
    if execution_ms is None and drafts[0].total_s is not None:
        execution_ms = drafts[0].total_s * 1000
    planning_ms = _number(explained, "Planning Time")
    return Plan(
        nodes=_nodes(drafts, None if execution_ms is None else execution_ms / 1000),
        executed=executed,
        planning_s=None if planning_ms is None else planning_ms / 1000,
        execution_s=None if execution_ms is None else execution_ms / 1000,
        triggers=tuple(o for o in _list(explained, "Triggers") if isinstance(o, dict)),
        jit=_mapping(explained, "JIT"),
        settings=_mapping(explained, "Settings"),
    )


class _Draft:
    """A node while it is being read."""

    __slots__ = ("children", "details", "id", "loops", "parent", "rows", "self_s", "total_s")

    def __init__(self, id: int, parent: _Draft | None, details: dict[str, Any]) -> None:
        if not isinstance(details.get("Node Type"), str):
            raise _no_plan("a node has no type")
        self.id = id
        self.parent = parent
        self.details = details
        self.children: list[_Draft] = []
        self.loops = _number(details, "Actual Loops")
        actual = _number(details, "Actual Rows")
        self.rows = None if self.loops is None else (actual or 0.0) * self.loops
        self.total_s: float | None = None
        self.self_s: float | None = None
        if parent is not None:
            parent.children.append(self)

    @property
    def kind(self) -> str:
        return str(self.details["Node Type"])

    @property
    def relationship(self) -> str:
        return str(self.details.get("Parent Relationship", ""))

    @property
    def cost(self) -> float:
        return _number(self.details, "Total Cost") or 0.0

    @property
    def cte(self) -> str | None:
        """The name of the CTE whose subplan this is."""
        name = str(self.details.get("Subplan Name", ""))
        return name.removeprefix("CTE ") if name.startswith("CTE ") else None


def _drafts(root: dict[str, Any]) -> list[_Draft]:
    """All nodes, parents first, with their times."""
    drafts: list[_Draft] = []
    open_: list[tuple[dict[str, Any], _Draft | None, float]] = [(root, None, 1.0)]
    while open_:
        details, parent, processes = open_.pop()
        if len(drafts) == MOST_NODES:
            raise _no_plan(f"it has more than {MOST_NODES:,} nodes")
        draft = _Draft(len(drafts), parent, details)
        drafts.append(draft)
        time_ms = _number(details, "Actual Total Time")
        if draft.loops is not None and (time_ms is not None or draft.loops == 0):
            draft.total_s = (time_ms or 0.0) * draft.loops / processes / 1000
        below = processes
        if draft.kind in ("Gather", "Gather Merge") and not details.get("Single Copy"):
            below = (_number(details, "Workers Launched") or 0) + 1
        children = _list(details, "Plans")
        if not all(isinstance(child, dict) for child in children):
            raise _no_plan("a node is not an object")
        # An InitPlan is run by the leader alone, once, whatever is below the Gather.
        open_ += [
            (child, draft, 1.0 if child.get("Parent Relationship") == "InitPlan" else below)
            for child in reversed(children)
        ]
    _set_self_times(drafts)
    return drafts


def _set_self_times(drafts: list[_Draft]) -> None:
    """
    A CTE's subplan hangs below the node that defines it, but its time passes in the scans that
    draw from it: it is taken off theirs, in the order in which they drew.
    """
    left_s: defaultdict[str, float] = defaultdict(float)
    for draft in drafts:
        if draft.cte is not None:
            left_s[draft.cte] += draft.total_s or 0.0
    for draft in drafts:
        if draft.total_s is None:
            continue
        elsewhere = [child for child in draft.children if child.cte is None]
        self_s = draft.total_s - sum(child.total_s or 0.0 for child in elsewhere)
        if draft.kind == "CTE Scan":
            taken = min(left_s[str(draft.details.get("CTE Name"))], max(self_s, 0.0))
            left_s[str(draft.details.get("CTE Name"))] -= taken
            self_s -= taken
        draft.self_s = max(self_s, 0.0)


def _nodes(drafts: list[_Draft], execution_s: float | None) -> tuple[Node, ...]:
    costs = _branch_costs(drafts)
    whole_s = max(execution_s or 0.0, drafts[0].total_s or 0.0)
    return tuple(_node(draft, costs, whole_s) for draft in drafts)


def _node(draft: _Draft, costs: list[float], whole_s: float) -> Node:
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
        relation=_text(details, "Relation Name"),
        index=_text(details, "Index Name"),
        total_cost=draft.cost,
        plan_rows=_number(details, "Plan Rows") or 0.0,
        loops=draft.loops,
        rows=draft.rows,
        total_s=draft.total_s,
        self_s=draft.self_s,
        share=min(share, 1.0),
        branch_share=min(branch, 1.0),
        details=MappingProxyType({k: v for k, v in details.items() if k != "Plans"}),
    )


def _branch_costs(drafts: list[_Draft]) -> list[float]:
    """
    What each branch costs in the whole plan.

    A node's cost is that of one complete loop: the inner side of a nested loop is paid for each
    outer row (unless it is remembered), and a Limit does not let its child finish.
    """
    factors = [1.0] * len(drafts)
    for draft in drafts:
        for child in draft.children:
            factors[child.id] = factors[draft.id] * _factor(draft, child)
    return [min(draft.cost * factors[draft.id], drafts[0].cost) for draft in drafts]


def _factor(parent: _Draft, child: _Draft) -> float:
    if parent.kind == "Limit" and child.cost > 0:
        return min(parent.cost / child.cost, 1.0)
    is_repeated = child.relationship == "Inner" and child.kind not in ("Materialize", "Memoize")
    if parent.kind == "Nested Loop" and is_repeated:
        outer = next((one for one in parent.children if one.relationship == "Outer"), None)
        return max(1.0, _number(outer.details, "Plan Rows") or 0.0) if outer else 1.0
    return 1.0


def _parsed(text: str | bytes) -> object:
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    text = text.strip().lstrip("\ufeff")
    if text.startswith("<"):
        raise _no_plan("it is XML")
    if not text.startswith(("[", "{")):
        raise _no_plan("it is not JSON")
    try:
        return parse(text)
    except ValueError as error:
        raise _no_plan(f"it is cut off or was changed: {error}") from None


def _no_plan(why: str) -> UsageError:
    return UsageError(
        f"this is not a plan that can be read: {why}",
        cure="Pass all that EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) printed",
    )


def _number(details: dict[str, Any], name: str) -> float | None:
    value = details.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e300:
        raise _no_plan(f"{name!r} is not a number from 0 on")
    return float(value)


def _text(details: dict[str, Any], name: str) -> str | None:
    value = details.get(name)
    return value if isinstance(value, str) else None


def _list(details: dict[str, Any], name: str) -> list[Any]:
    value = details.get(name, [])
    if not isinstance(value, list):
        raise _no_plan(f"{name!r} is not a list")
    return value


def _mapping(details: dict[str, Any], name: str) -> dict[str, Any]:
    value = details.get(name)
    return value if isinstance(value, dict) else {}
