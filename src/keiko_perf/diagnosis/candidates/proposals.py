"""
Proposals: the candidates for a workload, and those that need no planner to be refused.

A candidate is refused here if an index that is there serves it already, if its table is so small
that it is read in one go, or if a unique index leads to the single row; unless another statement
needs it. The planner is asked about the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from keiko_perf.diagnosis.candidates.candidates import Form, is_pinned
from keiko_perf.diagnosis.candidates.indexes import Index, Refusal, serves
from keiko_perf.diagnosis.candidates.kinds import ALL, all_forms
from keiko_perf.diagnosis.schema import Schema, Table, TableName
from keiko_perf.diagnosis.statements.parser import ast, parse, walk
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables
from keiko_perf.diagnosis.statements.workload import Query, Statement
from keiko_perf.model import say

_SMALLEST_ROWS = 200
_SMALLEST_BYTES = 32768.0
_SMALL_TABLE_ROWS = 1000
"""Below this, an index that nobody verified is not even proposed: it is read in one go."""


@dataclass(slots=True)
class Proposals:
    """
    Attributes:
        wanted_by: the candidates, each with the numbers of the queries it was made for; in the
            order of the time that those take.
        whole: those that are no mere prefix of another one.
        refusals: those that need no planner to be refused.
        left_out: how many there were beyond the bound.
    """

    queries: tuple[Query, ...]
    wanted_by: dict[Index, list[int]] = field(default_factory=dict)
    whole: set[Index] = field(default_factory=set)
    refusals: dict[Index, Refusal] = field(default_factory=dict)
    left_out: int = 0

    def statements(self, index: Index) -> tuple[Statement, ...]:
        """The statements a candidate was made for."""
        return tuple(self.queries[number].statement for number in self.wanted_by[index])


def propose(
    queries: tuple[Query, ...],
    schema: Schema,
    *,
    max_candidates: int,
    kinds: frozenset[str] = ALL,
) -> Proposals:
    """The candidates for a workload, without those that cannot help."""
    proposals = Proposals(queries)
    for number, query in enumerate(queries):
        for use in query.shape.uses:
            table = schema.tables.get(use.table)
            if table is None or not table.is_readable:
                continue
            for form in all_forms(use, table, schema, kinds):
                refusal = _refusal(form, table, is_pinned=is_pinned(use, table))
                if refusal is not None:
                    proposals.refusals.setdefault(form.index, refusal)
                    continue
                numbers = proposals.wanted_by.setdefault(form.index, [])
                if number not in numbers:
                    numbers.append(number)
                if form.is_whole:
                    proposals.whole.add(form.index)
    # Refused for one statement, a candidate may still be what another one needs.
    for index in proposals.wanted_by:
        proposals.refusals.pop(index, None)
    too_many = list(proposals.wanted_by)[max_candidates:]
    for index in too_many:
        del proposals.wanted_by[index]
    proposals.left_out = len(too_many)
    return proposals


def first_choices(proposals: Proposals, schema: Schema) -> Iterable[Index]:
    """Without a planner: the widest for each statement, those first that take most time."""
    served: set[tuple[int, TableName]] = set()
    candidates = [index for index in proposals.wanted_by if index in proposals.whole]
    for index in sorted(
        candidates, key=lambda one: (min(proposals.wanted_by[one]), -len(one.keys))
    ):
        places = {(number, index.table) for number in proposals.wanted_by[index]}
        if places <= served or schema.tables[index.table].rows < _SMALL_TABLE_ROWS:
            continue
        served |= places
        yield index


def names_of_tables(statements: Iterable[Statement]) -> set[str]:
    """The bare names of all tables that the statements speak of, and of what they name beside."""
    return {
        node.relname
        for one in statements
        for node in walk(parse(one.text))
        if isinstance(node, ast.RangeVar)
    }


def queries_of(statements: Iterable[Statement], schema: Schema) -> tuple[Query, ...]:
    tables = Tables(columns=schema.columns, search_path=schema.search_path, views=schema.views)
    return tuple(Query(one, read(one.text, tables)) for one in statements)


def _refusal(form: Form, table: Table, *, is_pinned: bool) -> Refusal | None:
    for existing in table.indexes:
        if form.index.method != "btree":
            first = existing.keys[0]
            is_there = existing.method == form.index.method and existing.is_valid and first
            if is_there and first and first.column == form.index.columns[0]:
                reason = say("the index {name} serves it already", name=existing.name)
                return Refusal(form.index, "exists", reason)
        elif serves(existing, form.index, equal=form.equal):
            return Refusal(
                form.index, "exists", say("the index {name} serves it already", name=existing.name)
            )
    if table.rows <= _SMALLEST_ROWS and 0 < table.size_bytes <= _SMALLEST_BYTES:
        return Refusal(form.index, "unused", say("the table is so small that it is read in one go"))
    if is_pinned:
        return Refusal(form.index, "unique", say("a unique index leads to the single row already"))
    return None
