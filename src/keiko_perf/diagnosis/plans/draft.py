"""
The nodes of a plan while it is read: what EXPLAIN's averages come to when they are added up.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from keiko_perf.diagnosis.plans.refusal import no_plan

MOST_NODES = 200_000

_RETURNS = re.compile(r"returns (\$\d+)")
_PARAMETER = re.compile(r"\$\d+|InitPlan \d+")
_CONDITIONS = (
    "Index Cond", "Filter", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond",
    "One-Time Filter", "TID Cond", "Params Evaluated", "Output",
)  # fmt: skip


class Draft:
    """A node while it is being read."""

    __slots__ = (
        "children", "details", "id", "loops", "parent", "processes", "rows", "self_s", "total_s",
    )  # fmt: skip

    def __init__(
        self, id: int, parent: Draft | None, details: dict[str, Any], processes: float
    ) -> None:
        if not isinstance(details.get("Node Type"), str):
            raise no_plan("a node has no type")
        self.id = id
        self.parent = parent
        self.details = details
        self.children: list[Draft] = []
        self.loops = number(details, "Actual Loops")
        actual = number(details, "Actual Rows")
        self.rows = None if self.loops is None else (actual or 0.0) * self.loops
        self.processes = processes
        self.total_s = self._total_s(number(details, "Actual Total Time"))
        self.self_s: float | None = None
        if parent is not None:
            parent.children.append(self)

    def _total_s(self, time_ms: float | None) -> float | None:
        """By the wall clock; as a loop's time is rounded, many could seem longer than all."""
        if self.loops is None or (time_ms is None and self.loops):
            return None
        total_s = (time_ms or 0.0) * self.loops / self.processes / 1000
        is_within = self.parent is not None and not self.is_elsewhere
        if is_within and self.parent is not None and self.parent.total_s is not None:
            return min(total_s, self.parent.total_s)
        return total_s

    @property
    def kind(self) -> str:
        return str(self.details["Node Type"])

    @property
    def relationship(self) -> str:
        return str(self.details.get("Parent Relationship", ""))

    @property
    def cost(self) -> float:
        return number(self.details, "Total Cost") or 0.0

    @property
    def is_elsewhere(self) -> bool:
        """Whether its time passes in the nodes that use its result, wherever they are."""
        return self.relationship == "InitPlan"

    @property
    def cte(self) -> str | None:
        """The name of the CTE whose subplan this is."""
        name = str(self.details.get("Subplan Name", ""))
        return name.removeprefix("CTE ") if name.startswith("CTE ") else None


def drafts_of(root: dict[str, Any]) -> list[Draft]:
    """All nodes, parents first, with their times."""
    drafts: list[Draft] = []
    open_: list[tuple[dict[str, Any], Draft | None, float]] = [(root, None, 1.0)]
    while open_:
        details, parent, processes = open_.pop()
        if len(drafts) == MOST_NODES:
            raise no_plan(f"it has more than {MOST_NODES:,} nodes")
        draft = Draft(len(drafts), parent, details, processes)
        drafts.append(draft)
        children = listed(details, "Plans")
        if not all(isinstance(child, dict) for child in children):
            raise no_plan("a node is not an object")
        open_ += [(child, draft, _processes(draft, child)) for child in reversed(children)]
    _set_self_times(drafts)
    return drafts


def _processes(parent: Draft, child: dict[str, Any]) -> float:
    """How many processes run a node side by side."""
    if child.get("Parent Relationship") == "InitPlan":
        return 1.0  # the leader alone runs it, once, whatever is below the Gather
    if parent.kind not in ("Gather", "Gather Merge") or parent.details.get("Single Copy"):
        return parent.processes
    # Each process runs what is below a Gather once; the leader may not take part.
    loops = number(child, "Actual Loops")
    if loops and parent.loops:
        return max(1.0, loops / parent.loops)
    return (number(parent.details, "Workers Launched") or 0) + 1


