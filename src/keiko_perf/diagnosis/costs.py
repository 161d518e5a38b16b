"""
Costs: what each statement costs under any set of indexes, with as few questions as possible.

Three things spare a question. Indexes that cannot matter to a statement are left out of it. An
answer is kept. And if the best plan under a set S uses only the indexes U, it stays the best under
every set between U and S: fewer choices cannot make another plan better.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.predicates import Shape
from keiko_perf.diagnosis.price import Price, Session
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.workload import Statement

Indexes = frozenset[Index]
NONE: Indexes = frozenset()


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of the workload with its shape."""

    statement: Statement
    shape: Shape

    @property
    def openings(self) -> frozenset[tuple[TableName, str]]:
        """Tables and columns with which an index must begin to be of use to it."""
        return frozenset((use.table, column) for use in self.shape.uses for column in use.leading)


@dataclass(slots=True)
class Costs:
    """
    Args:
        session: who is asked.
        queries: the workload, by number.
    """

    session: Session
    queries: tuple[Query, ...]
    _known: dict[int, list[tuple[Indexes, Price]]] = field(default_factory=dict)
    _openings: dict[int, frozenset[tuple[TableName, str]]] = field(default_factory=dict)
    _relevant: dict[tuple[int, Indexes], Indexes] = field(default_factory=dict)

    def relevant(self, number: int, indexes: Indexes) -> Indexes:
        """Those of the indexes that can matter to a statement."""
        known = self._relevant.get((number, indexes))
        if known is None:
            if number not in self._openings:
                self._openings[number] = self.queries[number].openings
            opened = self._openings[number]
            known = frozenset(one for one in indexes if (one.table, one.keys[0].column) in opened)
            self._relevant[number, indexes] = known
        return known

    async def price(self, number: int, indexes: Indexes) -> Price:
        """
        What one execution costs under the given indexes.

        Raises:
            StatementRefused: it cannot be planned, or an index cannot be made.
        """
        wanted = self.relevant(number, indexes)
        known = self._known.setdefault(number, [])
        for asked, price in known:
            if price.used <= wanted <= asked:
                return price
        query = self.queries[number]
        price = await self.session.price(query.statement.text, query.shape.parameters, wanted)
        known.append((wanted, price))
        return price
