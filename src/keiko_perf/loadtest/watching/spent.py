"""
Spent: which statements a database spent its time on during a run, and when.

A statement's line is for how long a second it was executed, which is how many sessions were at it
at a time. What came before the run is no part of it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from keiko_perf.loadtest.watching.telemetry import SQL_CALLS, SQL_S, Reading
from keiko_perf.model import OTHER

MOST_SPENT = 5
_MOST_POINTS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """
    Attributes:
        statement: its text on one line; `model.OTHER` is all that is not told apart.
        calls: how often it was executed.
        seconds: for how long in all.
        points: when, from the start of measuring, and for how long a second.
    """

    statement: str
    calls: int
    seconds: float
    points: tuple[tuple[float, float], ...] = ()

    @property
    def mean_s(self) -> float | None:
        return self.seconds / self.calls if self.calls else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "calls": self.calls,
            "seconds": self.seconds,
            "points": [list(point) for point in self.points],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Spent:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        return cls(
            statement=str(document["statement"]),
            calls=int(document["calls"]),
            seconds=float(document["seconds"]),
            points=tuple((float(x), float(y)) for x, y in document["points"]),
        )


def spent_of(readings: Sequence[Reading], begun_s: float, ended_s: float) -> tuple[Spent, ...]:
    """The statements that took most of the time between two instants, and the rest as one."""
    counted = [
        one
        for one in readings
        if begun_s <= one.at_s <= ended_s and f"{SQL_S}{OTHER}" in one.values
    ]
    if len(counted) < 2:
        return ()
    counted = [*counted[: -1 : max(1, len(counted) // _MOST_POINTS)], counted[-1]]
    texts = {name.removeprefix(SQL_S) for name in counted[-1].values if name.startswith(SQL_S)}
    found = [_spent(text, counted, begun_s) for text in texts]
    ordered = sorted(
        (one for one in found if one.seconds > 0 and one.statement != OTHER),
        key=lambda one: (-one.seconds, one.statement),
    )
    rest = [*ordered[MOST_SPENT:], *(one for one in found if one.statement == OTHER)]
    return (*ordered[:MOST_SPENT], *_as_one(rest))


def _spent(text: str, counted: Sequence[Reading], begun_s: float) -> Spent:
    def more(first: Reading, last: Reading, name: str) -> float:
        key = f"{name}{text}"
        return max(0.0, last.values.get(key, 0.0) - first.values.get(key, 0.0))

    return Spent(
        statement=text,
        calls=round(more(counted[0], counted[-1], SQL_CALLS)),
        seconds=more(counted[0], counted[-1], SQL_S),
        points=tuple(
            (
                round((first.at_s + last.at_s) / 2 - begun_s, 3),
                more(first, last, SQL_S) / (last.at_s - first.at_s),
            )
            for first, last in pairwise(counted)
            if last.at_s > first.at_s
        ),
    )


def _as_one(rest: Sequence[Spent]) -> tuple[Spent, ...]:
    calls, seconds = sum(one.calls for one in rest), sum(one.seconds for one in rest)
    if not calls:
        return ()
    points = zip(*(one.points for one in rest), strict=True)
    return (
        Spent(
            statement=OTHER,
            calls=calls,
            seconds=seconds,
            points=tuple((some[0][0], sum(y for _, y in some)) for some in points),
        ),
    )
