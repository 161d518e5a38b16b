"""
Allowance: how many questions the search is worth.

A share of those that Extend would ask within the same budget (see rehearsal), and not more than
are worth anybody's time. The more the planner has said, the better that is known.
"""

from __future__ import annotations

from keiko_perf.diagnosis.search.ledger import Hopes
from keiko_perf.diagnosis.search.rehearsal import Rehearsal

_OF_ALL = 0.235
_MOST_FOR_EACH, _MOST = 4.0, 180.0
"""More than so many, for each statement and in all, are worth nobody's time."""
_AT_MOST = 0.225
"""Nor are more of those of Extend's for whatever the search is not sure of in the end."""
_TOLD_MORE = 1.4
"""It is rehearsed anew when the planner has said so many times as much."""


class Allowance:
    """
    Args:
        hopes: what is known of the statements, and expected of the indexes.
    """

    def __init__(self, hopes: Hopes) -> None:
        weighing = hopes.weighing
        self._hopes = hopes
        self._costs = weighing.costs
        budget = weighing.limits.budget_bytes
        self._budget = float("inf") if budget is None else budget
        self._rehearsal = Rehearsal(weighing.costs, weighing.live, weighing.weights)
        self._known_at = 0
        self._known = 0.0
        self._most = 0.0

    def questions(self, *, by_all: bool = False) -> float:
        """How many questions it is worth, in all; *by_all* that the planner has said so far."""
        answers = self._costs.answers
        more = self._known_at + 1 if by_all else _TOLD_MORE * self._known_at
        if not self._known_at or answers >= more:
            self._known_at = max(answers, 1)
            most = _MOST_FOR_EACH * len(self._costs.queries) + _MOST
            extend = self._rehearsal.questions(self._budget, self._hopes.trust())
            self._known = min(_OF_ALL * extend, most)
            self._most = _AT_MOST * extend
        return self._known

    def most(self) -> float:
        """How many questions are the most, in all."""
        self.questions()
        return self._most
