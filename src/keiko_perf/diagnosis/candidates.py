"""
Candidates: the B-trees that could serve a statement, in the order of columns that does.

Columns with an equality come first, the most selective of them in front; then those of an IN, of
one range, or of the ORDER BY with its directions. Each candidate's prefixes are candidates, too:
a narrower index costs less and may serve more statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.predicates import Use
from keiko_perf.diagnosis.schema import Column, Key, Table

WIDEST = 3
WIDEST_SORTED = 4
"""Of an index that also gives the order."""


@dataclass(frozen=True, slots=True)
class Form:
    """
    A candidate, and what it is for in one statement.

    Attributes:
        index: the B-tree.
        equal: how many of its first columns are only compared for equality.
        is_whole: whether it is no mere prefix of another one.
    """

    index: Index
    equal: int
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class _Parts:
    """The keys that go into an index, already in their best order."""

    equals: list[Key]
    listed: list[Key]
    ranges: list[Key]
    prefixes: list[Key]
    groups: list[Key]
    sort: list[Key]
    alternatives: list[Key] = field(default_factory=list)


def forms(use: Use, table: Table) -> list[Form]:
    """What could serve *use*, without looking at what is there already."""
    found: dict[tuple[Index, int], Form] = {}
    for equal, keys in _arrangements(use, table.columns):
        for width in range(len(keys), 0, -1):
            index = Index(table.name, tuple(keys[:width]))
            form = Form(index, min(equal, width), width == len(keys))
            known = found.get((index, form.equal))
            if known is None or (form.is_whole and not known.is_whole):
                found[index, form.equal] = form
    return list(found.values())


def is_pinned(use: Use, table: Table) -> bool:
    """Whether a unique index that is there already leads to the single row that is asked for."""
    pinned = set(use.equals)
    return any(
        index.unique and index.is_valid and not index.is_partial
        and pinned.issuperset(key.column if key else "" for key in index.keys)
        for index in table.indexes
    )  # fmt: skip


def _arrangements(use: Use, columns: Mapping[str, Column]) -> Iterator[tuple[int, list[Key]]]:
    """Pairs of the number of equality columns and the keys."""
    seen: set[tuple[int, tuple[Key, ...]]] = set()
    for parts in _parts(use, columns):
        for equal, keys in _orders(parts):
            if keys and (equal, tuple(keys)) not in seen:
                seen.add((equal, tuple(keys)))
                yield equal, keys


def _parts(use: Use, columns: Mapping[str, Column]) -> Iterator[_Parts]:
    """The parts without a join, and with the columns of each join as equalities."""
    fixed = list(dict.fromkeys((*use.equals, *use.nulls)))
    joined: dict[object, list[str]] = {}
    for join in use.joins:
        joined.setdefault(join.other, []).append(join.column)
    choices = [fixed, *(fixed + names for names in joined.values())]
    if len(joined) > 1:
        choices += [[*fixed, join.column] for join in use.joins]
    for names in choices:
        yield _Parts(
            equals=_keys(_by_selectivity(names, columns), columns),
            listed=_keys(_by_selectivity(use.listed, columns, without=names), columns),
            ranges=_keys([name for name in use.ranges if name not in names], columns),
            prefixes=list(_prefix_keys(use, columns, without=names)),
            groups=_keys([name for name in use.group_by if name not in names], columns),
            sort=_sort(use, columns, without=names),
            alternatives=_keys(use.alternatives, columns),
        )


def _orders(parts: _Parts) -> Iterator[tuple[int, list[Key]]]:
    equals = parts.equals
    if len(equals) == 2:
        for pair in permutations(equals):
            yield 2, list(pair)
    else:
        yield len(equals[:WIDEST]), equals[:WIDEST]
    for one in equals:
        yield 1, [one]
    if parts.sort:
        room = WIDEST_SORTED - 1
        keys = (equals[:room] + parts.sort)[:WIDEST_SORTED]
        yield len(equals[:room]), keys
    if parts.listed:
        yield len(equals) + len(parts.listed), (equals + parts.listed)[:WIDEST]
    head = equals[: WIDEST - 1]
    for one in (*parts.ranges, *parts.prefixes):
        yield len(head), [*head, one]
        if parts.listed:
            few = (equals + parts.listed)[: WIDEST - 1]
            yield len(few), [*few, one]
    if parts.groups:
        yield len(head), (head + parts.groups)[:WIDEST]
    for one in parts.alternatives:
        yield 1, [one]


def _sort(use: Use, columns: Mapping[str, Column], *, without: Iterable[str]) -> list[Key]:
    """The ORDER BY's keys; a column that is fixed to one value orders nothing."""
    keys = [key for key in use.order_by if key.column not in set(without)]
    usable = [key for key in keys if _is_sortable(key.column, columns)]
    return keys if usable == keys else []


def _keys(names: Iterable[str], columns: Mapping[str, Column]) -> list[Key]:
    return [Key(name) for name in dict.fromkeys(names) if _is_sortable(name, columns)]


def _is_sortable(name: str, columns: Mapping[str, Column]) -> bool:
    return name in columns and columns[name].is_sortable


def _prefix_keys(
    use: Use, columns: Mapping[str, Column], *, without: Iterable[str]
) -> Iterator[Key]:
    for name in use.prefixes:
        opclass = columns[name].pattern_opclass if name in columns else None
        if opclass is not None and name not in set(without):
            yield Key(name, opclass=opclass)


def _by_selectivity(
    names: Iterable[str], columns: Mapping[str, Column], *, without: Sequence[str] = ()
) -> list[str]:
    """The names, those with most different values first; then by name, to be the same always."""
    chosen = dict.fromkeys(name for name in names if name not in without)
    return sorted(chosen, key=lambda name: (-_distinct(columns.get(name)), name))


def _distinct(column: Column | None) -> float:
    return column.distinct if column and column.distinct is not None else 0.0
