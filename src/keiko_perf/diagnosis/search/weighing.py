"""
Weighing: how large indexes are, whom they matter to, and whether one pays beside the others.

The planner is asked only where what it has said so far does not decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from keiko_perf.diagnosis.search.bits import Bits, bits_of
from keiko_perf.diagnosis.search.costs import Costs

NEGLIGIBLE = 1e-4
"""A doubt about this share of the workload's cost is not worth a question."""
_SIZE_OF_UNKNOWN = 8192.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    Attributes:
        max_indexes: how many may be chosen; None: as many as pay.
        budget_bytes: how large they may be together; None: as large as they are.
        is_late: whether the time is up; what was chosen so far then stands.
    """

    max_indexes: int | None = None
    budget_bytes: float | None = None
    is_late: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Weighing:
    """
    Args:
        costs: who knows what a statement costs.
        live: the statements that any of the candidates can matter to.
        upkeep: what each candidate costs the workload's writes, by its bit.
        limits: what may be chosen.
        pays: whether it is worth having an index, by the gains of statements (number, before,
            after).
        base: the cost of the whole workload without any of the candidates.
    """

    costs: Costs
    live: tuple[int, ...]
    upkeep: tuple[float, ...]
    limits: Limits
    pays: Callable[[int, list[tuple[int, float, float]]], bool]
    base: float
    weights: dict[int, float] = field(default_factory=dict)
    _affected: dict[Bits, tuple[int, ...]] = field(default_factory=dict)
    _sizes: dict[Bits, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weights = {
            number: float(self.costs.queries[number].statement.calls) for number in self.live
        }

    def size(self, some: Bits) -> float:
        """How much of a budget the indexes take together."""
        known = self._sizes.get(some)
        if known is None:
            known = sum(self.costs.counted[bit] or _SIZE_OF_UNKNOWN for bit in bits_of(some))
            self._sizes[some] = known
        return known

    def room(self, some: Bits) -> float:
        """How many bytes the budget leaves beside the indexes; below 0 if they are too large."""
        budget = self.limits.budget_bytes
        return float("inf") if budget is None else budget - self.size(some)

    def surplus(self, some: Bits) -> int:
        """How many there are too many."""
        most = self.limits.max_indexes
        return 0 if most is None else some.bit_count() - most

    def fits(self, some: Bits) -> bool:
        """Whether the indexes are within the limits."""
        return self.surplus(some) <= 0 and self.room(some) >= 0

    def affected(self, some: Bits) -> tuple[int, ...]:
        """The statements that some of the indexes can matter to."""
        known = self._affected.get(some)
        if known is None:
            known = tuple(one for one in self.live if self.costs.relevant(one) & some)
            self._affected[some] = known
        return known

    def upkeep_of(self, some: Bits) -> float:
        return sum([self.upkeep[bit] for bit in bits_of(some)]) if some else 0.0

    def may_ask(self) -> bool:
        """Whether anything more may be asked; what is known has to do otherwise."""
        return True

    async def gains(self, bit: int, others: Bits) -> list[tuple[int, float, float]]:
        """
        What each statement costs beside *others* without and with an index, if not the same; at
        most, once the time is up.
        """
        found = [await self._gain(bit, others, number) for number in self.affected(1 << bit)]
        return [one for one in found if one is not None]

    async def is_paying(self, bit: int, others: Bits) -> bool:
        """Whether an index pays beside *others*; nothing is asked once that is sure."""
        found: list[tuple[int, float, float]] = []
        for number in sorted(
            self.affected(1 << bit), key=lambda one: (-self._most_gained(bit, others, one), one)
        ):
            gain = await self._gain(bit, others, number)
            if gain is not None:
                found.append(gain)
                if self.pays(bit, found):
                    return True
        return False

    def _most_gained(self, bit: int, others: Bits, number: int) -> float:
        _, high = self.costs.bounds(number, others)
        new_low, _ = self.costs.bounds(number, others | (1 << bit))
        return self.weights[number] * (high - new_low)

    async def _gain(self, bit: int, others: Bits, number: int) -> tuple[int, float, float] | None:
        low, high = self.costs.bounds(number, others)
        new_low, new_high = self.costs.bounds(number, others | (1 << bit))
        doubt = max(high - new_low, 0.0) - max(low - new_high, 0.0)
        is_in_doubt = self.weights[number] * doubt > NEGLIGIBLE * self.base
        if is_in_doubt and not self.limits.is_late() and self.may_ask():
            high = await self.costs.price(number, others)
            new_high = await self.costs.price(number, others | (1 << bit))
        is_known = high < float("inf") and new_high < float("inf")
        return (number, high, new_high) if high != new_high and is_known else None

    def saved(self, gains: Iterable[tuple[int, float, float]]) -> float:
        return sum(self.weights[number] * (before - after) for number, before, after in gains)
