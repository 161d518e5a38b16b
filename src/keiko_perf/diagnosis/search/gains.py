"""
Gains: what each addition saves beside a set, kept as long as nothing new is known of it.

What an addition saves depends only on those of the set that matter to the same statements, and on
what the planner has said of these. So it is reckoned once for each such neighbourhood, and anew
only once the planner has said more. Where much is kept by then, all of it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keiko_perf.diagnosis.search.bits import Bits, bits_of

if TYPE_CHECKING:  # each ledger keeps its own
    from keiko_perf.diagnosis.search.ledger import Ledger, Page

_MOST_KEPT = 200_000


class Gain:
    """
    What one addition saves beside whatever is there.

    Attributes:
        new: what is added.
        size: of that, in bytes.
        pages: what is known of the statements that it matters to, by what is known.
        near: what matters to these.
    """

    __slots__ = ("_all_pages", "_each", "_gains", "_kept", "_pays", "_upkeep", "near",
                 "new", "pages", "size")  # fmt: skip

    def __init__(self, gains: Gains, new: Bits) -> None:
        weighing = gains.ledger.weighing
        self.new = new
        self.size = weighing.size(new)
        self.near: Bits = 0
        self._gains = gains
        self._each: tuple[Gain, ...] = (
            tuple(gains.of(1 << bit) for bit in bits_of(new)) if new & (new - 1) else (self,)
        )
        self._upkeep = weighing.upkeep_of(new)
        self._all_pages = tuple(gains.ledger.page(one) for one in weighing.affected(new))
        self.pages: list[Page] = []
        self._kept: dict[Bits, float] = {}
        self._pays: dict[Bits, bool] = {}
        self.forget()

    def beside(self, chosen: Bits) -> float:
        """What it saves beside the chosen, none of which it holds."""
        nearby = chosen & self.near
        known = self._kept.get(nearby)
        if known is None:
            known = self._kept[nearby] = self._reckoned(nearby)
            self._gains.kept += 1
        return known

    def _reckoned(self, nearby: Bits) -> float:
        found = -self._upkeep
        after = nearby | self.new
        for page in self.pages:
            # In two steps and without a call: most of the search's time is spent here.
            kept, mine = page.kept, page.live
            old = kept.get(nearby & mine)
            if old is None:
                old = page.enter(nearby & mine)
            new = kept.get(after & mine)
            if new is None:
                new = page.enter(after & mine)
            found += page.weight * (old - new)
        return found

    def pays(self, chosen: Bits) -> bool:
        """Whether it is worth having, each of it, beside the chosen, which hold it."""
        for one in self._each:
            nearby = chosen & one.near
            known = one._pays.get(nearby)
            if known is None:
                ledger = self._gains.ledger
                known = one._pays[nearby] = ledger.pays(one.new.bit_length() - 1, nearby)
                self._gains.kept += 1
            if not known:
                return False
        return True

    def forget(self) -> None:
        """Forget what was reckoned, and look anew where it matters."""
        self._kept.clear()
        self._pays.clear()
        self.pages = [page for page in self._all_pages if page.live & self.new]
        self.near = self.new
        for page in self.pages:
            self.near |= page.live

    def forget_who_pays(self) -> None:
        """From now on others pay than before."""
        self._pays.clear()


class Gains:
    """
    Args:
        ledger: what is known.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.kept = 0
        self._of: dict[Bits, Gain] = {}

    def of(self, new: Bits) -> Gain:
        """What an addition saves."""
        known = self._of.get(new)
        if known is None:
            known = self._of[new] = Gain(self, new)
        return known

    def forget_who_pays(self) -> None:
        """From now on others pay than before."""
        for gain in self._of.values():
            gain.forget_who_pays()

    def forget(self, changed: Bits) -> None:
        """
        Forget what is saved in statements of which more is known now.

        Args:
            changed: the candidates that matter to these.
        """
        if self.kept > _MOST_KEPT:
            self._of.clear()
            self.kept = 0
        for new, gain in self._of.items():
            if new & changed:
                gain.forget()
