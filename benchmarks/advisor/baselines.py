"""
Extend and AutoAdmin, straightforwardly: what the published algorithms advise, by the same planner.

Extend (Schlosser, Kossmann, Boissier, 2019) adds the index, or widens one that it has by a column,
that saves most for each byte, until the budget is used up. AutoAdmin (Chaudhuri, Narasayya, 1997)
takes each statement's best indexes for candidates, and then greedily the best of those; what is
over the budget at the end is dropped from the back. Both know plain B-trees alone. An answer of the
planner is kept for a statement and those of the indexes that speak of its columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any

import psycopg

from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables

Plain = tuple[str, ...]
"""A table and its columns."""
Chosen = frozenset[Plain]

_WIDEST = 3
_LEAST_IMPROVEMENT = 1.003


@dataclass(slots=True)
class Planner:
    """Prices statements under hypothetical indexes, and counts the questions."""

    connection: psycopg.Connection
    statements: list[tuple[float, str]]
    columns: list[set[tuple[str, str]]] = field(default_factory=list)
    calls: int = 0
    _known: dict[tuple[int, Chosen], tuple[float, Chosen]] = field(default_factory=dict)
    _sizes: dict[Plain, int] = field(default_factory=dict)
    _there: dict[Plain, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.connection.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
            " WHERE table_schema = 'public' GROUP BY 1"
        ).fetchall()
        known = {TableName("public", table): tuple(names) for table, names in rows}
        for _, text in self.statements:
            shape = read(text, Tables(columns=known))
            self.columns.append(
                {(use.table.name, column) for use in shape.uses for column in use.columns}
            )

    def cost(self, indexes: Iterable[Plain]) -> float:
        chosen = frozenset(indexes)
        return sum(
            weight * self.price(number, chosen)
            for number, (weight, _) in enumerate(self.statements)
        )

    def price(self, number: int, indexes: Chosen) -> float:
        """What a statement costs under some indexes."""
        return self.plan(number, indexes)[0]

    def plan(self, number: int, indexes: Chosen) -> tuple[float, Chosen]:
        """The same, and which of them its plan uses."""
        mine = self.columns[number]
        relevant = frozenset(
            one for one in indexes if any((one[0], column) in mine for column in one[1:])
        )
        if (number, relevant) not in self._known:
            self._assume(relevant)
            self.calls += 1
            text = self.statements[number][1]
            (plan,) = self.connection.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchone()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            names = {name: one for one, (_, name) in self._there.items()}
            used = frozenset(names[one] for one in _named(plan[0]["Plan"]) if one in names)
            self._known[number, relevant] = plan[0]["Plan"]["Total Cost"], used
        return self._known[number, relevant]

    def size(self, index: Plain) -> int:
        if index not in self._sizes:
            self._assume(frozenset({index}))
            (size,) = self.connection.execute(
                "SELECT hypopg_relation_size(%s::oid)", (self._there[index][0],)
            ).fetchone()
            self._sizes[index] = size
        return self._sizes[index]

    def _assume(self, indexes: Chosen) -> None:
        for gone in self._there.keys() - indexes:
            self.connection.execute(
                "SELECT hypopg_drop_index(%s::oid)", (self._there.pop(gone)[0],)
            )
        for new in indexes - self._there.keys():
            self._there[new] = self.connection.execute(
                "SELECT indexrelid, indexname FROM hypopg_create_index(%s)",
                (f"CREATE INDEX ON {new[0]} ({', '.join(new[1:])})",),
            ).fetchone()


def _named(node: dict[str, Any]) -> Iterator[str]:
    """The indexes of a plan."""
    if "Index Name" in node:
        yield node["Index Name"]
    for one in node.get("Plans", ()):
        yield from _named(one)


def singles(planner: Planner) -> list[Plain]:
    """One index for each column that any statement speaks of and a B-tree can hold."""
    rows = planner.connection.execute(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0"
    ).fetchall()
    spoken_of = {one for mine in planner.columns for one in mine}
    return [(table, column) for table, column in rows if (table, column) in spoken_of]


def once_built(planner: Planner, chosen: Chosen) -> Chosen:
    """
    The chosen without those that an existing index begins with.

    A hypothetical copy of an index that is there looks cheaper than that, since its way down costs
    it nothing; once it is built it does nothing that the other did not.
    """
    rows = planner.connection.execute(
        "SELECT c.relname, array(SELECT a.attname::text FROM unnest(i.indkey::int2[])"
        " WITH ORDINALITY AS key(number, place) JOIN pg_attribute a ON a.attrelid = c.oid"
        " AND a.attnum = key.number ORDER BY place) FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND i.indisvalid AND i.indpred IS NULL"
    ).fetchall()
    there = {(table, *names[:width]) for table, names in rows for width in range(1, len(names) + 1)}
    return frozenset(one for one in chosen if one not in there)


def extend(planner: Planner, budget_bytes: int) -> Chosen:
    """What Extend chooses."""
    attributes = singles(planner)
    chosen: list[Plain] = []
    current = planner.cost(chosen)
    while True:
        used = sum(map(planner.size, chosen))
        best: tuple[float, list[Plain], float] | None = None
        steps = [([*chosen, one], planner.size(one)) for one in attributes if one not in chosen]
        for place, there in enumerate(chosen):
            for table, column in attributes:
                if table == there[0] and column not in there and len(there) <= _WIDEST:
                    wider = (*there, column)
                    rest = chosen[:place] + chosen[place + 1 :]
                    steps.append(([*rest, wider], planner.size(wider) - planner.size(there)))
        for combination, more in steps:
            if used + more > budget_bytes:
                continue
            cost = planner.cost(combination)
            if cost * _LEAST_IMPROVEMENT >= current:
                continue
            ratio = (current - cost) / more
            if best is None or ratio > best[0]:
                best = (ratio, combination, cost)
        if best is None:
            return frozenset(chosen)
        _, chosen, current = best


def autoadmin(planner: Planner, budget_bytes: int) -> Chosen:
    """What AutoAdmin chooses: indexes of up to two columns."""
    candidates: set[Plain] = set(singles(planner))
    chosen: list[Plain] = []
    for width in (1, 2):
        per_statement: set[Plain] = set()
        for number, mine in enumerate(planner.columns):
            fitting = [
                one for one in sorted(candidates) if all((one[0], c) in mine for c in one[1:])
            ]
            best = min(
                (frozenset(some) for n in (0, 1, 2) for some in combinations(fitting, n)
                 if n < 2 or len(fitting) <= 12),
                key=lambda some: (planner.price(number, some), len(some), sorted(some)),
            )  # fmt: skip
            per_statement |= best
        chosen = _greedily(planner, sorted(per_statement), budget_bytes)
        wider = {
            (one[0], *order)
            for one in chosen
            for other in per_statement
            if other[0] == one[0] and len(one) == width
            for order in permutations((one[1], other[1]))
            if one[1] != other[1]
        }
        candidates = set(chosen) | wider
    return frozenset(chosen)


def _greedily(planner: Planner, candidates: list[Plain], budget_bytes: int) -> list[Plain]:
    chosen: list[Plain] = []
    current = planner.cost(chosen)
    while True:
        used = sum(map(planner.size, chosen))
        fitting = [
            one
            for one in candidates
            if one not in chosen and used + planner.size(one) <= budget_bytes
        ]
        costs = [(planner.cost([*chosen, one]), one) for one in fitting]
        if not costs or min(costs)[0] >= current:
            return chosen
        current, best = min(costs)
        chosen.append(best)


def anytime(
    planner: Planner, budget_bytes: int, is_late: Callable[[], bool] = lambda: False
) -> Chosen:
    """What Anytime chooses, if it may ask as much as it likes."""
    found: set[Plain] = set()
    for number, mine in enumerate(planner.columns):
        tables: dict[str, list[str]] = {}
        for table, column in sorted(mine & {(one[0], one[1]) for one in singles(planner)}):
            tables.setdefault(table, []).append(column)
        offered = frozenset(
            (table, *order)
            for table, names in tables.items()
            for width in (1, 2)
            for order in permutations(names, width)
        )
        found |= planner.plan(number, offered)[1]
    for one, other in permutations(sorted(found), 2):
        if one[0] == other[0]:
            merged = (*one, *(name for name in other[1:] if name not in one[1:]))
            if len(merged) <= _WIDEST + 1:
                found.add(merged)
    candidates = [one for one in sorted(found) if planner.size(one) <= budget_bytes]
    best, least = frozenset[Plain](), planner.cost(())
    for seed in (None, *candidates):
        chosen = _cheapest_first(planner, candidates, [seed] if seed else [], budget_bytes)
        cost = planner.cost(chosen)
        if cost < least:
            best, least = chosen, cost
        if is_late():
            break
    return best


def _cheapest_first(
    planner: Planner, candidates: list[Plain], chosen: list[Plain], budget_bytes: int
) -> Chosen:
    """With whatever makes the workload cheapest added, as long as it fits."""
    while True:
        room = budget_bytes - sum(map(planner.size, chosen))
        there = frozenset(chosen)
        offers = []
        for one in candidates:
            if one in there or planner.size(one) > room:
                continue
            saved = sum(
                weight * (planner.price(number, there) - planner.price(number, there | {one}))
                for number, (weight, _) in enumerate(planner.statements)
                if any((one[0], column) in planner.columns[number] for column in one[1:])
            )
            offers.append((saved, one))
        saved, best = max(offers, default=(0.0, ("",)))
        if saved <= 0:
            return there
        chosen = [*chosen, best]
