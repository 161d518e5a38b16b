"""
Strips: what load, latency, service and database did in the last minute, on one axis. Pure.

A column is a second, the last one is now, and each strip goes from 0 to its own largest value. What
was not read in a second is a blank, and what was never read has no strip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.text import Text

from keiko_perf.loadtest.watching.watched import (
    CPU,
    IO,
    LOCK,
    LOOP_LAG,
    OTHER,
    POOL_IN_USE,
    POOL_WAIT,
    RESPONSE,
    RUNNING,
    STATEMENTS,
)
from keiko_perf.render.units import show

_LABEL = 26
_FIGURE = 9
BEFORE = _LABEL + _FIGURE + 2
"""Columns of a strip's line before the strip itself begins."""
_LEVELS = "▁▂▃▄▅▆▇█"
_LINES = (
    ("service, mean", RESPONSE, "duration"),
    ("DB pool, in use", POOL_IN_USE, "number"),
    ("DB pool, wait a request", POOL_WAIT, "duration"),
    ("event loop, lag", LOOP_LAG, "duration"),
    ("CPU of the workers", CPU, "ratio"),
    ("statements a request", STATEMENTS, "number"),
    ("database, running", RUNNING, "number"),
    ("database, wait for locks", LOCK, "number"),
    ("database, wait for I/O", IO, "number"),
    ("database, other waits", OTHER, "number"),
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Strip:
    """
    Attributes:
        label: what it is.
        values: one a second, the last one is now; None where nothing was read.
        format: of its figure.
    """

    label: str
    values: Sequence[float | None]
    format: str

    def line(self, width: int) -> Text:
        """With the last figure that is known, in so many columns."""
        values = self.values[-max(0, width - BEFORE) :]
        now = next((one for one in reversed(values) if one is not None), None)
        told = "" if now is None else show(now, self.format)
        return Text.assemble(
            f"{self.label:{_LABEL}}", f"{told:>{_FIGURE}}  ", (sparkline(values), "cyan")
        )


def strips(lines: Mapping[str, Points], seconds: int) -> tuple[Strip, ...]:
    """
    A strip of each line that was read.

    Args:
        lines: by the words of `watched`, when (below 0: so many seconds ago) and what.
        seconds: how many seconds are shown.
    """
    return tuple(
        Strip(label, by_second(lines[name], seconds), format)
        for label, name, format in _LINES
        if lines.get(name)
    )


def by_second(points: Points, seconds: int) -> tuple[float | None, ...]:
    """The mean of each of the last seconds; None where there is no point."""
    found: list[list[float]] = [[] for _ in range(seconds)]
    for at_s, value in points:
        at = seconds + int(at_s // 1)
        if 0 <= at < seconds:
            found[at].append(value)
    return tuple(fmean(some) if some else None for some in found)


def sparkline(values: Sequence[float | None]) -> str:
    """From 0 to the largest value; a blank where there is none."""
    top = max((one for one in values if one is not None), default=0.0)
    return "".join(
        " " if one is None else _LEVELS[round(one / top * (len(_LEVELS) - 1)) if top else 0]
        for one in values
    )
