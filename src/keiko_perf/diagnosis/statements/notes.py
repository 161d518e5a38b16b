"""
Notes: what is gathered of a statement while its syntax tree is walked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.statements.parser import ast
from keiko_perf.diagnosis.statements.predicates import Computed, Contained, Fixed, Join, Use, Write
from keiko_perf.diagnosis.statements.scope import Relation, Scope, Tables
from keiko_perf.diagnosis.statements.tree import bare_sql, leaves_some, names_of, within


@dataclass(slots=True)
class Draft:
    """A `Use` while it is gathered; dicts keep the order and forget the duplicates."""

    relation: Relation
    table: TableName
    equals: dict[str, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    ranges: dict[str, None] = field(default_factory=dict)
    prefixes: dict[str, None] = field(default_factory=dict)
    nulls: dict[str, None] = field(default_factory=dict)
    joins: dict[Join, None] = field(default_factory=dict)
    alternatives: dict[str, None] = field(default_factory=dict)
    group_by: dict[str, None] = field(default_factory=dict)
    order_by: dict[Key, None] = field(default_factory=dict)
    constants: dict[str, None] = field(default_factory=dict)
    fixed: dict[Fixed, None] = field(default_factory=dict)
    computed: dict[Computed, None] = field(default_factory=dict)
    contained: dict[Contained, None] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    selected: set[str] = field(default_factory=set)
    is_limited: bool = False
    reads_all: bool = False

    def add_alternative(self, arm: Draft) -> None:
        """Take in what one arm of an OR asks for."""
        for columns in (arm.equals, arm.listed, arm.ranges, arm.prefixes, arm.nulls):
            self.alternatives |= columns
        self.alternatives |= dict.fromkeys(join.column for join in arm.joins)
        self.alternatives |= arm.alternatives
        self.columns |= arm.columns

    def use(self) -> Use:
        """What was gathered, frozen."""
        return Use(
            table=self.table,
            alias=self.relation.alias,
            equals=tuple(self.equals),
            listed=tuple(self.listed),
            ranges=tuple(self.ranges),
            prefixes=tuple(self.prefixes),
            nulls=tuple(self.nulls),
            joins=tuple(self.joins),
            alternatives=tuple(self.alternatives),
            group_by=tuple(self.group_by),
            order_by=tuple(self.order_by),
            is_limited=self.is_limited,
            constants=tuple(self.constants),
            fixed=tuple(self.fixed),
            computed=tuple(self.computed),
            contained=tuple(self.contained),
            columns=frozenset(self.columns),
            selected=frozenset(self.selected),
            reads_all=self.reads_all,
        )


@dataclass(slots=True, frozen=True)
class ColumnOf:
    """A column that was resolved."""

    draft: Draft
    name: str


class Notes:
    """The drafts by relation, the writes, and what could not be resolved."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._drafts: dict[int, Draft] = {}
        self._derived: dict[Relation, Mapping[str, ColumnOf]] = {}
        self._writes: dict[Write, None] = {}
        self._unresolved: dict[str, None] = {}
        self._parameters = 0
        self._is_output = False

    def _joined(
        self, left: ColumnOf | None, right: ColumnOf | None, served: list[Relation] | None
    ) -> None:
        for one, other in ((left, right), (right, left)):
            if one is not None:
                table = other.draft.table if other else None
                self._noted_join(one, table, other.name if other else "", served)

    def _noted_join(
        self,
        column: ColumnOf,
        other: TableName | None,
        other_column: str,
        served: list[Relation] | None,
    ) -> None:
        if served is None or column.draft.relation in served:
            column.draft.joins[Join(column.name, other, other_column)] = None

    def _note(self, column: ColumnOf, kind: str, served: list[Relation] | None) -> None:
        if served is None or column.draft.relation in served:
            getattr(column.draft, kind)[column.name] = None

    def _constant(self, column: ColumnOf, node: Any) -> None:
        if any(isinstance(one, ast.ParamRef | ast.SubLink | ast.FuncCall) for one in within(node)):
            return
        if sum(isinstance(one, ast.ColumnRef) for one in within(node)) == 1:
            written = bare_sql(node)
            column.draft.constants[written] = None
            if leaves_some(node):
                column.draft.fixed[Fixed(column.name, written)] = None

    def _expression(self, node: Any, scope: Scope) -> Draft | None:
        """The one table over whose columns alone an expression is made; None if it is none such."""
        drafts: list[Draft] = []
        for one in within(node):
            if isinstance(one, ast.ParamRef | ast.SubLink | ast.SQLValueFunction):
                return None
            if isinstance(one, ast.ColumnRef):
                column = self._column(one, scope)
                if column is None:
                    return None
                drafts.append(column.draft)
        return drafts[0] if drafts and all(one is drafts[0] for one in drafts) else None

    def _computed(
        self, node: Any, other: Any, kind: str, scope: Scope, served: list[Relation] | None
    ) -> None:
        """Take in that an expression is compared with what is known before its table is read."""
        if names_of(node) or isinstance(node, ast.A_Const | ast.RowExpr | ast.TypeCast):
            return
        draft = self._expression(node, scope)
        if draft is None or not self._is_free_of(ColumnOf(draft, ""), other, scope):
            return
        if served is None or draft.relation in served:
            draft.computed[Computed(bare_sql(node), kind)] = None

    def _contained(self, node: Any, scope: Scope, served: list[Relation] | None) -> None:
        """Take in that something is looked for within the left side's values."""
        draft = self._expression(node.lexpr, scope)
        if draft is None or not self._is_free_of(ColumnOf(draft, ""), node.rexpr, scope):
            return
        if served is None or draft.relation in served:
            names = names_of(node.lexpr)
            is_fixed = not any(isinstance(one, ast.ParamRef | ast.SubLink) for one in within(node))
            refs = sum(isinstance(one, ast.ColumnRef) for one in within(node))
            looked_for = Contained(
                column=names[-1] if names else bare_sql(node.lexpr),
                operator=node.name[-1].sval,
                sql=bare_sql(node) if is_fixed and refs == 1 else "",
                is_expression=not names,
            )
            draft.contained[looked_for] = None

    def _column(self, node: Any, scope: Scope) -> ColumnOf | None:
        """The column that an expression is; None if it is anything else, or not certain."""
        names = names_of(node)
        if not names:
            return None
        relation = scope.relation_of(names[-1], names[:-1])
        if relation is None:
            if not self._is_whole_row(names, scope):
                self._unresolved[".".join(names)] = None
            return None
        return self._column_of(relation, names[-1])

    def _is_whole_row(self, names: tuple[str, ...], scope: Scope) -> bool:
        """`to_json(a)`, where *a* is a table's alias and no column: all of its row is read."""
        relation = scope.relation_of("", names) if len(names) == 1 else None
        draft = self._drafts.get(id(relation))
        if draft is not None:
            draft.reads_all = True
        return relation is not None

    def _column_of(self, relation: Relation | None, name: str) -> ColumnOf | None:
        draft = self._drafts.get(id(relation))
        if draft is None:
            behind = self._derived[relation].get(name) if relation in self._derived else None
            # Within an arm of an OR the drafts are others.
            draft = self._drafts.get(id(behind.draft.relation)) if behind else None
            if draft is None or behind is None:
                return None
            name = behind.name
        draft.columns.add(name)
        if self._is_output:
            draft.selected.add(name)
        return ColumnOf(draft, name)

    def _is_free_of(self, column: ColumnOf, value: Any, scope: Scope) -> bool:
        """Whether a value is known before the column's table is read."""
        nodes = value if isinstance(value, tuple) else (value,)
        for one in (inner for node in nodes for inner in within(node)):
            names = names_of(one)
            if names and scope.relation_of(names[-1], names[:-1]) in (None, column.draft.relation):
                return False
        return True

    def _foreign(self, value: Any) -> str | None:
        """The first column in a value, which then belongs to something else."""
        refs = (names_of(one) for one in within(value) if not isinstance(value, ast.SubLink))
        return next((names[-1] for names in refs if names), None)
