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
from keiko_perf.diagnosis.candidates.sizes import hypothetical_bytes
from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.search.costs import Costs

_WIDEST = 3
_LEAST_IMPROVEMENT = 1.003
_UNKNOWN_BYTES = 1e6
_Columns = tuple[TableName, tuple[str, ...]]


@dataclass(slots=True, eq=False)
class _Plain:
    """
    An index of columns and nothing else.

    Attributes:
        speaking: the statements that speak of one of its columns.
        said: what the planner has said that it saves them alone.
        begins: what it begins with, in whose place it can be used.
        expected: what it might save them by the statistics, as far as that was asked for.
        wider: those with a column more, once that was asked for.
    """

    table: TableName
    columns: tuple[str, ...]
    speaking: frozenset[int]
    size: float
    said: dict[int, float]
    begins: tuple[_Plain, ...] = ()
    expected: dict[int, float] = field(default_factory=dict)
    wider: tuple[_Plain, ...] | None = None


@dataclass(slots=True)
class _State:
    """How far the rehearsal has come."""

    room: float
    cost: float
    saved: dict[int, dict[TableName, float]]
    chosen: list[_Plain] = field(default_factory=list)
    gains: dict[_Plain, float] = field(default_factory=dict)


_Step = tuple[_Plain, _Plain | None, float]
"""What is added, in the place of which, and how many bytes it takes more."""


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
        self._said: dict[_Columns, dict[int, float]] = {}
        spoken_of: dict[tuple[TableName, str], set[int]] = {}
        for number, query in enumerate(costs.queries):
            for use in query.shape.uses:
                for column in use.columns:
                    spoken_of.setdefault((use.table, column), set()).add(number)
        self._singles = [
            self._plain(table, (column,), frozenset(numbers))
            for (table, column), numbers in sorted(spoken_of.items())
        ]
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
        asked += sum(len(index.speaking) for index, _, _ in self._steps(state))
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
                        said = self._said.setdefault((index.table, index.columns), {})
                        saved = max(before - answer.cost, 0.0)
                        said[number] = max(saved, said.get(number, 0.0))

    def _steps(self, state: _State) -> Iterator[_Step]:
        """Each index that it could add, or widen one to, with the room that there is."""
        room, chosen = state.room, state.chosen
        for one in self._singles:
            if one.size <= room and one not in chosen:
                yield one, None, one.size
        for there in chosen:
            for wider in self._wider(there):
                more = wider.size - there.size
                if more <= room:
                    yield wider, there, more

    def _wider(self, there: _Plain) -> tuple[_Plain, ...]:
        if there.wider is None:
            others = [
                one
                for one in self._singles
                if one.table == there.table and one.columns[0] not in there.columns
            ]
            begins = (*there.begins, there)
            there.wider = tuple(
                self._plain(
                    there.table,
                    there.columns + one.columns,
                    there.speaking | one.speaking,
                    begins,
                )
                for one in (others if len(there.columns) < _WIDEST else ())
            )
        return there.wider

    def _plain(
        self,
        table: TableName,
        columns: tuple[str, ...],
        speaking: frozenset[int],
        begins: tuple[_Plain, ...] = (),
    ) -> _Plain:
        index, known = _index(table, columns), self._costs.tables.get(table)
        size = _UNKNOWN_BYTES
        if known is not None:
            size = hypothetical_bytes(index, known)  # as Extend has it, whatever ours counts
        said = self._said.setdefault((table, columns), {})
        return _Plain(table, columns, speaking, size, said, begins)

    def _best(self, state: _State) -> _Step | None:
        best, most = None, 0.0
        for step in self._steps(state):
            gain = state.gains.get(step[0])
            if gain is None:
                gain = state.gains[step[0]] = self._gain(step, state)
            if (state.cost - gain) * _LEAST_IMPROVEMENT < state.cost:
                ratio = gain / max(step[2], 1.0)
                if ratio > most:
                    best, most = step, ratio
        return best

    def _gain(self, step: _Step, state: _State) -> float:
        index, replaced, _ = step
        others = _on(index.table, state.chosen, replaced) if replaced else []
        gain = 0.0
        for number in index.speaking:
            saved = state.saved.get(number)
            if saved is None:
                continue
            now = saved.get(index.table, 0.0)
            # What is only added leaves what the others save as it is.
            best = self._best_of(number, [*others, index])
            more = (best if replaced else max(best, now)) - now
            if more:
                most, whole = self._most[number], sum(saved.values())
                gain += self._weights[number] * (min(whole + more, most) - min(whole, most))
        return gain

    def _best_of(self, number: int, some: list[_Plain]) -> float:
        """What the best of some indexes on one table saves a statement."""
        return max([self._saved(number, one) for one in some if number in one.speaking])

    def _taken(self, step: _Step, state: _State) -> int:
        """Go on with a step; how many questions come next."""
        index, replaced, more_bytes = step
        there = [*_on(index.table, state.chosen, replaced), index]
        state.chosen = [one for one in state.chosen if one is not replaced] + [index]
        state.room -= more_bytes
        state.cost -= state.gains[index]
        changed = index.speaking
        for number in changed & state.saved.keys():
            state.saved[number][index.table] = self._best_of(number, there)
        for one in [one for one in state.gains if not one.speaking.isdisjoint(changed)]:
            del state.gains[one]
        return sum(
            # Of what widens the new one nothing was asked yet.
            len(one.speaking if wider_than is index else one.speaking & changed)
            for one, wider_than, _ in self._steps(state)
        )

    def _saved(self, number: int, index: _Plain) -> float:
        """What it saves a statement alone."""
        said = index.said.get(number)
        if said is not None:
            return said
        expected = index.expected.get(number)
        if expected is None:
            expected = index.expected[number] = self._reckoned(number, index)
        saved = self._trust.get(number, 1.0) * expected
        for one in index.begins:
            saved = max(saved, one.said.get(number, 0.0))
        return saved

    def _reckoned(self, number: int, index: _Plain) -> float:
        plain, table = _index(index.table, index.columns), self._costs.tables.get(index.table)
        if table is None or any(serves(one, plain, equal=0) for one in table.indexes):
            return 0.0
        return self._costs.expected_of(number, plain, hypothetical_bytes(plain, table))


def _on(table: TableName, chosen: list[_Plain], but: _Plain | None) -> list[_Plain]:
    """The indexes on a table, but for one."""
    return [one for one in chosen if one is not but and one.table == table]


def _index(table: TableName, columns: tuple[str, ...]) -> Index:
    return Index(table, tuple(map(Key, columns)))
