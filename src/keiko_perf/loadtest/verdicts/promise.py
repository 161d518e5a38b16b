"""
Promise: a target with a window, and with what becomes of the run once it is missed.

    p95 of POST /orders < 100ms for 10s, stop as failed

A promise without a window is about the whole run, one with a window about each stretch of it that
is so long: one bad stretch breaks it, however good the rest was. What is not settled yet, at the
beginning, is no part of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keiko_perf.loadtest.saved.targets import targets_from_list, targets_to_list
from keiko_perf.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """
    Attributes:
        target: what is promised.
        window_s: of each stretch of so many seconds; None is of the whole run.
        stops: whether the run ends, as failed, as soon as it is missed.
    """

    target: Target
    window_s: float | None = None
    stops: bool = False

    def to_dict(self) -> dict[str, Any]:
        (target,) = targets_to_list((self.target,))
        return {"target": target, "window_s": self.window_s, "stops": self.stops}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Promise:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        (target,) = targets_from_list((document["target"],))
        window_s = document["window_s"]
        return cls(
            target=target,
            window_s=None if window_s is None else float(window_s),
            stops=bool(document["stops"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """
    Which promise ended a run.

    Attributes:
        number: of the promise, among those of the run.
        at_s: when, from the start of the load.
        value: the figure that broke it; None where too few samples were enough to be sure.
    """

    number: int
    at_s: float
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        return {"number": self.number, "at_s": self.at_s, "value": self.value}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Stopped:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        value = document["value"]
        return cls(
            number=int(document["number"]),
            at_s=float(document["at_s"]),
            value=None if value is None else float(value),
        )
