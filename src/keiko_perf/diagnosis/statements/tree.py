"""
Tree: small questions to a statement's syntax tree, each with a plain answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from keiko_perf.diagnosis.schema import Key
from keiko_perf.diagnosis.statements.parser import ast, children, enums, sql
from keiko_perf.diagnosis.statements.scope import Relation


def alias_of(item: Any) -> str:
    return str(item.alias.aliasname if item.alias else item.relname)


def names_of(node: Any) -> tuple[str, ...]:
    """The parts of a column's name; nothing if the node is no column."""
    if not isinstance(node, ast.ColumnRef):
        return ()
    parts = node.fields
    return () if isinstance(parts[-1], ast.A_Star) else tuple(part.sval for part in parts)


def within(node: Any) -> Iterator[Any]:
    """The node and all within it, but nothing of a subquery."""
    if isinstance(node, ast.Node):
        yield node
        for one in children(node):
            if not isinstance(one, ast.SelectStmt):
                yield from within(one)


def bare_sql(node: Any) -> str:
    """A node as SQL whose columns are named without their table."""
    refs = [one for one in within(node) if isinstance(one, ast.ColumnRef)]
    written = [one.fields for one in refs]
    try:
        for one in refs:
            one.fields = one.fields[-1:]
        return sql(node)
    finally:
        for one, fields in zip(refs, written, strict=True):
            one.fields = fields


def leaves_some(term: Any) -> bool:
    """Whether a term is of a kind that many statements share: a state, a flag, a NULL."""
    if not isinstance(term, ast.A_Expr):
        return True
    kinds = enums.A_Expr_Kind
    operator = term.name[-1].sval
    return (term.kind == kinds.AEXPR_OP and operator in ("=", "<>")) or (
        term.kind == kinds.AEXPR_IN and operator in ("=", "<>")
    )


def terms(node: Any) -> Iterator[Any]:
    """What a condition joins by AND."""
    if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.AND_EXPR:
        for one in node.args:
            yield from terms(one)
    elif node is not None:
        yield node


def searchable(jointype: Any, left: list[Relation], right: list[Relation]) -> list[Relation] | None:
    """The relations whose rows an ON condition may leave out before the join."""
    match jointype:
        case enums.JoinType.JOIN_LEFT:
            return right
        case enums.JoinType.JOIN_RIGHT:
            return left
        case enums.JoinType.JOIN_FULL:
            return []
        case _:
            return None


def holder(relations: list[Relation], column: str) -> Relation | None:
    """The one relation that has, or else can only have, a column."""
    sure = [one for one in relations if one.columns and column in one.columns]
    possible = sure or [one for one in relations if one.may_have(column)]
    return possible[0] if len(possible) == 1 else None


def fixes_the_start(pattern: Any) -> bool:
    """Whether a LIKE's pattern is a literal that does not begin with a wildcard."""
    if not isinstance(pattern, ast.A_Const) or not isinstance(pattern.val, ast.String):
        return False
    return pattern.val.sval[:1] not in ("", "%", "_")


def targets_of(targets: Iterable[Any]) -> frozenset[str]:
    return frozenset(target.name for target in targets)


def outputs_of(node: Any) -> dict[str, Any]:
    """What a SELECT gives, by number and by name."""
    found: dict[str, Any] = {}
    for number, target in enumerate(node.targetList or (), start=1):
        found[str(number)] = target.val
        if target.name:
            found.setdefault(target.name, target.val)
    return found


def is_limited(node: Any) -> bool:
    count = node.limitCount
    return count is not None and not (isinstance(count, ast.A_Const) and count.isnull)


def key_of(column: str, order: Any) -> Key:
    nulls = {
        enums.SortByNulls.SORTBY_NULLS_FIRST: True,
        enums.SortByNulls.SORTBY_NULLS_LAST: False,
    }.get(order.sortby_nulls)
    descending = order.sortby_dir == enums.SortByDir.SORTBY_DESC
    return Key(column, descending, None if nulls is descending else nulls)