def _set_self_times(drafts: list[Draft]) -> None:
    """
    What an InitPlan or a CTE returns is made when it is first asked for: its time passes in the
    scans that draw from it, in the order in which they draw, and is taken off theirs.
    """
    left_s: defaultdict[str, float] = defaultdict(float)
    for draft in drafts:
        if draft.is_elsewhere:
            left_s[_result(draft)] += draft.total_s or 0.0
    used = {name for draft in drafts for name in _uses(draft)} if left_s else set()
    for draft in drafts:
        if draft.total_s is None:
            continue
        within = [one for one in draft.children if not (one.is_elsewhere and _result(one) in used)]
        self_s = draft.total_s - sum(child.total_s or 0.0 for child in within)
        for name in _uses(draft) if left_s else ():
            taken = min(left_s[name], max(self_s, 0.0))
            left_s[name] -= taken
            self_s -= taken
        draft.self_s = max(self_s, 0.0)


def _result(draft: Draft) -> str:
    """What others call the result of an InitPlan or CTE by."""
    if draft.cte is not None:
        return f"CTE {draft.cte}"
    name = str(draft.details.get("Subplan Name", ""))
    parameter = _RETURNS.search(name)
    return parameter[1] if parameter else name


def _uses(draft: Draft) -> list[str]:
    """The results of others that a node draws from."""
    if draft.kind == "CTE Scan":
        return [f"CTE {draft.details.get('CTE Name')}"]
    said = [draft.details.get(name) for name in _CONDITIONS]
    texts = [one for one in said if isinstance(one, str)]
    texts += [str(one) for one in said if isinstance(one, list)]
    return [name for one in texts for name in _PARAMETER.findall(one)]


def branch_costs(drafts: list[Draft]) -> list[float]:
    """
    What each branch costs in the whole plan.

    A node's cost is that of one complete loop: the inner side of a nested loop is paid for each
    outer row (unless it is remembered), and a Limit does not let its child finish.
    """
    factors = [1.0] * len(drafts)
    for draft in drafts:
        for child in draft.children:
            factors[child.id] = factors[draft.id] * _factor(draft, child)
    costs: list[float] = []
    for draft in drafts:
        cost = draft.cost * factors[draft.id]
        is_within = draft.parent is not None and not draft.is_elsewhere
        above = costs[draft.parent.id] if is_within and draft.parent else drafts[0].cost
        costs.append(min(cost, above))
    return costs


def _factor(parent: Draft, child: Draft) -> float:
    if parent.kind == "Limit" and child.cost > 0:
        return min(parent.cost / child.cost, 1.0)
    is_repeated = child.relationship == "Inner" and child.kind not in ("Materialize", "Memoize")
    if parent.kind == "Nested Loop" and is_repeated:
        outer = next((one for one in parent.children if one.relationship == "Outer"), None)
        return max(1.0, number(outer.details, "Plan Rows") or 0.0) if outer else 1.0
    if child.relationship == "SubPlan" and not _is_hashed(parent, child):
        rows = max(number(one.details, "Plan Rows") or 0.0 for one in (parent, *parent.children))
        return max(1.0, rows)
    return 1.0


def _is_hashed(parent: Draft, child: Draft) -> bool:
    """Whether a subplan is run once, and its result looked up."""
    name = child.details.get("Subplan Name")
    return any(f"hashed {name}" in str(parent.details.get(one, "")) for one in _CONDITIONS)


def number(details: dict[str, Any], name: str) -> float | None:
    value = details.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e300:
        raise no_plan(f"{name!r} is not a number from 0 on")
    return float(value)


def text(details: dict[str, Any], name: str) -> str | None:
    value = details.get(name)
    return value if isinstance(value, str) else None


def listed(details: dict[str, Any], name: str) -> list[Any]:
    value = details.get(name, [])
    if not isinstance(value, list):
        raise no_plan(f"{name!r} is not a list")
    return value


def mapping(details: dict[str, Any], name: str) -> dict[str, Any]:
    value = details.get(name)
    return value if isinstance(value, dict) else {}
