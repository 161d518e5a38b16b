"""
Target and Verdict: a promise about a KPI, and whether a window kept it.

There are three answers. UNKNOWN is neither good news nor bad: nothing, or not enough, was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keiko_perf.model.finding import Severity
from keiko_perf.model.kpi import Kpi, Reading
from keiko_perf.model.message import Message, say
from keiko_perf.model.snapshot import Snapshot

_SERVED = 0.95
"""A throughput counts as all of the demand from here on: the rest was still on its way."""


class Outcome(StrEnum):
    """Whether a promise was kept."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    A promise: a KPI stays at most, or at least, at a limit.

    Attributes:
        kpi: what is promised about.
        at_most: the upper limit, in the KPI's unit.
        at_least: the lower limit. Just one of the two is given.
        subject: the route, task or step it is about; None for the whole.
        severity: how bad it is to miss it.
    """

    kpi: Kpi
    at_most: float | None = None
    at_least: float | None = None
    subject: str | None = None
    severity: Severity = Severity.CRITICAL

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a target has either an upper or a lower limit")
        if not self.limit >= 0:
            raise ValueError(f"a limit is a number from 0 on, not {self.limit!r}")

    @property
    def limit(self) -> float:
        limit = self.at_least if self.at_most is None else self.at_most
        assert limit is not None
        return limit

    def judge(self, snapshot: Snapshot | None) -> Verdict:
        """Whether *snapshot* keeps the promise; None, no snapshot at all, leaves it unknown."""
        if snapshot is None:
            return Verdict(self, Outcome.UNKNOWN, say("nothing was measured yet"))
        reading = self.kpi.read(snapshot, self.subject)
        outcome, reason = self._decide(reading, snapshot)
        return Verdict(self, outcome, reason, reading.value, reading.samples, reading.needed)

    def _decide(self, reading: Reading, snapshot: Snapshot) -> tuple[Outcome, Message]:
        if reading.value is None:
            return Outcome.UNKNOWN, reading.why or say("nothing was measured yet")
        if not reading.is_sure:
            return self._decide_from_few(reading, snapshot)
        if self.at_most is not None:
            return self._compared(reading.value <= self.at_most)
        if reading.value >= self.limit:
            return self._compared(True)
        if reading.asked is not None and reading.value >= _SERVED * reading.asked:
            return Outcome.MET, say("all of the demand was served")
        if reading.asked is None:
            return Outcome.UNKNOWN, say("below the limit, and the demand is not known")
        return Outcome.MISSED, say("below the limit while more was asked for")

    def _decide_from_few(self, reading: Reading, snapshot: Snapshot) -> tuple[Outcome, Message]:
        seen, needed = reading.samples, reading.needed
        surely_above, limit = self.kpi.surely_above, self.at_most
        if surely_above and limit is not None and surely_above(snapshot, self.subject, limit):
            return Outcome.MISSED, say("sure already from {seen:count} seen", seen=seen)
        return Outcome.UNKNOWN, say(
            "only {seen:count} seen, {needed:count} are needed to tell", seen=seen, needed=needed
        )

    def _compared(self, holds: bool) -> tuple[Outcome, Message]:
        if holds:
            return Outcome.MET, say("within the limit")
        return Outcome.MISSED, say("over the limit")


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A target held against one window.

    Attributes:
        target: the promise.
        outcome: whether it was kept.
        reason: why that is the outcome.
        value: the KPI, in its unit; None if it was not measured.
        samples: how many observations it rests on.
        needed: how many it takes to tell it.
    """

    target: Target
    outcome: Outcome
    reason: Message
    value: float | None = None
    samples: int = 0
    needed: int = 1

    @property
    def is_told(self) -> bool:
        """Whether the value is a figure to print, and not the impression of too few samples."""
        return self.value is not None and self.samples >= self.needed
