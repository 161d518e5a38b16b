"""
Costs: what each statement costs under any set of indexes, with as few questions as possible.

Sets are bits of a whole number, one for each candidate. Three things spare a question. Indexes that
cannot matter to a statement are left out of it, and of several that are one and the same to it
(see projection) one stands for all. An answer is kept. If the best plan under a set S uses only
the indexes U, it stays the best under every set between U and S: fewer choices cannot make another
plan better, though more sometimes make the planner take a dearer one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field

from keiko_perf.diagnosis.candidates.gin import stands_for
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.projection import does_more, projection
from keiko_perf.diagnosis.pricing.descents import descents
from keiko_perf.diagnosis.pricing.expectation import expectation
from keiko_perf.diagnosis.pricing.price import Price, Session
from keiko_perf.diagnosis.pricing.visits import BUFFERS_BYTES, IN_MEMORY, misjudged
from keiko_perf.diagnosis.schema import Table, TableName
from keiko_perf.diagnosis.search.answer import Answer
from keiko_perf.diagnosis.search.bits import Bits, bits_of, set_of
from keiko_perf.diagnosis.statements.predicates import Shape
from keiko_perf.diagnosis.statements.workload import Query

Asking = Callable[[str, int, frozenset[Index]], Awaitable[Price]]
"""Who says what a statement, with so many parameters, costs under some indexes."""
_MOST_PROJECTED = 20_000
"""Sets of each statement for which it is kept what stands for them."""


@dataclass(slots=True)
class Costs:
    """
    Args:
        session: who is asked.
        queries: the workload, by number.
        candidates: the indexes, by their bit.
        sizes: how large each is to the planner, in bytes; 0 if not known.
        tables: with their statistics.
        buffers_bytes: of tables that the server has at hand itself.
        counted: how many bytes of a budget each takes; as large as it is to the planner by default.

    Attributes:
        answers: how many there are; whoever keeps what follows from them sees when there are more.
    """

    session: Session
    queries: tuple[Query, ...]
    candidates: tuple[Index, ...]
    sizes: tuple[float, ...] = ()
    tables: Mapping[TableName, Table] = field(default_factory=dict)
    buffers_bytes: float = BUFFERS_BYTES
    counted: tuple[float, ...] = ()
    answers: int = 0
    _known: list[list[Answer]] = field(default_factory=list)
    _bounds: list[dict[Bits, tuple[float, float]]] = field(default_factory=list)
    _stand_ins: list[dict[int, int]] = field(default_factory=list)
    _relevant: list[Bits] = field(default_factory=list)
    _scans: dict[int, Mapping[TableName, float]] = field(default_factory=dict)
    _given: dict[int, Mapping[TableName, float]] = field(default_factory=dict)
    _projected: list[dict[Bits, Bits]] = field(default_factory=list)
    _themselves: list[Bits] = field(default_factory=list)
    _others: list[Bits] = field(default_factory=list)
    _does_more: dict[tuple[int, int], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = self.sizes or (0.0,) * len(self.candidates)
        self.counted = self.counted or self.sizes
        self._known = [[] for _ in self.queries]
        self._bounds = [{} for _ in self.queries]
        self._projected = [{} for _ in self.queries]
        on: dict[TableName, list[int]] = {}
        for bit, index in enumerate(self.candidates):
            on.setdefault(index.table, []).append(bit)
        self._stand_ins = [self._classes(query.shape, on) for query in self.queries]
        self._relevant = [set_of(found) for found in self._stand_ins]
        self._themselves = [
            set_of(bit for bit, one in found.items() if bit == one) for found in self._stand_ins
        ]
        self._others = [
            all_of_them & ~some
            for all_of_them, some in zip(self._relevant, self._themselves, strict=True)
        ]

    def relevant(self, number: int) -> Bits:
        """The candidates that can matter to a statement."""
        return self._relevant[number]

    def can_be_priced(self, bit: int) -> bool:
        """Whether a candidate, or what stands for it in any statement, can be assumed."""
        index = self.candidates[bit]
        table = self.tables.get(index.table)
        return self.session.can_assume(index) or any(
            next(stands_for(index, query.shape, table), None)
            for query in self.queries
            if table is not None
        )

    def does_more(self, number: int, bit: int) -> bool:
        """Whether a candidate does more for a statement than what is there already."""
        known = self._does_more.get((number, bit))
        if known is None:
            index = self.candidates[bit]
            table = self.tables.get(index.table)
            shape = self.queries[number].shape
            known = table is None or does_more(index, shape, table)
            self._does_more[number, bit] = known
        return known

    def known(self, number: int) -> list[Answer]:
        """All that the planner said of a statement."""
        return self._known[number]

    def projected(self, number: int, some: Bits) -> Bits:
        """The candidates that stand for *some* of them in one statement."""
        known = self._projected[number].get(some)
        if known is None:
            known = some & self._themselves[number]
            for bit in bits_of(some & self._others[number]):
                known |= 1 << self._stand_ins[number][bit]
            if len(self._projected[number]) >= _MOST_PROJECTED:
                self._projected[number].clear()
            self._projected[number][some] = known
        return known

    def bounds(self, number: int, some: Bits) -> tuple[float, float]:
        """The least and the most that a statement costs under *some* indexes, as far as known."""
        some &= self._relevant[number]
        known = self._bounds[number].get(some)
        if known is None:
            wanted = self.projected(number, some)
            known = self._bounds[number][some] = self.bounded(number, wanted)
        return known

    def bounded(self, number: int, wanted: Bits) -> tuple[float, float]:
        """The same under candidates that stand for themselves, reckoned anew."""
        least, most, said, among = 0.0, float("inf"), None, float("inf")
        missing = ~wanted
        for one in self._known[number]:
            asked, cost = one.asked, one.cost
            if asked == wanted:
                return cost, cost
            is_above = asked & wanted == wanted
            if not one.used & missing:
                if is_above and (few := asked.bit_count()) < among:
                    # It is what the planner takes, and with more to choose from sometimes dearer.
                    said, among = cost, few
                if cost < most:
                    most = cost
            elif is_above and cost > least:
                least = cost
        return (min(least, most), most) if said is None else (said, said)

    async def ask(self, number: int, wanted: Bits) -> Answer:
        """The planner's answer for a statement under just the *wanted* candidates."""
        price, used = await self._priced(number, wanted, self.session.price)
        some = set_of(bit for bit, _ in used)
        cost = price.cost + sum(more for _, more in used)
        shares = self._shares(number, some, price.scans)
        more = misjudged(price.visits, self.tables, buffers_bytes=self.buffers_bytes)
        answer = Answer(wanted, some, cost, shares, more, descents(price.visits, self.tables))
        self._known[number].append(answer)
        self.answers += 1
        self._bounds[number].clear()
        if price.scans is not None and not wanted:
            self._scans[number] = price.scans
            self._given[number] = price.given
        return answer

    async def cost_in_memory(self, asking: Asking, number: int, some: Bits) -> float:
        """What it really costs where pages are in memory, by whoever is asked; nothing is kept."""
        price, used = await self._priced(number, some & self._relevant[number], asking)
        more = misjudged(price.visits, self.tables, page_cost=IN_MEMORY, buffers_bytes=float("inf"))
        return price.cost + sum(cost for _, cost in used) + more

    async def _priced(
        self, number: int, wanted: Bits, asking: Asking
    ) -> tuple[Price, list[tuple[int, float]]]:
        """The price, and the candidates that the plan uses, with what each costs besides."""
        query = self.queries[number]
        assumed: dict[Index, tuple[int, float]] = {}
        for bit in bits_of(wanted):
            index = self.candidates[bit]
            if self.session.can_assume(index):
                assumed[index] = bit, 0.0
            elif table := self.tables.get(index.table):
                others = stands_for(index, query.shape, table)
                assumed |= {other: (bit, more) for other, more in others}
        price = await asking(query.statement.text, query.shape.parameters, frozenset(assumed))
        return price, [assumed[one] for one in price.used]

    def _shares(
        self, number: int, used: Bits, scans: Mapping[TableName, float] | None
    ) -> dict[int, float]:
        """What each of the used does for a plan."""
        before, after = self._scans.get(number) or {}, scans or {}
        saved: dict[int, float] = {}
        for bit in bits_of(used):
            table = self.candidates[bit].table
            scan = before.get(table, float("inf"))
            # inf - inf would be no number.
            saved[bit] = scan if scan == float("inf") else max(scan - after.get(table, 0.0), 1.0)
        whole = sum(saved.values())
        if whole == float("inf"):  # in a subplan: nobody knows
            return dict.fromkeys(saved, 1 / len(saved))
        return {bit: one / whole for bit, one in saved.items()}

    def expected(self, number: int, bit: int) -> float:
        """What a candidate might save a statement, by the statistics of its table alone."""
        return self.expected_of(number, self.candidates[bit], self.sizes[bit])

    def expected_of(self, number: int, index: Index, size_bytes: float) -> float:
        """The same of any index."""
        uses = [one for one in self.queries[number].shape.uses if one.table == index.table]
        table, before = self.tables.get(index.table), self._scans.get(number, {}).get(index.table)
        if table is None or before is None or before == float("inf"):
            return 0.0
        given = self._given.get(number, {})
        found = [expectation(index, one, table, size_bytes, given) for one in uses]
        costs = [one for one in found if one is not None]
        return max(before - min(costs), 0.0) / len(uses) if costs else 0.0

    async def price(self, number: int, some: Bits) -> float:
        """What a statement costs under *some* indexes, by what stands for them in it."""
        while True:
            least, most = self.bounds(number, some)
            if least == most:
                return most
            await self.ask(number, self.projected(number, some))

    async def exact(self, number: int, some: Bits) -> float:
        """The same under just these indexes, which is for what is shown in the end."""
        wanted = some & self._relevant[number]
        least, most = self.bounded(number, wanted)
        if least == most:
            return most
        if self.projected(number, some) == wanted:
            return await self.price(number, some)
        return (await self.ask(number, wanted)).cost

    def plan(self, number: int, some: Bits) -> Answer:
        """
        The plan that it takes for the cheapest under *some* indexes, of those that are known.

        Once the indexes are there it finds look-ups dearer than it says now, and takes another plan
        where that one is cheaper by then.
        """
        mine = some & self._relevant[number]
        wanted = self.projected(number, mine)
        known = [one for one in self._known[number] if not one.used & ~wanted]
        just = [one for one in self._known[number] if one.asked == mine]
        above = just or [one for one in known if not wanted & ~one.asked]
        now = min(above or known, key=lambda one: one.asked.bit_count() if above else one.cost)
        then = min(known, key=lambda one: one.cost + one.descents)
        return then if now.descents else now

    def _classes(self, shape: Shape, on: Mapping[TableName, list[int]]) -> dict[int, int]:
        """For each candidate that can matter the one that stands for it: the smallest alike."""
        classes: dict[Hashable, list[int]] = {}
        for table in dict.fromkeys(use.table for use in shape.uses):
            for bit in on.get(table, ()):
                alike = projection(
                    self.candidates[bit], shape, self.tables.get(table), self.sizes[bit] or None
                )
                if alike is not None:
                    classes.setdefault((table, alike), []).append(bit)
        return {
            bit: min(mine, key=lambda one: (self.sizes[one], one))
            for mine in classes.values()
            for bit in mine
        }
