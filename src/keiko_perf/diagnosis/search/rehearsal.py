"""
Rehearsal: about how many questions Extend would ask, found out without asking one.

Extend (Schlosser, Kossmann, Boissier, 2019) adds the index, or widens one that it has by a column,
that saves most for each byte, and asks about each that fits with every statement it matters to,
unless it has asked that before. Which way it goes is rehearsed by what an index might save by the
statistics, as far as the planner has not said it already; the questions on this way are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from keiko_perf.diagnosis.candidates.indexes import Index, serves
from keiko_perf.diagnosis.pricing.floor import hypothetical_bytes
from keiko_perf.diagnosis.schema import Key, Table, TableName
from keiko_perf.diagnosis.search.costs import Costs

_WIDEST = 3
_LEAST_IMPROVEMENT = 1.003
_UNKNOWN_BYTES = 1e6
_Plain = tuple[TableName, tuple[str, ...]]


@dataclass(slots=True)
class _State:
    """How far the rehearsal has come."""

    room: float
    cost: float
    saved: dict[int, dict[TableName, float]]
    chosen: list[_Plain] = field(default_factory=list)
    gains: dict[_Plain, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Step:
    index: _Plain
    wider_than: _Plain | None
    more_bytes: float


class Rehearsal:
    """
    Args:
        costs: who knows what the planner has said.
        live: the statements that indexes help.
        weights: how often each of them is called.
    """

    def __init__(self, costs: Costs, live: tuple[int, ...], weights: Mapping[int, float]) -> None:
        self._costs = costs
        self._weights = weights
        self._live = live
        self._speaking: dict[_Plain, frozenset[int]] = {}
        self._columns: dict[TableName, list[str]] = {}
        self._sizes: dict[_Plain, float] = {}
        self._expected: dict[tuple[int, _Plain], float] = {}
        spoken_of: dict[tuple[TableName, str], set[int]] = {}
        for number, query in enumerate(costs.queries):
            for use in query.shape.uses:
                for column in use.columns:
                    spoken_of.setdefault((use.table, column), set()).add(number)
        for (table, column), numbers in sorted(spoken_of.items()):
            self._speaking[table, (column,)] = frozenset(numbers)
            self._columns.setdefault(table, []).append(column)
        self._singles = tuple(self._speaking)
        self._said: dict[tuple[int, _Plain], float] = {}
        self._most: dict[int, float] = {}
        self._trust: Mapping[int, float] = {}

    def questions(self, budget_bytes: float, trust: Mapping[int, float]) -> int:
        """
        How many it would ask.

        Args:
            budget_bytes: how large its indexes may be together.
            trust: which share of what is expected of each statement comes true.
        """
        self._trust = trust
        self._hear()
        state = _State(
            budget_bytes,
            sum(self._weights[one] * self._costs.bounds(one, 0)[1] for one in self._live),
            {one: {} for one in self._live},
        )
        asked = len(self._costs.queries)
        asked += sum(len(self._speaking[one.index]) for one in self._steps(state))
        while step := self._best(state):
            asked += self._taken(step, state)
        return asked

    def _hear(self) -> None:
        """What the planner has said of each statement so far."""
        candidates = self._costs.candidates
        for number in self._live:
            before = self._costs.bounds(number, 0)[1]
            least, _ = self._costs.bounds(number, self._costs.relevant(number))
            self._most[number] = max(before - least, 0.0)
            for answer in self._costs.known(number):
                if answer.used.bit_count() == 1:
                    index = candidates[answer.used.bit_length() - 1]
                    if index.method == "btree" and not index.where and not index.include:
                        one = number, (index.table, index.columns)
                        saved = max(before - answer.cost, 0.0)
                        self._said[one] = max(saved, self._said.get(one, 0.0))

    def _steps(self, state: _State) -> Iterator[_Step]:
        """Each index that it could add, or widen one to, with the room that there is."""
        for one in self._singles:
            if one not in state.chosen and self._size(one) <= state.room:
                yield _Step(one, None, self._size(one))
        for there in state.chosen:
            table, columns = there
            if len(columns) < _WIDEST:
                for column in self._columns[table]:
                    wider = table, (*columns, column)
                    more = self._size(wider) - self._size(there)
                    if column not in columns and more <= state.room:
                        yield _Step(wider, there, more)

    def _best(self, state: _State) -> _Step | None:
        best, most = None, 0.0
        for step in self._steps(state):
            gain = state.gains.get(step.index)
            if gain is None:
                gain = state.gains[step.index] = self._gain(step, state)
            if (state.cost - gain) * _LEAST_IMPROVEMENT < state.cost:
                ratio = gain / max(step.more_bytes, 1.0)
                if ratio > most:
                    best, most = step, ratio
        return best

    def _gain(self, step: _Step, state: _State) -> float:
        table = step.index[0]
        there = _on(table, state.chosen, step)
        gain = 0.0
        for number in self._speak_of(step.index):
            saved = state.saved.get(number)
            if saved is None:
                continue
            more = self._best_of(number, there) - saved.get(table, 0.0)
            if more:
                most, now = self._most[number], sum(saved.values())
                gain += self._weights[number] * (min(now + more, most) - min(now, most))
        return gain

    def _best_of(self, number: int, some: list[_Plain]) -> float:
        """What the best of some indexes on one table saves a statement."""
        return max([self._saved(number, one) for one in some if number in self._speak_of(one)])

    def _taken(self, step: _Step, state: _State) -> int:
        """Go on with a step; how many questions come next."""
        index = step.index
        there = _on(index[0], state.chosen, step)
        state.chosen = [one for one in state.chosen if one != step.wider_than] + [index]
        state.room -= step.more_bytes
        state.cost -= state.gains[index]
        changed = self._speak_of(index)
        for number in changed & state.saved.keys():
            state.saved[number][index[0]] = self._best_of(number, there)
        for one in [one for one in state.gains if self._speak_of(one) & changed]:
            del state.gains[one]
        asked = 0
        for next_step in self._steps(state):
            speaking = self._speak_of(next_step.index)
            # Of what widens the new one nothing was asked yet.
            is_new = next_step.wider_than == index
            asked += len(speaking if is_new else speaking & changed)
        return asked

    def _speak_of(self, index: _Plain) -> frozenset[int]:
        """The statements that speak of one of its columns."""
        known = self._speaking.get(index)
        if known is None:
            table, columns = index
            each = (self._speaking[table, (column,)] for column in columns)
            known = self._speaking[index] = frozenset[int]().union(*each)
        return known

    def _size(self, index: _Plain) -> float:
        known = self._sizes.get(index)
        if known is None:
            table = self._costs.tables.get(index[0])
            known = self._counted(_index(index), table) if table else _UNKNOWN_BYTES
            self._sizes[index] = known
        return known

    def _counted(self, index: Index, table: Table) -> float:
        return self._costs.counting(index, table, hypothetical_bytes(index, table))

    def _saved(self, number: int, index: _Plain) -> float:
        """What it saves a statement alone."""
        said = self._said.get((number, index))
        if said is not None:
            return said
        expected = self._expected.get((number, index))
        if expected is None:
            table = self._costs.tables.get(index[0])
            expected = self._reckoned(number, index, table) if table else 0.0
            self._expected[number, index] = expected
        return max(self._trust.get(number, 1.0) * expected, self._said_of_start(number, index))

    def _said_of_start(self, number: int, index: _Plain) -> float:
        """What the planner said of what it begins with, in whose place it can be used."""
        table, columns = index
        starts = ((number, (table, columns[:width])) for width in range(1, len(columns)))
        return max((self._said.get(one, 0.0) for one in starts), default=0.0)

    def _reckoned(self, number: int, index: _Plain, table: Table) -> float:
        plain = _index(index)
        if any(serves(one, plain, equal=0) for one in table.indexes):
            return 0.0
        return self._costs.expected_of(number, plain, hypothetical_bytes(plain, table))


def _on(table: TableName, chosen: list[_Plain], step: _Step) -> list[_Plain]:
    """The indexes on its table after a step."""
    return [*(one for one in chosen if one[0] == table and one != step.wider_than), step.index]


def _index(index: _Plain) -> Index:
    table, columns = index
    return Index(table, tuple(map(Key, columns)))
