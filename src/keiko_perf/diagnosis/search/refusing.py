"""
Refusing: why each of the candidates was not chosen that were not.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.diagnosis.candidates.indexes import Index, Refusal
from keiko_perf.diagnosis.search.bits import Bits, bits_of
from keiko_perf.diagnosis.search.choice import Choice
from keiko_perf.diagnosis.search.proving import Proving
from keiko_perf.diagnosis.search.worth import (
    FAR_CHEAPER,
    LEAST_GAIN,
    LEAST_SHARE,
    Gains,
    Worth,
    is_gain,
)
from keiko_perf.model import Message, say

_MOST_NAMED = 3
_MOST_EXPLAINED = 40
"""Of more candidates, and within a budget, the reasons are what is known already."""


@dataclass(slots=True)
class Refusing:
    """Why each of the other candidates was not chosen."""

    worth: Worth
    proving: Proving
    choice: Choice
    chosen: Bits

    async def all(self) -> list[Refusal]:
        candidates = self.worth.costs.candidates
        is_few = len(candidates) <= _MOST_EXPLAINED and not self.worth.has_budget
        found = []
        for bit, index in enumerate(candidates):
            if not self.chosen >> bit & 1:
                if is_few and not self.choice.limits.is_late():
                    await self.choice.gains(bit, 0)
                    await self.choice.gains(bit, self.chosen)
                found.append(self._refusal(bit, index))
        return found

    def _refusal(self, bit: int, index: Index) -> Refusal:
        if not self.worth.costs.can_be_priced(bit):
            return Refusal(
                index,
                "unverified",
                say(
                    "the planner cannot be asked about it: it depends on a parameter's value;"
                    " --scratch-schema tries it on a sample"
                ),
            )
        if self.proving.fleeting >> bit & 1:
            return Refusal(
                index,
                "in_memory",
                say("it saves something only where pages come from the disk, not from memory"),
            )
        if self.proving.slower >> bit & 1:
            return _slower(index)
        seeming = self.proving.seeming(self.choice, bit, 0)
        alone = [one for one in seeming if self.worth.costs.does_more(one[0], bit)]
        saved = self.choice.saved(alone)
        upkeep = self.worth.upkeep[bit]
        if seeming and not alone:
            return Refusal(
                index, "exists", say("what it would be used for, an index that is there does")
            )
        if not alone:
            return Refusal(index, "unused", say("the planner would not use it"))
        if not self.worth.is_notable(alone, saved):
            return Refusal(index, "small_gain", self._why_small(alone))
        if saved <= upkeep:
            return Refusal(
                index,
                "upkeep",
                say(
                    "it saves {saved:number}, but costs the writes {upkeep:number}",
                    saved=saved,
                    upkeep=upkeep,
                ),
            )
        return self._beside_others(bit, index, alone)

    def _why_small(self, gains: Gains) -> Message:
        if not any(is_gain(before, after) for _, before, after in gains):
            return say("it makes no statement cheaper by {least:ratio} or more", least=LEAST_GAIN)
        if self.worth.has_budget:
            share = self.worth.least_share(gains)
            return say("it saves less than {least:ratio} of the workload's cost", least=share)
        return say(
            "it saves less than {least:ratio} of the workload's cost, and makes no"
            " statement {factor:factor} cheaper",
            least=LEAST_SHARE,
            factor=FAR_CHEAPER,
        )

    def _beside_others(self, bit: int, index: Index, alone: Gains) -> Refusal:
        limits = self.choice.limits
        rest = self.proving.seeming(self.choice, bit, self.chosen)
        if self.choice.pays(bit, rest) and not self._is_begun(bit):
            by_clock = self.proving.seeming_by_clock(self.choice, bit, self.chosen)
            if by_clock and not self.choice.pays(bit, by_clock):
                return _slower(index)
            if limits.budget_bytes is not None and self.choice.room(self.chosen | 1 << bit) < 0:
                return Refusal(
                    index,
                    "budget",
                    say(
                        "those that were chosen save more within {budget:bytes}",
                        budget=int(limits.budget_bytes),
                    ),
                )
            if limits.max_indexes is not None and self.chosen.bit_count() >= limits.max_indexes:
                return Refusal(
                    index,
                    "limit",
                    say(
                        "as many are chosen already as were asked for: {most:count}",
                        most=limits.max_indexes,
                    ),
                )
        better = self._better(bit, alone)
        if not better:
            return Refusal(index, "late", say("the time was up before it was compared"))
        if len(better) == 1:
            reason = say("{better} does as much or more", better=str(better[0]))
        else:
            named = ", ".join(map(str, better))
            reason = say("{better} do as much or more together", better=named)
        return Refusal(index, "superseded", reason)

    def _better(self, bit: int, alone: Gains) -> list[Index]:
        """What was chosen for the statements that it would help, what does most for them first."""
        candidates = self.worth.costs.candidates
        wider = [
            one for one in bits_of(self.chosen) if candidates[one].begins_with(candidates[bit])
        ]
        helped = {number for number, _, _ in alone}
        does: dict[int, float] = {}
        for one in bits_of(self.chosen):
            gains = self.proving.seeming(self.choice, one, 0)
            does[one] = self.choice.saved([gain for gain in gains if gain[0] in helped])
        most = sorted((one for one in does if does[one] > 0), key=lambda one: -does[one])
        named = wider[:1] or most[:_MOST_NAMED] or list(does)[:_MOST_NAMED]
        return [candidates[one] for one in named]

    def _is_begun(self, bit: int) -> bool:
        """Whether a wider one that was chosen begins with it."""
        candidates = self.worth.costs.candidates
        return any(candidates[one].begins_with(candidates[bit]) for one in bits_of(self.chosen))


def _slower(index: Index) -> Refusal:
    return Refusal(
        index,
        "slower",
        say("its look-ups take longer than the planner says, so that it saves little or nothing"),
    )
