"""
Sessions: those around another one, that prices what was tried on a sample beside what can be
assumed, that asks again where a table is locked for a while, and that remembers what statements
cost without any index more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.bitmap import with_scan
from keiko_perf.diagnosis.pricing.price import Around, IndexRefused, Price, TableLocked
from keiko_perf.diagnosis.pricing.scratch import Tried
from keiko_perf.diagnosis.schema import TableName


@dataclass(slots=True)
class Remembering(Around):
    """One that keeps the price of each statement without any index more."""

    _known: dict[str, Price] = field(default_factory=dict)

    @property
    def ways(self) -> dict[str, Mapping[TableName, str]]:
        """How each statement's plan reads its tables, by its text."""
        return {text: price.ways for text, price in self._known.items()}

    @property
    def rows(self) -> dict[str, float]:
        """How many rows the planner expects each statement to give or to change, by its text."""
        known = {text: price.rows for text, price in self._known.items()}
        return {text: rows for text, rows in known.items() if rows is not None}

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        price = await self.session.price(text, parameters, indexes)
        if not indexes:
            self._known[text] = price
        return price


@dataclass(slots=True)
class Patient(Around):
    """
    One that asks again where a table was locked meanwhile of which it was told something before:
    what was learnt so far is not given up for a migration of some seconds. Each time the server
    itself waits for as long as the connection lets it.
    """

    tries_left: int = 30
    _answered: set[str] = field(default_factory=set)

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        while True:
            try:
                price = await self.session.price(text, parameters, indexes)
            except TableLocked:
                if text not in self._answered or self.tries_left <= 0:
                    raise
                self.tries_left -= 1
            else:
                self._answered.add(text)
                return price


@dataclass(slots=True)
class WithTried(Around):
    """
    One that knows what came of indexes that the other cannot assume.

    Args:
        tried: that.
    """

    tried: Mapping[Index, Tried]

    def can_assume(self, index: Index) -> bool:
        return index in self.tried or self.session.can_assume(index)

    async def size_bytes(self, index: Index) -> int | None:
        if index in self.tried:
            return self.tried[index].size_bytes
        return await self.session.size_bytes(index)

    async def sizes(self, indexes: Iterable[Index]) -> Mapping[Index, int | IndexRefused | None]:
        wanted = list(indexes)
        found = dict(await self.session.sizes(one for one in wanted if one not in self.tried))
        return found | {one: self.tried[one].size_bytes for one in wanted if one in self.tried}

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        """
        What it costs with the best of those that were tried for each table, in the place of what
        its plan without them reads the table by.
        """
        mine = indexes & self.tried.keys()
        price = await self.session.price(text, parameters, indexes - mine)
        for table in sorted({one.table for one in mine}):
            scans = {
                self.tried[one].scans[text]: one
                for one in sorted(mine, reverse=True)
                if one.table == table and text in self.tried[one].scans
            }
            before = (price.scans or {}).get(table)
            if not scans or before is None or before == float("inf"):
                continue
            least = min(scans)
            cost = with_scan(price.cost, before, least)
            if cost < price.cost:
                others = frozenset(one for one in price.used if one.table != table)
                read = {**(price.scans or {}), table: least}
                price = replace(price, cost=cost, used=others | {scans[least]}, scans=read)
        return price
