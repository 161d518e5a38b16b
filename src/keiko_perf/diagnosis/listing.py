"""
Listing: things of one kind as a table of a report, each column with what it shows of a thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from keiko_perf.model import Column, Table, Text

T = TypeVar("T")
MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """A column: its title, the format of `render.units` that shows its cells, and its cell."""

    title: Text
    format: str
    cell: Callable[[T], object]


def listed(
    title: Text,
    columns: tuple[Shown[T], ...],
    things: Iterable[T],
    *,
    left_out: int = 0,
    most: int = MOST_ROWS,
) -> Table:
    """The first things, in their order; the others are counted, with those *left_out* before."""
    return Table(
        title=title,
        columns=tuple(Column(one.title, one.format) for one in columns),
        rows=tuple(tuple(one.cell(thing) for one in columns) for thing in things),
        left_out=left_out,
    ).first(most)
