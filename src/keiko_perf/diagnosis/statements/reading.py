"""
Reading: from a statement's text to its `Shape`.

Walks the syntax tree level by level: WITH queries, subqueries in FROM and in expressions, joins,
set operations, and the WHERE of UPDATE, DELETE and MERGE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.conditions import Conditions
from keiko_perf.diagnosis.statements.notes import ColumnOf, Draft
from keiko_perf.diagnosis.statements.outer_joins import (
    NOTHING,
    aliases,
    handed_on,
    reduced,
)
from keiko_perf.diagnosis.statements.parser import (
    NotUnderstood,
    ast,
    children,
    enums,
    is_deeper_than,
    parse,
)
from keiko_perf.diagnosis.statements.predicates import Shape, Write
from keiko_perf.diagnosis.statements.scope import Relation, Scope, Tables
from keiko_perf.diagnosis.statements.tree import (
    alias_of,
    holder,
    is_limited,
    key_of,
    names_of,
    outputs_of,
    searchable,
    targets_of,
)

Outputs = dict[str, ColumnOf]

_DEEPEST = 300
"""Nodes within nodes; Python's stack holds several times as many. A chain of operators is one."""
_PLANNABLE = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


def read(text: str, tables: Tables | None = None) -> Shape:
    """
    What a single statement does with its tables.

    Args:
        text: with literals or `$n`.
        tables: the tables that there are, by which bare names are resolved.

    Raises:
        NotUnderstood: it cannot be parsed, or is nested too deep.
    """
    statement = parse(text)
    # Asked first: where the stack is all but used up, whatever else runs there fails as well.
    if is_deeper_than(_DEEPEST, statement):
        raise NotUnderstood("it is nested too deep")
    try:
        return _Reader(tables or Tables()).shape(statement)
    except RecursionError:
        raise NotUnderstood("it is nested too deep") from None


