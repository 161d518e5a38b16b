"""
EXPLAIN's text, as people paste it, brought to the form that EXPLAIN (FORMAT JSON) has.

The tree is told by how far a node's arrow is indented. What a line says beneath its node is kept
under the name that the JSON form has for it, so that nothing else need know of this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.diagnosis.plans.lines import of_line, of_title
from keiko_perf.diagnosis.plans.refusal import no_plan

MOST_LINES = 2_000_000

_NODE = re.compile(
    r"^(?P<indent>\s*)(?P<arrow>->\s+)?(?P<title>\S.*?)"
    r"(?:\s+\(cost=(?P<startup>[\d.]+)\.\.(?P<total>[\d.]+) rows=(?P<planned>[\d.]+)"
    r" width=(?P<width>\d+)\))?"
    r"(?:\s+\((?P<actual>actual [^)]*|never executed)\))?\s*$"
)
_ACTUAL = re.compile(
    r"(?:time=(?P<first>[\d.]+)\.\.(?P<last>[\d.]+) )?"
    r"rows=(?P<rows>[\d.]+)(?: loops=(?P<loops>\d+))?"
)
_SUBPLAN = re.compile(r"^\s*((?:InitPlan|SubPlan|CTE)\s+\S.*?)\s*$")
_TRIGGER = re.compile(
    r"^\s*Trigger (?:(?P<name>.+?) )?(?:for constraint (?P<constraint>.+?) )?"
    r"(?:on (?P<relation>.+?))?:? ?(?:time=(?P<time>[\d.]+) )?calls=(?P<calls>[\d.]+)\s*$"
)
_WHOLE = re.compile(r"^\s*(Planning|Execution|Total runtime|Planning Time|Execution Time)\b")
_MS = re.compile(r"([A-Z]\w*) ([\d.]+) ms")


@dataclass(slots=True)
class _Open:
    """A node whose children may still come, and how far its arrow is indented."""

    indent: int
    details: dict[str, Any]
    children: list[dict[str, Any]] = field(default_factory=list)


def looks_like_text(text: str) -> bool:
    """Whether a line of it could be the first of a plan."""
    return re.search(r"\(cost=[\d.]+\.\.[\d.]+ rows=|\(actual (?:time|rows)=", text) is not None


def explained(text: str) -> dict[str, Any]:
    """
    What EXPLAIN (FORMAT JSON) would have said.

    Raises:
        UsageError: there is no plan in it, or it was cut within the tree.
    """
    reader = _Reader()
    for line in text.splitlines()[:MOST_LINES]:
        if line.strip():
            reader.read(line.expandtabs(8))
    if reader.root is None:
        raise no_plan("there is no plan in it")
    return reader.whole | {"Plan": reader.root}


class _Reader:
    """Reads line by line; knows which nodes are still open."""

    def __init__(self) -> None:
        self.whole: dict[str, Any] = {"Triggers": []}
        self.root: dict[str, Any] | None = None
        self._open: list[_Open] = []
        self._subplan: tuple[int, str] | None = None
        self._part: dict[str, Any] | None = None

    def read(self, line: str) -> None:
        match = _NODE.match(line)
        if match and self._is_node(match):
            self._node(match)
        elif self.root is not None:
            self._detail(line)

    def _is_node(self, match: re.Match[str]) -> bool:
        if self._part is not None:  # behind the tree
            return False
        told = match["total"] is not None or match["actual"] is not None
        return told if self.root is None else told or match["arrow"] is not None

    def _node(self, match: re.Match[str]) -> None:
        indent = len(match["indent"])
        if self.root is not None and match["arrow"] is None and self._subplan is None:
            return  # "Worker 0:  actual time=…" is a line of its node
        while self._open and self._open[-1].indent >= indent:
            self._open.pop()
        details = of_title(match["title"]) | _figures(match)
        if self.root is None:
            self.root = details
        elif not self._open:
            raise no_plan("its lines are not indented as EXPLAIN does it: a second root")
        else:
            self._hang(details)
        self._open.append(_Open(indent, details))

    def _hang(self, details: dict[str, Any]) -> None:
        parent = self._open[-1]
        if self._subplan is not None:
            name = self._subplan[1]
            details["Parent Relationship"] = "SubPlan" if name[0] == "S" else "InitPlan"
            details["Subplan Name"] = name
            self._subplan = None
        else:
            details["Parent Relationship"] = _relationship(parent)
            parent.children.append(details)
        parent.details.setdefault("Plans", []).append(details)

    def _detail(self, line: str) -> None:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        subplan = _SUBPLAN.match(line)
        if self._part is None and subplan and ":" not in stripped:
            while self._open and self._open[-1].indent >= indent:
                self._open.pop()
            self._subplan = (indent, subplan[1])
        elif not self._of_the_whole(line, stripped):
            # Only the node above it in the text can be meant; a line knows no arrow.
            said = of_line(stripped)
            if self._part is not None:
                self._part.update(said)
            elif self._open:
                _merged(self._open[-1].details, said)

    def _of_the_whole(self, line: str, stripped: str) -> bool:
        name, _, value = stripped.partition(":")
        number = re.match(r"\s*([\d.]+)", value)
        if (
            name in ("Planning Time", "Execution Time", "Planning time", "Execution time")
            and number
        ):
            self.whole[name.title()] = float(number[1])
            self._part = {}
        elif name == "Total runtime" and number:
            self.whole["Execution Time"] = float(number[1])
            self._part = {}
        elif stripped in ("Planning:", "JIT:"):
            self._part = self.whole.setdefault(name, {})
        elif trigger := _TRIGGER.match(line):
            self.whole["Triggers"].append(_trigger(trigger))
            self._part = {}
        elif name == "Timing" and self._part is not None:
            self.whole.setdefault("JIT", {})["Timing"] = {
                part: float(ms) for part, ms in _MS.findall(value)
            }
        elif name == "Settings":
            pairs = re.findall(r"(\S+) = '([^']*)'", value)
            self.whole["Settings"] = dict(pairs)
        elif name == "Query Text":
            self.whole["Query Text"] = value.strip()
        elif name == "Serialization":
            time = re.search(r"time=([\d.]+)", value)
            self.whole["Serialization"] = {"Time": float(time[1])} if time else {}
            self._part = {}
        else:
            return False
        return True


def _figures(match: re.Match[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if match["total"] is not None:
        said |= {
            "Startup Cost": float(match["startup"]),
            "Total Cost": float(match["total"]),
            "Plan Rows": float(match["planned"]),
            "Plan Width": int(match["width"]),
        }
    actual = match["actual"]
    if actual == "never executed":
        said |= {"Actual Rows": 0, "Actual Loops": 0}
    elif actual is not None and (figures := _ACTUAL.search(actual)):
        said |= {
            "Actual Rows": float(figures["rows"]),
            "Actual Loops": float(figures["loops"] or 1),
        }
        if figures["last"] is not None:
            said["Actual Startup Time"] = float(figures["first"])
            said["Actual Total Time"] = float(figures["last"])
    return said


def _relationship(parent: _Open) -> str:
    kind = str(parent.details.get("Node Type"))
    if kind in ("Append", "Merge Append", "BitmapAnd", "BitmapOr", "ModifyTable"):
        return "Outer" if kind == "ModifyTable" else "Member"
    if kind == "Subquery Scan":
        return "Subquery"
    return "Inner" if parent.children else "Outer"


def _merged(details: dict[str, Any], said: dict[str, Any]) -> None:
    """A node's lines, of which a worker's are kept apart."""
    worker = said.pop("Worker Number", None)
    if worker is not None:
        details.setdefault("Workers", []).append({"Worker Number": worker} | said)
        return
    for name, value in said.items():
        details.setdefault(name, value)


def _trigger(match: re.Match[str]) -> dict[str, Any]:
    names = {"Trigger Name": "name", "Constraint Name": "constraint", "Relation": "relation"}
    said: dict[str, Any] = {
        name: match[group].rstrip(":") for name, group in names.items() if match[group]
    }
    said["Calls"] = float(match["calls"])
    if match["time"]:
        said["Time"] = float(match["time"])
    return said
