"""
Candidates: the indexes that could serve a statement, in the order of columns that does.

Columns with an equality come first, the most selective of them in front; then those of an IN, of
ranges, or of the ORDER BY with its directions. Each candidate's prefixes are candidates, too: a
narrower index costs less and may serve more statements. What else an index can be (covering,
partial, over an expression, GIN, BRIN) is made of these in `kinds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.schema import Column, Key, Table
from keiko_perf.diagnosis.statements.predicates import Use

WIDEST = 3
WIDEST_SORTED = 4
"""Of an index that also gives the order."""
_PERMUTED = 3
"""Up to so many equalities are tried in each order: which of them leads decides who else gains."""


@dataclass(frozen=True, slots=True)
class Form:
    """
    A candidate, and what it is for in one statement.

    Attributes:
        index: the index.
        equal: how many of its first columns are only compared for equality.
        is_whole: whether it is no mere prefix of another one.
    """

    index: Index
    equal: int
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Keys in an order that serves; the first `equal` of them are compared for equality."""

    equal: int
    keys: tuple[Key, ...]


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


def forms(use: Use, table: Table, *, widest_sorted: int = WIDEST_SORTED) -> list[Form]:
    """The plain B-trees that could serve *use*, without looking at what is there already."""
    found: dict[tuple[Index, int], Form] = {}
    for one in arrangements(use, table.columns, widest_sorted=widest_sorted):
        for width in range(len(one.keys), 0, -1):
            index = Index(table.name, one.keys[:width])
            form = Form(index, min(one.equal, width), width == len(one.keys))
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


def arrangements(
    use: Use, columns: Mapping[str, Column], *, widest_sorted: int = WIDEST_SORTED
) -> Iterator[Arrangement]:
    """The orders of keys that serve *use*, each once."""
    seen: set[Arrangement] = set()
    for parts in _parts(use, columns):
        for equal, keys in _orders(parts, use, widest_sorted):
            one = Arrangement(equal, tuple(keys))
            if keys and one not in seen:
                seen.add(one)
                yield one


def _parts(use: Use, columns: Mapping[str, Column]) -> Iterator[_Parts]:
    """The parts without a join, and with the columns of each join as equalities."""
    fixed = list(dict.fromkeys((*use.equals, *use.nulls)))
    joined: dict[object, list[str]] = {}
    for join in use.joins:
        joined.setdefault(join.other, []).append(join.column)
    choices = [fixed, *(fixed + names for names in joined.values())]
    for names in choices:
        yield _Parts(
            equals=_keys(_by_selectivity(names, columns), columns),
            listed=_keys(_by_selectivity(use.listed, columns, without=names), columns),
            ranges=_keys(_by_selectivity(use.ranges, columns, without=names), columns),
            prefixes=list(_prefix_keys(use, columns, without=names)),
            groups=_keys([name for name in use.group_by if name not in names], columns),
            sort=_sort(use, columns, without=names),
            alternatives=_keys(use.alternatives, columns),
        )


def _orders(parts: _Parts, use: Use, widest_sorted: int) -> Iterator[tuple[int, list[Key]]]:
    equals = parts.equals
    if len(equals) <= _PERMUTED:
        for some in permutations(equals):
            yield len(some), list(some)
    else:
        yield WIDEST, equals[:WIDEST]
    for one in equals:
        yield 1, [one]
    if parts.sort:
        head = equals[: widest_sorted - 1]
        yield len(head), (head + parts.sort)[:widest_sorted]
    if parts.sort and use.is_limited and (equals or parts.listed):
        # The first rows in order may soon be enough, whatever else is asked of them.
        yield 0, parts.sort[:WIDEST]
        yield 0, [parts.sort[0], *equals, *parts.listed][:WIDEST]
    if parts.listed:
        yield len(equals) + len(parts.listed), (equals + parts.listed)[:WIDEST]
        for one in parts.listed:
            yield 1, [one, *equals][:WIDEST]
    yield from _ranged(parts)
    head = equals[: WIDEST - 1]
    if parts.groups:
        yield len(head), (head + parts.groups)[:WIDEST]
    for one in parts.alternatives:
        yield 1, [one]


def _ranged(parts: _Parts) -> Iterator[tuple[int, list[Key]]]:
    """With ranges: one after the equalities; others behind it leave out entries, not pages."""
    ranges = [*parts.ranges, *parts.prefixes]
    heads = [parts.equals[: WIDEST - 1], []]
    if parts.listed:
        heads.insert(1, (parts.equals + parts.listed)[: WIDEST - 1])
    for head in heads:
        for one in ranges:
            rest = [other for other in ranges if other is not one]
            yield len(head), [*head, one, *rest][:WIDEST]
            # Behind a range an equality still leaves out what need not be fetched.
            behind = [key for key in (*parts.equals, *parts.listed) if key not in head]
            if behind:
                yield len(head), [*head, one, *behind][:WIDEST]


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
