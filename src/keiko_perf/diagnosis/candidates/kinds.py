"""
Kinds: what an index can be besides a plain B-tree, for one use of a table.

Covering: it holds all that is read, so that the table is not. Partial: it holds only the rows of a
state that the statement names, such as `deleted_at IS NULL`; never those of one customer or day.
Over an expression; GIN for what is within text, documents and arrays; BRIN where the rows lie in
the order of the values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from keiko_perf.diagnosis.candidates.candidates import (
    WIDEST,
    WIDEST_SORTED,
    Form,
    arrangements,
    forms,
)
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.schema import Key, Schema, Table
from keiko_perf.diagnosis.statements.predicates import Contained, Fixed, Use
from keiko_perf.errors import UsageError

KINDS = ("plain", "covering", "partial", "expression", "gin", "brin")
ALL = frozenset(KINDS)

_MOST_INCLUDED = 8
_WIDEST_BYTES = 120.0
"""What a covering index may hold of a row besides its keys, and at most this share of the row."""
_WIDEST_SHARE = 0.6
_MOST_STATES = 24
"""A column of so many different values may be a state; one of more is somebody's number."""
_STATES = frozenset({"bool", "text", "varchar", "bpchar", "char", "name"})
_LARGE_BYTES = 8e6
"""A table for BRIN: a smaller one is read in one go."""
_IN_ORDER = 0.9
_MANY_VALUES = 1000.0
_TEXT = frozenset({"text", "varchar", "bpchar"})
_DOCUMENT_OPERATORS = frozenset({"@>", "@?", "@@"})
_ARRAY_OPERATORS = frozenset({"@>", "&&"})


def kinds_of(names: Collection[str]) -> frozenset[str]:
    """
    The kinds that a user names.

    Raises:
        UsageError: one of them is none.
    """
    wrong = sorted(set(names) - ALL)
    if wrong or not names:
        raise UsageError(
            f"{', '.join(wrong) or 'nothing'} is no kind of index",
            cure=f"Choose from {', '.join(KINDS)}",
        )
    return frozenset(names)


def all_forms(use: Use, table: Table, schema: Schema, kinds: frozenset[str] = ALL) -> list[Form]:
    """What could serve *use*, of the given kinds; the plainest first."""
    widest = WIDEST_SORTED if kinds - {"plain"} else WIDEST
    found: dict[tuple[Index, int], Form] = {}
    for form in _each(use, table, schema, kinds, widest):
        found.setdefault((form.index, form.equal), form)
    return list(found.values())


def _each(
    use: Use, table: Table, schema: Schema, kinds: frozenset[str], widest: int
) -> Iterator[Form]:
    plain = forms(use, table, widest_sorted=widest)
    yield from plain
    yield from _covering(use, table, kinds, widest)
    if "partial" in kinds:
        for some, rest in _partials(use, table):
            where = " AND ".join(one.sql for one in some)
            yield from (
                replace(form, index=replace(form.index, where=where))
                for form in _within(rest, table, kinds, widest)
            )
    if "expression" in kinds:
        yield from _over_expressions(use, table, widest)
    if "gin" in kinds:
        yield from _gin(use, table, schema)
    if "brin" in kinds and table.size_bytes >= _LARGE_BYTES:
        yield from _brin(use, table)


def _within(use: Use, table: Table, kinds: frozenset[str], widest: int) -> Iterator[Form]:
    """What serves the rest of a use within the rows of a partial index."""
    found = [*forms(use, table, widest_sorted=widest), *_covering(use, table, kinds, widest)]
    if found:
        yield from found
        return
    names = sorted(use.columns & table.columns.keys()) or list(table.columns)[:1]
    sortable = [name for name in names if table.columns[name].is_sortable]
    for name in sortable[:1]:
        yield Form(Index(table.name, (Key(name),)), 0)


# Covering


def _covering(use: Use, table: Table, kinds: frozenset[str], widest: int) -> Iterator[Form]:
    read = use.columns & table.columns.keys()
    if use.reads_all or not read or not _is_narrow(read, table):
        return
    for one in _starts(use, table, widest):
        rest = tuple(sorted(read - {key.column for key in one.index.keys}))
        if not rest:
            yield one
        elif "covering" in kinds and len(rest) <= _MOST_INCLUDED:
            yield replace(one, index=replace(one.index, include=rest))
        elif len(rest) + len(one.index.keys) <= WIDEST and _are_sortable(rest, table):
            yield replace(one, index=Index(table.name, (*one.index.keys, *map(Key, rest))))


def _starts(use: Use, table: Table, widest: int) -> Iterator[Form]:
    """With what a covering index can begin: whole arrangements, or any column."""
    for one in arrangements(use, table.columns, widest_sorted=widest):
        yield Form(Index(table.name, one.keys), one.equal)
    joins = sorted({join.column for join in use.joins})
    others = sorted(use.columns & table.columns.keys())
    narrow = sorted(others, key=lambda name: (table.columns[name].width_bytes, name))
    for name in dict.fromkeys((*joins, *narrow[:1])):
        if name in table.columns and table.columns[name].is_sortable:
            yield Form(Index(table.name, (Key(name),)), 1 if name in joins else 0)


