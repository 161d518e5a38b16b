"""
Tree: steps that are nested in each other, each with its figures and what was found at it.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.model.finding import Severity
from keiko_perf.model.message import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """
    One step of a tree.

    Attributes:
        parent: its parent's place in the tree; None of the root.
        name: what it is called, as it comes from outside.
        share: what it costs itself, of the whole, from 0 to 1; None if that is not known.
        cells: a value for each of the tree's columns; None is not shown.
        details: names and values, as they come from outside.
        findings: the codes of what was found at it, with their severity.
    """

    parent: int | None
    name: str
    share: float | None
    cells: tuple[object, ...]
    details: tuple[tuple[str, str], ...] = ()
    findings: tuple[tuple[Severity, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """
    Attributes:
        title: what it shows.
        columns: the titles of the cells, each with the format of `render.units`.
        branches: parents before their children, in reading order.
        left_out: how many were not taken in, so that it stays readable.
    """

    title: Text
    columns: tuple[tuple[Text, str], ...]
    branches: tuple[Branch, ...]
    left_out: int = 0

    def __post_init__(self) -> None:
        for place, branch in enumerate(self.branches):
            if branch.parent is not None and not 0 <= branch.parent < place:
                raise ValueError("a branch of a tree comes after its parent")
            if len(branch.cells) != len(self.columns):
                raise ValueError("each branch of a tree has one cell for each column")

    def depths(self) -> list[int]:
        """How deep each branch is nested; the root is at 0."""
        depths: list[int] = []
        for branch in self.branches:
            depths.append(0 if branch.parent is None else depths[branch.parent] + 1)
        return depths
