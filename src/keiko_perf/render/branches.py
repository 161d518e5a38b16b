"""
Branches: a tree as lines with guides before them, for the terminal and for Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiko_perf.model import Branch, Severity, Tree
from keiko_perf.render.clean import clean_line
from keiko_perf.render.language import phrase
from keiko_perf.render.units import show
from keiko_perf.render.words import sign

DEEPEST = 16
"""Deeper branches stay at the same margin, so that the lines keep their length."""
BAR = 10
LEAST_SHARE = 0.005
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Line:
    """
    Attributes:
        guide: what leads the eye from the parent.
        text: what stands there.
        right: what stands at the right margin.
        kind: `name`, `figures`, `detail` or `finding`.
        severity: of a finding.
    """

    guide: str
    text: str
    kind: str
    right: str = ""
    severity: Severity | None = None


def lines(tree: Tree, lang: str) -> Iterator[Line]:
    """The tree from above, each branch with its figures, details and findings."""
    depths = tree.depths()
    has_later = _has_later_siblings(tree)
    open_: list[bool] = []  # for each depth whether a line goes on downwards
    for place, branch in enumerate(tree.branches):
        depth = min(depths[place], DEEPEST)
        del open_[depth:]
        open_ += [False] * (depth - len(open_))
        before = "".join("│  " if one else "   " for one in open_[1:])
        fork = "" if depth == 0 else "├─ " if has_later[place] else "└─ "
        open_.append(has_later[place])
        inside = before + ("" if depth == 0 else "│  " if has_later[place] else "   ")
        has_children = any(one.parent == place for one in tree.branches[place + 1 : place + 2])
        inside += "│  " if has_children else "   "
        name = clean_line(branch.name)
        yield Line(before + fork, f"{place + 1} {name}", "name", _right(tree, branch, lang))
        yield from _beneath(tree, branch, inside, lang)


def figures(tree: Tree, branch: Branch, lang: str) -> list[tuple[str, str]]:
    """The titles and values of the cells that are known, but for the first one."""
    pairs = zip(tree.columns[1:], branch.cells[1:], strict=True)
    return [
        (phrase(title, lang), show(value, format, lang))
        for (title, format), value in pairs
        if value is not None
    ]


def _beneath(tree: Tree, branch: Branch, guide: str, lang: str) -> Iterator[Line]:
    told = figures(tree, branch, lang)
    if told:
        yield Line(guide, " · ".join(f"{title} {value}" for title, value in told), "figures")
    for name, value in branch.details:
        yield Line(guide, clean_line(f"{name}: {value}"), "detail")
    for severity, code in branch.findings:
        yield Line(guide, f"{sign(severity)} {code}", "finding", severity=severity)


def _right(tree: Tree, branch: Branch, lang: str) -> str:
    """The first figure, and the share as a bar."""
    shown = ""
    if tree.columns and branch.cells[0] is not None:
        shown = show(branch.cells[0], tree.columns[0][1], lang)
    if branch.share is None:
        return shown
    percent = show(branch.share, "ratio", lang) if branch.share >= LEAST_SHARE else ""
    return f"{shown:>9} {_bar(branch.share)} {percent:>6}"


def _bar(share: float) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * BAR * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(BAR)


def _has_later_siblings(tree: Tree) -> list[bool]:
    last: dict[int | None, int] = {}
    for place, branch in enumerate(tree.branches):
        last[branch.parent] = place
    return [last[branch.parent] != place for place, branch in enumerate(tree.branches)]
