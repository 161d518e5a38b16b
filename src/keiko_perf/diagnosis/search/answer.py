"""
Answer: what the planner said of one statement under some indexes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keiko_perf.diagnosis.search.bits import Bits

_LEAST_OF_COST = 0.05
"""What a plan takes is not less than this share of its cost."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the planner said.

    Attributes:
        asked: the candidates that were assumed to be there.
        used: those that the plan uses.
        cost: of the plan.
        shares: what each of the used does for it, by what reading its table costs less; together 1.
        misjudged: how much more than that it takes by the clock, or less.
        descents: how much dearer the planner itself finds it once its indexes are there.
    """

    asked: Bits
    used: Bits
    cost: float
    shares: Mapping[int, float] = field(default_factory=dict, compare=False)
    misjudged: float = field(default=0.0, compare=False)
    descents: float = field(default=0.0, compare=False)

    @property
    def real(self) -> float:
        """What the plan costs by the clock."""
        return max(self.cost + self.misjudged, _LEAST_OF_COST * self.cost)

    def share(self, some: Bits) -> float:
        """What *some* candidates do for it."""
        return sum([share for bit, share in self.shares.items() if some >> bit & 1])
