"""
Scope: which table a column name in a statement belongs to.

A bare column name is resolved as PostgreSQL does, innermost query first, with the tables'
column lists where they are known; without them only where there is no other possibility.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.diagnosis.schema import TableName

_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})


@dataclass(slots=True, eq=False)
class Relation:
    """
    Something in a FROM: a table, or what a subquery, CTE or function gives.

    Attributes:
        alias: the name under which the statement speaks of it.
        table: which table it is; None if it is no table.
        columns: its columns, if known.
    """

    alias: str
    table: TableName | None
    columns: Collection[str] | None = None

    def may_have(self, column: str) -> bool:
        return self.columns is None or column in self.columns


@dataclass(slots=True, eq=False)
class Scope:
    """
    The names that one query level sees.

    Attributes:
        outer: the level around it.
        relations: what its FROM brings, in this order.
        ctes: names of WITH queries in reach: no tables.
        merged: columns that USING or NATURAL made one of several.
        outputs: what each WITH query in reach gives, by its name.
    """

    outer: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    ctes: frozenset[str] = frozenset()
    merged: set[str] = field(default_factory=set)
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def relation_of(self, column: str, qualifier: tuple[str, ...] = ()) -> Relation | None:
        """
        The relation that a column belongs to; None if that is not certain.

        Args:
            column: its name.
            qualifier: what stands before it: nothing, an alias, or schema and table.
        """
        if column in _SYSTEM_COLUMNS:
            return None
        return self._named(qualifier) if qualifier else self._holding(column)

    def _named(self, qualifier: tuple[str, ...]) -> Relation | None:
        for level in self._outwards():
            for relation in level.relations:
                if _answers_to(relation, qualifier):
                    return relation
        return None

    def _holding(self, column: str) -> Relation | None:
        for level in self._outwards():
            sure = [one for one in level.relations if one.columns and column in one.columns]
            if sure:
                return sure[0] if len(sure) == 1 or column in level.merged else None
            possible = [one for one in level.relations if one.may_have(column)]
            if possible:
                alone = len(possible) == 1 and not level._outer_may_have(column)
                return possible[0] if alone else None
        return None

    def _outwards(self) -> Iterator[Scope]:
        level: Scope | None = self
        while level is not None:
            yield level
            level = level.outer

    def _outer_may_have(self, column: str) -> bool:
        return self.outer is not None and any(
            relation.may_have(column)
            for level in self.outer._outwards()
            for relation in level.relations
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """
    The tables that a statement can mean.

    Attributes:
        columns: the columns of each.
        search_path: where a bare name is looked for.
        views: the SELECT behind each view.
    """

    columns: Mapping[TableName, Collection[str]] = field(default_factory=dict)
    search_path: tuple[str, ...] = ("public",)
    views: Mapping[TableName, str] = field(default_factory=dict)

    def relation(self, schema: str, name: str, *, alias: str) -> Relation:
        """A table by its name in a statement; a name that is not known stays as it is written."""
        named = TableName(schema, name)
        places = (schema,) if schema else self.search_path
        found = (TableName(place, name) for place in places)
        table = next((one for one in found if one in self.columns or one in self.views), named)
        return Relation(alias, table, self.columns.get(table))


def _answers_to(relation: Relation, qualifier: tuple[str, ...]) -> bool:
    if qualifier[-1] != relation.alias:
        return False
    if len(qualifier) == 1:
        return True
    return relation.table is not None and relation.table.schema in ("", qualifier[-2])
