"""
Allowance: how many questions a set of indexes is worth.

A share of those that Extend would ask on its way to the same set, reckoned here without
asking one: the price of each statement, and with each of its columns that fits the budget, and
for each column that an index gets, of the statements that speak of it, the same once more, and
those with each column that the index could be widened by.
"""

from __future__ import annotations

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.upkeep import entry_bytes
from keiko_perf.diagnosis.weighing import Weighing

_OF_ALL = 0.3
_FIRST, _LATER, _EACH, _ALL = 0.2, 0.38, 0.05, 1.2
"""What is asked again of what could be: less at first, when the last column ends the search."""
_MOST_FOR_EACH, _MOST = 6.0, 450.0
"""More than so many, for each statement and in all, are worth none's time."""
_POINTER_BYTES = 4.0
_BLOAT = 1.3
_UNKNOWN_BYTES = 1e6
_Attribute = tuple[TableName, str]


class Allowance:
    """
    Args:
        weighing: the statements, the candidates, their sizes and the limits.
    """

    def __init__(self, weighing: Weighing) -> None:
        self._weighing = weighing
        self._tables = weighing.costs.tables
        self._spoken_of: dict[_Attribute, list[int]] = {}
        self._known: dict[Bits, float] = {}
        queries = weighing.costs.queries
        mine: list[set[_Attribute]] = [
            {(use.table, column) for use in query.shape.uses for column in use.columns}
            for query in queries
        ]
        for number, attributes in enumerate(mine):
            for one in attributes:
                self._spoken_of.setdefault(one, []).append(number)
        fitting = {one for one in self._spoken_of if self._size(one) <= self._budget}
        self._columns = [len(attributes & fitting) for attributes in mine]
        self._on: dict[TableName, int] = {}
        for table, _ in self._spoken_of:
            self._on[table] = self._on.get(table, 0) + 1

    def questions(self, some: Bits) -> float:
        """How many questions a set is worth, in all."""
        known = self._known.get(some)
        if known is None:
            most = _MOST_FOR_EACH * len(self._columns) + _MOST
            known = self._known[some] = min(_OF_ALL * self._extend(some), most)
        return known

    @property
    def _budget(self) -> float:
        budget = self._weighing.limits.budget_bytes
        return float("inf") if budget is None else budget

    def _extend(self, some: Bits) -> float:
        """About how many questions Extend would ask until it has a set of this kind."""
        steps, again, room = 0, 0.0, self._budget
        wider = [0] * len(self._columns)
        for index in self._in_order(some):
            first = (index.table, index.keys[0].column)
            room -= max(self._size(first), 0.0)
            if room < 0 and steps:
                break
            names: set[str] = set()
            for key in index.keys:
                names.add(key.column)
                numbers = {
                    one for name in names for one in self._spoken_of.get((index.table, name), ())
                }
                steps += 1
                more = self._on.get(index.table, 0) if len(names) == 1 else 0
                for one in numbers:
                    wider[one] += more
                again += sum(self._columns[one] + wider[one] for one in numbers)
        part = min(_FIRST * steps, _LATER + _EACH * steps, _ALL)
        return len(self._columns) + sum(self._columns) + part * again

    def _in_order(self, some: Bits) -> list[Index]:
        """B-trees alone, the largest first: of a smaller kind than Extend's more would fit."""
        candidates, size = self._weighing.costs.candidates, self._weighing.size
        chosen = [bit for bit in bits_of(some) if candidates[bit].method == "btree"]
        return [candidates[bit] for bit in sorted(chosen, key=lambda bit: (-size(1 << bit), bit))]

    def _size(self, attribute: _Attribute) -> float:
        """How large an index on one column is, about as HypoPG reckons it."""
        name, column = attribute
        table = self._tables.get(name)
        if table is None:
            return _UNKNOWN_BYTES
        entry = entry_bytes(Index(name, (Key(column),)), table) + _POINTER_BYTES
        return _BLOAT * table.rows * entry
