"""
Outer joins: which of them the planner makes inner ones, as the rows with NULLs are left out again.

`a LEFT JOIN b ON … WHERE b.x = $1` gives no row without a *b*, so *a* is searched by the ON as well
as *b* is. PostgreSQL tells it by conditions that are never true of a NULL. Here that are those in
which a column is compared as it is, computed with or cast: what a function makes of a NULL is its
own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

from keiko_perf.diagnosis.statements.parser import ast, enums
from keiko_perf.diagnosis.statements.tree import alias_of, names_of

AliasOf = Callable[[Any], str | None]
"""The alias whose column a reference is; None if that is not certain."""

NOTHING: frozenset[str] = frozenset()
_COMPARED = frozenset({"=", "<", "<=", ">", ">=", "<>", "~~", "~~*", "!~~", "!~~*", "~", "~*"})
_KINDS = frozenset(
    {
        enums.A_Expr_Kind.AEXPR_OP,
        enums.A_Expr_Kind.AEXPR_IN,
        enums.A_Expr_Kind.AEXPR_OP_ANY,
        enums.A_Expr_Kind.AEXPR_LIKE,
        enums.A_Expr_Kind.AEXPR_ILIKE,
        enums.A_Expr_Kind.AEXPR_BETWEEN,
    }
)
_NEVER_OF_NULL = frozenset({enums.BoolTestType.IS_TRUE, enums.BoolTestType.IS_FALSE})
_LEFT, _RIGHT = enums.JoinType.JOIN_LEFT, enums.JoinType.JOIN_RIGHT
_FULL, _INNER = enums.JoinType.JOIN_FULL, enums.JoinType.JOIN_INNER


def present(condition: Any, alias_of_column: AliasOf) -> frozenset[str]:
    """The aliases that have a row, and no NULLs in its place, wherever *condition* is true."""
    match condition:
        case ast.BoolExpr(boolop=enums.BoolExprType.AND_EXPR):
            return NOTHING.union(*(present(one, alias_of_column) for one in condition.args))
        case ast.BoolExpr(boolop=enums.BoolExprType.OR_EXPR):
            arms = [present(one, alias_of_column) for one in condition.args]
            return reduce(frozenset.intersection, arms)
        case ast.BoolExpr():  # NOT
            return _computed_from(condition.args[0], alias_of_column)
        case ast.A_Expr():
            return _compared(condition, alias_of_column)
        case ast.SubLink(subLinkType=enums.SubLinkType.ANY_SUBLINK):
            return _computed_from(condition.testexpr, alias_of_column)
        case ast.NullTest(nulltesttype=enums.NullTestType.IS_NOT_NULL):
            return _computed_from(condition.arg, alias_of_column)
        case ast.BooleanTest() if condition.booltesttype in _NEVER_OF_NULL:
            return _computed_from(condition.arg, alias_of_column)
        case _:
            return _computed_from(condition, alias_of_column)


def reduced(kind: Any, left: frozenset[str], right: frozenset[str], needed: frozenset[str]) -> Any:
    """What a join of *kind* between these aliases is, where the *needed* ones have a row."""
    if kind == _LEFT:
        return _INNER if needed & right else kind
    if kind == _RIGHT:
        return _INNER if needed & left else kind
    if kind == _FULL and needed & left:
        return _INNER if needed & right else _LEFT
    return _RIGHT if kind == _FULL and needed & right else kind


def handed_on(
    kind: Any, own: frozenset[str], needed: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """
    What the left and the right side of a join of *kind* need, by its *own* ON and from above.

    The side that is kept whole is not told of by the ON; of the other one only rows that the ON is
    true of matter.
    """
    if kind == _INNER:
        return own | needed, own | needed
    if kind == _LEFT:
        return needed, own
    return (own, needed) if kind == _RIGHT else (NOTHING, NOTHING)


def leaves(item: Any) -> Iterator[Any]:
    """What an item of a FROM joins, one by one."""
    if isinstance(item, ast.JoinExpr):
        yield from leaves(item.larg)
        yield from leaves(item.rarg)
    else:
        yield item


def aliases(item: Any) -> frozenset[str]:
    """The names of all its leaves."""
    return frozenset(alias_in_from(one) for one in leaves(item))


def alias_in_from(item: Any) -> str:
    """The name under which a leaf of a FROM is spoken of; empty if it has none."""
    if isinstance(item, ast.RangeVar):
        return alias_of(item)
    alias = getattr(item, "alias", None)
    return str(alias.aliasname) if alias else ""


def _compared(node: Any, alias_of_column: AliasOf) -> frozenset[str]:
    operator = node.name[-1].sval if len(node.name) == 1 else ""
    if node.kind not in _KINDS or (
        operator not in _COMPARED and node.kind != enums.A_Expr_Kind.AEXPR_BETWEEN
    ):
        return NOTHING
    found = _computed_from(node.lexpr, alias_of_column)
    # A list that has something of another table in it may still hold the value that is looked for.
    if node.kind in (enums.A_Expr_Kind.AEXPR_OP, enums.A_Expr_Kind.AEXPR_LIKE):
        found |= _computed_from(node.rexpr, alias_of_column)
    return found


def _computed_from(node: Any, alias_of_column: AliasOf) -> frozenset[str]:
    """The aliases without whose row an expression is NULL."""
    match node:
        case ast.ColumnRef() if names_of(node):
            alias = alias_of_column(node)
            return frozenset({alias}) if alias else NOTHING
        case ast.TypeCast():
            return _computed_from(node.arg, alias_of_column)
        case ast.A_Expr(kind=enums.A_Expr_Kind.AEXPR_OP) if node.name[-1].sval in _STRICT:
            return _computed_from(node.lexpr, alias_of_column) | _computed_from(
                node.rexpr, alias_of_column
            )
        case _:
            return NOTHING


_STRICT = _COMPARED | {"+", "-", "*", "/", "%", "||", "->", "->>", "#>", "#>>"}
"""Operators that make NULL of a NULL; those of text, numbers, times and JSON do."""