class _Reader(Conditions):
    """Walks one statement."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._viewed: list[TableName] = []

    def shape(self, statement: Any) -> Shape:
        if isinstance(statement, _PLANNABLE):
            self._statement(statement, Scope())
        elif isinstance(statement, ast.CopyStmt) and statement.is_from and statement.relation:
            self._write(statement.relation, "insert")
        return Shape(
            uses=tuple(draft.use() for draft in self._drafts.values()),
            writes=tuple(self._writes),
            parameters=self._parameters,
            is_plannable=isinstance(statement, _PLANNABLE),
            unresolved=tuple(self._unresolved),
        )

    # Statements

    def _statement(self, node: Any, outer: Scope) -> Outputs:
        """Take in a statement; what it gives, as far as that are columns of tables."""
        scope = Scope(
            outer=outer if outer.relations or outer.outer else None,
            ctes=outer.ctes,
            outputs=outer.outputs,
        )
        self._with(node.withClause, scope)
        match node:
            case ast.SelectStmt():
                self._select(node, scope)
            case ast.InsertStmt():
                self._insert(node, scope)
            case ast.UpdateStmt():
                self._update(node, scope)
            case ast.DeleteStmt():
                self._delete(node, scope)
            case ast.MergeStmt():
                self._merge(node, scope)
        is_plain = isinstance(node, ast.SelectStmt) and node.op == enums.SetOperation.SETOP_NONE
        return self._outputs(node, scope) if is_plain else {}

    def _outputs(self, node: Any, scope: Scope) -> Outputs:
        found: Outputs = {}
        for target in node.targetList or ():
            names = names_of(target.val)
            if names:
                column = self._column(target.val, scope)
                if column is not None:
                    found[target.name or names[-1]] = column
            elif isinstance(target.val, ast.ColumnRef):
                found |= self._starred(target.val, scope)
        return found

    def _starred(self, star: Any, scope: Scope) -> Outputs:
        found: Outputs = {}
        alias = star.fields[-2].sval if len(star.fields) > 1 else None
        for relation in scope.relations:
            if alias in (None, relation.alias):
                names: Iterable[str] = relation.columns or self._derived.get(relation) or ()
                columns = ((name, self._derived_column(relation, name)) for name in names)
                found |= {name: column for name, column in columns if column is not None}
        return found

    def _derived_column(self, relation: Relation, name: str) -> ColumnOf | None:
        draft = self._drafts.get(id(relation))
        if draft is not None:
            return ColumnOf(draft, name)
        return self._derived.get(relation, {}).get(name)

    def _with(self, clause: Any, scope: Scope) -> None:
        if clause is None:
            return
        if clause.recursive:
            scope.ctes |= {cte.ctename for cte in clause.ctes}
        for cte in clause.ctes:
            outputs = self._statement(cte.ctequery, scope)
            if cte.aliascolnames:
                outputs = {}
            scope.outputs = {**scope.outputs, cte.ctename: outputs}
            scope.ctes |= {cte.ctename}

    def _select(self, node: Any, scope: Scope) -> None:
        if node.op != enums.SetOperation.SETOP_NONE:
            self._statement(node.larg, scope)
            self._statement(node.rarg, scope)
            self._look(node.limitCount, scope)
            self._look(node.limitOffset, scope)
            return
        self._from(node.fromClause, scope, node.whereClause)
        self._conditions(node.whereClause, scope)
        within_output, self._is_output = self._is_output, True
        for target in node.targetList or ():
            self._look(target, scope)
        for clause in (node.havingClause, node.valuesLists, node.windowClause):
            self._look(clause, scope)
        self._grouped(node, scope)
        self._sorted(node, scope)
        self._is_output = within_output
        for clause in (node.limitCount, node.limitOffset):
            self._look(clause, scope)

    def _insert(self, node: Any, scope: Scope) -> None:
        self._write(node.relation, "insert")
        if node.selectStmt is not None:
            self._statement(node.selectStmt, scope)
        conflict = node.onConflictClause
        if conflict is not None and conflict.targetList:
            self._write(node.relation, "update", targets_of(conflict.targetList))
        scope.relations.append(self._relation(node.relation))
        self._look(node.returningClause, scope)

    def _update(self, node: Any, scope: Scope) -> None:
        self._write(node.relation, "update", targets_of(node.targetList))
        self._from_item(node.relation, scope)
        self._from(node.fromClause, scope, node.whereClause)
        self._conditions(node.whereClause, scope)
        for target in node.targetList:
            self._look(target.val, scope)
        self._look(node.returningClause, scope)

    def _delete(self, node: Any, scope: Scope) -> None:
        self._write(node.relation, "delete")
        self._from_item(node.relation, scope)
        self._from(node.usingClause, scope, node.whereClause)
        self._conditions(node.whereClause, scope)
        self._look(node.returningClause, scope)

    def _merge(self, node: Any, scope: Scope) -> None:
        self._from_item(node.relation, scope)
        self._from_item(node.sourceRelation, scope)
        self._conditions(node.joinCondition, scope)
        kinds = {
            enums.CmdType.CMD_INSERT: "insert",
            enums.CmdType.CMD_UPDATE: "update",
            enums.CmdType.CMD_DELETE: "delete",
        }
        for when in node.mergeWhenClauses:
            if when.commandType in kinds:
                kind = kinds[when.commandType]
                columns = targets_of(when.targetList) if kind == "update" else frozenset()
                self._write(node.relation, kind, columns)
            self._look(when.condition, scope)

    def _write(self, relation: Any, kind: str, columns: frozenset[str] = frozenset()) -> None:
        table = self._relation(relation).table
        assert table is not None
        self._writes[Write(table=table, kind=kind, columns=columns)] = None

    # FROM

    def _from(self, items: Iterable[Any] | None, scope: Scope, where: Any) -> None:
        items = tuple(items or ())
        holds_outer = any(isinstance(one, ast.JoinExpr) for one in items)
        needed = self._present(where, items, scope) if holds_outer else NOTHING
        for item in items:
            self._from_item(item, scope, needed)

    def _from_item(
        self, item: Any, scope: Scope, needed: frozenset[str] = NOTHING
    ) -> list[Relation]:
        match item:
            case ast.RangeVar():
                return [self._table(item, scope)]
            case ast.JoinExpr():
                return self._join(item, scope, needed)
            case ast.RangeSubselect():
                outputs = self._statement(item.subquery, scope)
            case _:
                self._look(item, scope)
                outputs = {}
        alias = getattr(item, "alias", None)
        relation = Relation(alias.aliasname if alias else "", None)
        if not (alias and alias.colnames):
            self._derived[relation] = outputs
        scope.relations.append(relation)
        return [relation]

    def _table(self, item: Any, scope: Scope) -> Relation:
        if not item.schemaname and item.relname in scope.ctes:
            relation = Relation(alias_of(item), None)
            self._derived[relation] = scope.outputs.get(item.relname, {})
        else:
            relation = self._relation(item)
            assert relation.table is not None
            table = relation.table
            if table in self._tables.views and table not in self._viewed:
                relation = self._view(relation)
            else:
                self._drafts[id(relation)] = Draft(relation, table)
        scope.relations.append(relation)
        return relation

    def _view(self, relation: Relation) -> Relation:
        """A view, whose columns are those of the tables behind it."""
        assert relation.table is not None
        self._viewed.append(relation.table)
        outputs = self._statement(parse(self._tables.views[relation.table]), Scope())
        self._viewed.pop()
        seen = Relation(relation.alias, None)
        self._derived[seen] = outputs
        return seen

    def _join(self, item: Any, scope: Scope, needed: frozenset[str]) -> list[Relation]:
        kind = reduced(item.jointype, aliases(item.larg), aliases(item.rarg), needed)
        own = self._present(item.quals, (item,), scope)
        for_left, for_right = handed_on(kind, own, needed)
        left = self._from_item(item.larg, scope, for_left)
        right = self._from_item(item.rarg, scope, for_right)
        served = searchable(kind, left, right)
        for name in self._common(item, left, right):
            scope.merged.add(name)
            one, other = holder(left, name), holder(right, name)
            self._joined(self._column_of(one, name), self._column_of(other, name), served)
        self._conditions(item.quals, scope, served)
        return left + right

    def _common(self, item: Any, left: list[Relation], right: list[Relation]) -> list[str]:
        if item.usingClause:
            return [name.sval for name in item.usingClause]
        if not item.isNatural or any(one.columns is None for one in left + right):
            return []
        ours = {name for one in left for name in one.columns or ()}
        return [name for one in right for name in one.columns or () if name in ours]

    # GROUP BY, DISTINCT, ORDER BY

    def _grouped(self, node: Any, scope: Scope) -> None:
        distinct = [one for one in node.distinctClause or () if one is not None]
        if node.distinctClause is not None and not distinct:
            distinct = [target.val for target in node.targetList]
        outputs = outputs_of(node)
        for clause in (node.groupClause or (), distinct):
            columns = [self._key_column(one, outputs, scope, prefers_input=True) for one in clause]
            drafts = {id(one.draft) for one in columns if one}
            if columns and all(columns) and len(drafts) == 1:
                for column in columns:
                    assert column is not None
                    column.draft.group_by[column.name] = None

    def _sorted(self, node: Any, scope: Scope) -> None:
        outputs = outputs_of(node)
        keys = [
            (self._key_column(one.node, outputs, scope, prefers_input=False), one)
            for one in node.sortClause or ()
        ]
        keys += [(column, order) for column, order in self._extremes(node, scope)]
        if not keys or keys[0][0] is None:
            return
        draft = keys[0][0].draft
        mine = takewhile(lambda key: key[0] is not None and key[0].draft is draft, keys)
        for column, order in mine:
            assert column is not None
            draft.order_by[key_of(column.name, order)] = None
        draft.is_limited = is_limited(node) or not node.sortClause

    def _extremes(self, node: Any, scope: Scope) -> Iterator[tuple[ColumnOf | None, Any]]:
        """`SELECT max(x)` alone is answered by the last entry of an index."""
        if node.sortClause or node.groupClause or len(node.targetList or ()) != 1:
            return
        call = node.targetList[0].val
        is_call = isinstance(call, ast.FuncCall) and call.args and len(call.args) == 1
        if is_call and call.funcname[-1].sval in ("min", "max"):
            yield self._column(call.args[0], scope), ast.SortBy()

    def _key_column(
        self, node: Any, outputs: dict[str, Any], scope: Scope, *, prefers_input: bool
    ) -> ColumnOf | None:
        """The column behind a key, which may be an output's name or its number."""
        if isinstance(node, ast.A_Const) and isinstance(node.val, ast.Integer):
            node = outputs.get(str(node.val.ival), node)
        names = names_of(node)
        if len(names) == 1 and names[0] in outputs:
            column = self._column(node, scope) if prefers_input else None
            return column or self._column(outputs[names[0]], scope)
        return self._column(node, scope)

    def _look(self, node: Any, scope: Scope) -> None:
        """Take in the columns, parameters and subqueries anywhere within a node."""
        if isinstance(node, tuple):
            for one in node:
                self._look(one, scope)
            return
        match node:
            case ast.SelectStmt():
                self._statement(node, scope)
                return
            case ast.ParamRef():
                self._parameters = max(self._parameters, node.number or 0)
            case ast.ColumnRef():
                self._star(node, scope)
                self._column(node, scope)
            case ast.Node():
                pass
            case _:
                return
        for one in children(node):
            self._look(one, scope)

    def _star(self, node: Any, scope: Scope) -> None:
        if not isinstance(node.fields[-1], ast.A_Star):
            return
        alias = node.fields[-2].sval if len(node.fields) > 1 else None
        for relation in scope.relations:
            draft = self._drafts.get(id(relation))
            if draft is not None and alias in (None, relation.alias):
                draft.reads_all = True