def _is_narrow(names: Collection[str], table: Table) -> bool:
    width = sum(table.columns[name].width_bytes for name in names)
    row = table.size_bytes / table.rows if table.rows and table.size_bytes else width * 4
    return width <= _WIDEST_BYTES and width + 16 <= _WIDEST_SHARE * row


def _are_sortable(names: Collection[str], table: Table) -> bool:
    return all(table.columns[name].is_sortable for name in names)


# Partial


def _partials(use: Use, table: Table) -> Iterator[tuple[tuple[Fixed, ...], Use]]:
    """Terms that leave only some rows, each and all together, with what remains of the use."""
    states = [one for one in use.fixed if _is_state(one, table)]
    choices: list[tuple[Fixed, ...]] = [(one,) for one in states]
    if len(states) > 1:
        choices.append(tuple(states))
    for some in choices:
        names = {one.column for one in some}
        yield (
            some,
            replace(
                use,
                equals=tuple(name for name in use.equals if name not in names),
                listed=tuple(name for name in use.listed if name not in names),
                nulls=tuple(name for name in use.nulls if name not in names),
                columns=still_read(use, names),
            ),
        )


def still_read(use: Use, fixed: set[str]) -> frozenset[str]:
    """The columns that are read though a partial index's rows are known to fulfil its terms."""
    elsewhere = {key.column for key in use.order_by} | set(use.group_by) | set(use.selected)
    elsewhere |= {*use.ranges, *use.prefixes, *(join.column for join in use.joins)}
    return frozenset(name for name in use.columns if name not in fixed or name in elsewhere)


def _is_state(term: Fixed, table: Table) -> bool:
    column = table.columns.get(term.column)
    if column is None or column.is_reference:
        return False
    if term.sql.endswith((" IS NULL", " IS NOT NULL")):
        return True
    is_few = column.distinct is not None and column.distinct <= _MOST_STATES
    is_word = column.type in _STATES or not column.type.startswith(("int", "uuid", "numeric"))
    is_number_of = not is_word and not term.column.endswith("id")
    return is_few and (is_word or is_number_of)


# Expressions


def _over_expressions(use: Use, table: Table, widest: int) -> Iterator[Form]:
    equals = [
        Key(name)
        for name in dict.fromkeys((*use.equals, *use.nulls))
        if name in table.columns and table.columns[name].is_sortable
    ][: WIDEST - 1]
    sort = [key for key in use.order_by if key.column not in use.equals]
    for one in use.computed:
        key = Key(one.sql, is_expression=True)
        equal = 1 if one.kind in ("equals", "listed") else 0
        yield Form(Index(table.name, (key,)), equal)
        if equals:
            yield Form(Index(table.name, (*equals, key)), len(equals) + equal)
        if equal and sort:
            yield Form(Index(table.name, (*equals, key, *sort)[:widest]), len(equals) + 1)


# GIN and BRIN


def _gin(use: Use, table: Table, schema: Schema) -> Iterator[Form]:
    for one in use.contained:
        opclass = _gin_opclass(one, table, schema)
        if opclass is not None:
            key = Key(one.column, opclass=opclass, is_expression=one.is_expression)
            yield Form(Index(table.name, (key,), method="gin"), 0)


def _gin_opclass(one: Contained, table: Table, schema: Schema) -> str | None:
    """What GIN needs to serve it: empty if nothing, None if it cannot."""
    if one.is_expression:
        return "" if one.operator == "@@" and "tsvector" in one.column else None
    column = table.columns.get(one.column)
    if column is None:
        return None
    if one.operator in ("~~", "~~*", "~", "~*"):
        is_there = schema.trigrams is not None and column.type in _TEXT
        return _trigrams(schema) if is_there and _has_trigram(one) else None
    if column.type == "jsonb":
        return "jsonb_path_ops" if one.operator in _DOCUMENT_OPERATORS else ""
    if column.type.startswith("_") and one.operator in _ARRAY_OPERATORS:
        return ""
    return "" if column.type == "tsvector" and one.operator == "@@" else None


def _trigrams(schema: Schema) -> str:
    is_on_path = schema.trigrams in schema.search_path
    return "gin_trgm_ops" if is_on_path else f"{schema.trigrams}.gin_trgm_ops"


def _has_trigram(one: Contained) -> bool:
    """Whether a pattern holds three letters in a row; of a parameter nobody knows."""
    if not one.sql:
        return True
    pattern = one.sql.partition("'")[2].rpartition("'")[0]
    runs = pattern.replace("_", "%").split("%")
    return any(sum(letter.isalnum() for letter in run) >= 3 for run in runs)


def _brin(use: Use, table: Table) -> Iterator[Form]:
    for name in use.ranges:
        column = table.columns.get(name)
        # Of few values the statistics say that they lie in order when only most are the same.
        is_ordered = column and abs(column.correlation or 0.0) >= _IN_ORDER
        if column and is_ordered and (column.distinct or 0.0) >= _MANY_VALUES:
            yield Form(Index(table.name, (Key(name),), method="brin"), 0)
