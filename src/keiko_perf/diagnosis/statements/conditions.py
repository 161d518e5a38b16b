"""
Conditions: what the terms of a WHERE or an ON ask of a table's columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from keiko_perf.diagnosis.statements.notes import ColumnOf, Draft, Notes
from keiko_perf.diagnosis.statements.outer_joins import alias_in_from, leaves, present
from keiko_perf.diagnosis.statements.parser import ast, enums
from keiko_perf.diagnosis.statements.scope import Relation, Scope
from keiko_perf.diagnosis.statements.tree import alias_of, fixes_the_start, names_of, terms

_COMPARISONS = frozenset({"=", "<", "<=", ">", ">="})
_CONTAINING = frozenset({"@>", "&&", "?", "?|", "?&", "@?", "@@", "~", "~*"})
_LIKE = frozenset({"~~", "~~*"})
_OP = enums.A_Expr_Kind.AEXPR_OP
_LIKES = (enums.A_Expr_Kind.AEXPR_LIKE, enums.A_Expr_Kind.AEXPR_ILIKE)
_KINDS = {
    enums.A_Expr_Kind.AEXPR_IN: "listed",
    enums.A_Expr_Kind.AEXPR_OP_ANY: "listed",
    enums.A_Expr_Kind.AEXPR_BETWEEN: "ranges",
}


class Conditions(Notes, ABC):
    """Takes in conditions; what is within them is the reader's business."""

    @abstractmethod
    def _statement(self, node: Any, outer: Scope) -> Any:
        """Take in a subquery."""

    @abstractmethod
    def _look(self, node: Any, scope: Scope) -> None:
        """Take in the columns, parameters and subqueries anywhere within a node."""

    def _relation(self, item: Any) -> Relation:
        return self._tables.relation(item.schemaname or "", item.relname, alias=alias_of(item))

    def _present(self, condition: Any, items: tuple[Any, ...], scope: Scope) -> frozenset[str]:
        """The aliases of *items* that have a row wherever *condition* is true."""
        there = Scope(relations=[self._named(one, scope) for item in items for one in leaves(item)])

        def alias_of_column(node: Any) -> str | None:
            names = names_of(node)
            relation = there.relation_of(names[-1], names[:-1])
            return relation.alias if relation else None

        return present(condition, alias_of_column)

    def _named(self, item: Any, scope: Scope) -> Relation:
        """An item of a FROM as far as a column's name is looked up in it."""
        if isinstance(item, ast.RangeVar) and (item.schemaname or item.relname not in scope.ctes):
            return self._relation(item)
        return Relation(alias_in_from(item), None)

    def _conditions(self, node: Any, scope: Scope, served: list[Relation] | None = None) -> None:
        """What must all be true. Only the *served* relations can be searched by it."""
        for term in terms(node):
            if not self._condition(term, scope, served):
                self._look(term, scope)

    def _condition(self, node: Any, scope: Scope, served: list[Relation] | None) -> bool:
        """Take in one term; False if it is none that a B-tree serves."""
        match node:
            case ast.A_Expr():
                return self._comparison(node, scope, served)
            case ast.BoolExpr(boolop=enums.BoolExprType.OR_EXPR):
                self._either(node, scope, served)
                return True
            case ast.SubLink(subLinkType=enums.SubLinkType.ANY_SUBLINK):
                return self._in_subquery(node, scope, served)
            case _:
                return self._state(node, scope, served)

    def _comparison(self, node: Any, scope: Scope, served: list[Relation] | None) -> bool:
        operator = node.name[-1].sval if len(node.name) == 1 else ""
        if node.kind == _OP and operator in _COMPARISONS:
            return self._ordered(node, operator, scope, served)
        if operator in (_CONTAINING if node.kind == _OP else _LIKE if node.kind in _LIKES else ()):
            self._contained(node, scope, served)
        column, kind = self._column(node.lexpr, scope), _KINDS.get(node.kind)
        if column is None:
            if kind and operator != "<>":
                self._computed(node.lexpr, node.rexpr, kind, scope, served)
            return False
        if not self._is_free_of(column, node.rexpr, scope):
            return False
        if operator == "<>" and node.kind in (_OP, enums.A_Expr_Kind.AEXPR_IN):
            self._constant(column, node)
            return False
        searched = _searched(node, operator)
        if searched is None:
            return False
        self._note(column, searched, served)
        self._look(node.rexpr, scope)
        self._constant(column, node)
        return True

    def _ordered(
        self, node: Any, operator: str, scope: Scope, served: list[Relation] | None
    ) -> bool:
        if isinstance(node.lexpr, ast.RowExpr) and isinstance(node.rexpr, ast.RowExpr):
            return self._rows(node, operator, scope, served)
        left, right = self._column(node.lexpr, scope), self._column(node.rexpr, scope)
        if left and right:
            if operator != "=" or left.draft is right.draft:
                return False
            self._joined(left, right, served)
            return True
        column, value = (left, node.rexpr) if left else (right, node.lexpr)
        if column is None:
            kind = "equals" if operator == "=" else "ranges"
            self._computed(node.lexpr, node.rexpr, kind, scope, served)
            self._computed(node.rexpr, node.lexpr, kind, scope, served)
            return False
        if not self._is_free_of(column, value, scope):
            return False
        other = self._foreign(value)
        if other is not None and operator == "=":
            self._noted_join(column, None, other, served)
        else:
            self._note(column, "equals" if operator == "=" else "ranges", served)
        self._look(value, scope)
        self._constant(column, node)
        return True

    def _rows(self, node: Any, operator: str, scope: Scope, served: list[Relation] | None) -> bool:
        """`(a, b) = ($1, $2)` searches by both, `(a, b) < ($1, $2)` by the first."""
        pairs = zip(node.lexpr.args, node.rexpr.args, strict=False)
        columns = [(self._column(left, scope), right) for left, right in pairs]
        if any(c is None or not self._is_free_of(c, value, scope) for c, value in columns):
            return False
        for column, value in columns if operator == "=" else columns[:1]:
            assert column is not None
            self._note(column, "equals" if operator == "=" else "ranges", served)
            self._look(value, scope)
        return True

    def _state(self, node: Any, scope: Scope, served: list[Relation] | None) -> bool:
        """IS NULL, IS NOT NULL, and a boolean column by itself."""
        match node:
            case ast.NullTest():
                column = self._column(node.arg, scope)
                is_null = node.nulltesttype == enums.NullTestType.IS_NULL
                kind = "nulls" if is_null else ""
            case ast.BooleanTest():
                column = self._column(node.arg, scope)
                plain = (enums.BoolTestType.IS_TRUE, enums.BoolTestType.IS_FALSE)
                kind = "equals" if node.booltesttype in plain else ""
            case ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR):
                column, kind = self._column(node.args[0], scope), "equals"
            case _:
                column, kind = self._column(node, scope), "equals"
        if column is None:
            return False
        if kind:
            self._note(column, kind, served)
        self._constant(column, node)
        return True

    def _either(self, node: Any, scope: Scope, served: list[Relation] | None) -> None:
        """Each arm of an OR is searched for itself."""
        for arm in node.args:
            drafts = self._drafts
            self._drafts = {key: Draft(one.relation, one.table) for key, one in drafts.items()}
            self._conditions(arm, scope, served)
            found, self._drafts = self._drafts, drafts
            for key, draft in found.items():
                if key in drafts:
                    drafts[key].add_alternative(draft)
                else:  # of a subquery within the arm
                    drafts[key] = draft

    def _in_subquery(self, node: Any, scope: Scope, served: list[Relation] | None) -> bool:
        """`x IN (SELECT y …)` is a join of x with y."""
        if node.operName and node.operName[-1].sval != "=":
            return False
        column = self._column(node.testexpr, scope)
        if column is None:
            return False
        before = set(self._drafts)
        self._statement(node.subselect, scope)
        new = [draft for key, draft in self._drafts.items() if key not in before]
        inner = _output_column(node.subselect, new)
        if inner is None:
            self._noted_join(column, None, "", served)
        else:
            self._joined(column, inner, None if served is None else [*served, inner.draft.relation])
        return True


def _searched(node: Any, operator: str) -> str | None:
    """How a B-tree is searched for a column that is compared by no order; None if it is not."""
    if node.kind == enums.A_Expr_Kind.AEXPR_LIKE:
        return "prefixes" if operator == "~~" and fixes_the_start(node.rexpr) else None
    kind = _KINDS.get(node.kind)
    return kind if kind != "listed" or operator == "=" else None


def _output_column(subquery: Any, drafts: list[Draft]) -> ColumnOf | None:
    """The column that a subquery with a single one gives, if it is certain whose it is."""
    targets = list(subquery.targetList or ())
    names = names_of(targets[0].val if len(targets) == 1 else None)
    name = names[-1] if names else ""
    holders = [draft for draft in drafts if name in draft.columns]
    return ColumnOf(holders[0], name) if len(holders) == 1 else None
