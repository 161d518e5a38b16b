"""
Worth: whether what an index saves is worth having it, so that somebody would notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.diagnosis.search.costs import Costs

LEAST_GAIN = 0.05
"""An index must make at least one statement cheaper by this share."""
LEAST_SHARE = 0.01
"""It must save this share of the whole workload's cost, unless it makes a statement far cheaper."""
FAR_CHEAPER = 3.0
"""By this factor."""
LEAST_SHARE_OF_BUDGET = 0.0001
"""The share where the user has set a budget to use."""
_LEAST_SHARE_IF_UNCLEAR, _CLEARLY_CHEAPER = 0.0003, 0.2
"""And where no statement becomes cheaper by so much: what saves less is lost among what varies."""

Gains = list[tuple[int, float, float]]
"""Of statements by their number: what each costs before and after."""


@dataclass(slots=True)
class Worth:
    """
    Args:
        costs: who knows the statements, and what the indexes that are there do for them.
        upkeep: what each candidate costs the workload's writes, by its bit.
        has_budget: whether the user has set a budget to use.
        cost_before: of the whole workload, once it is known.
    """

    costs: Costs
    upkeep: tuple[float, ...]
    has_budget: bool
    cost_before: float = 0.0

    def pays(self, bit: int, gains: Gains) -> bool:
        """Whether what an index saves is worth having it, where it does more than what is there."""
        gains = [one for one in gains if self.costs.does_more(one[0], bit)]
        saved = sum([self._calls(number) * (before - after) for number, before, after in gains])
        return saved > self.upkeep[bit] and self.is_notable(gains, saved)

    def is_notable(self, gains: Gains, saved: float) -> bool:
        """Whether somebody would notice."""
        if not any(is_gain(before, after) for _, before, after in gains):
            return False
        if saved >= self.least_share(gains) * self.cost_before:
            return True
        return not self.has_budget and any(
            before >= FAR_CHEAPER * after and before > after and self._comes_again(number)
            for number, before, after in gains
        )

    def _comes_again(self, number: int) -> bool:
        """A write that came once was somebody's errand; no index waits for its like."""
        query = self.costs.queries[number]
        return self._calls(number) > (1 if query.shape.writes else 0)

    def least_share(self, gains: Gains) -> float:
        """Which share of the workload's cost an index must save."""
        if not self.has_budget:
            return LEAST_SHARE
        is_clear = any(is_gain(before, after, _CLEARLY_CHEAPER) for _, before, after in gains)
        return LEAST_SHARE_OF_BUDGET if is_clear else _LEAST_SHARE_IF_UNCLEAR

    def _calls(self, number: int) -> float:
        return self.costs.queries[number].statement.calls


def is_gain(before: float, after: float, least: float = LEAST_GAIN) -> bool:
    """Whether a statement becomes cheaper by a share that counts."""
    return before - after >= least * before and before > after
