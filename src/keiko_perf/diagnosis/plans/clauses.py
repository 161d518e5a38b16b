"""
What a plan's conditions are made of: which of them an index on the column could serve, and why not.

PostgreSQL's own parser reads what EXPLAIN wrote, once the signs that are no SQL (`(hashed SubPlan
1)`) stand as names. What it cannot read is passed over: nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from keiko_perf.diagnosis.statements.parser import (
    NotUnderstood,
    ast,
    enums,
    parse,
    quoted,
    sql,
    walk,
)
from keiko_perf.diagnosis.statements.tree import names_of, terms

MOST_CHARACTERS = 20_000
"""A longer condition is passed over."""

_SUBPLAN = re.compile(
    r"EXISTS\(SubPlan \d+\)|\(?\b(?:alternatives: )?(?:hashed )?SubPlan \d+"
    r"(?: or hashed SubPlan \d+)?\)?(?:\.col\d+)?"
)
_ANY_OF_SUBPLAN = re.compile(r"\b(?:ANY|ALL) \((?=\(*[^()]* = \(*(?:hashed |rescan )?SubPlan)")
_INITPLAN = re.compile(r"\(InitPlan \d+\)\.col\d+")
_SUBPLAN_NAME = "keiko_subplan"
_QUALIFIED = re.compile(
    r"""('(?:[^']|'')*')|(?<![\w."])(%s)\.(%s)(?![\w(.])""" % ((r'[a-z_]\w*|"(?:[^"]|"")+"',) * 2)
)
_TEXT_TYPES = ("text", "varchar", "bpchar", "name", "citext")
_NO_TEXT = re.compile(
    r"-?\d+(?:\.\d+)?|\d{4}-\d\d-\d\d.*|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|true|false",
    re.IGNORECASE,
)
_COMPARISONS = ("=", "<", ">", "<=", ">=")
_SEARCHES = ("@@", "@>", "<@", "&&", "?", "?|", "?&", "@?")
"""What an index of another kind than a B-tree serves, also of an expression."""
_PATTERNS = ("~~", "~~*", "~", "~*")


class Reason(Enum):
    """Why an index on the column cannot serve a clause; PLAIN is one that it can."""

    PLAIN = "plain"
    FUNCTION = "function"
    CALL = "call"
    CAST = "cast"
    PATTERN = "pattern"
    OR_ACROSS = "or"
    SUBPLAN = "subplan"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Clause:
    """
    One of the conditions that AND joins.

    Attributes:
        text: as SQL.
        reason: whether an index on its column could serve it, and what keeps it from that.
        column: the column that it is about; None where it is about several, or none.
        is_certain: False if it may as well be PLAIN: EXPLAIN does not tell.
    """

    text: str
    reason: Reason
    column: str | None = None
    is_certain: bool = True


@lru_cache(maxsize=1024)
def clauses(condition: str, alias: str | None = None) -> tuple[Clause, ...]:
    """
    The clauses of a condition as EXPLAIN writes it; empty if it cannot be read.

    Args:
        alias: of the table that is read: other tables' columns are values to it.
    """
    if len(condition) > MOST_CHARACTERS:
        return ()
    written = _ANY_OF_SUBPLAN.sub("keiko_any(", condition)
    written = _INITPLAN.sub("$1", _SUBPLAN.sub(f" {_SUBPLAN_NAME} ", written))
    if alias is not None:
        written = _QUALIFIED.sub(lambda found: _own_name(found, alias), written)
    try:
        statement = parse(f"SELECT 1 WHERE {written}")
    except (NotUnderstood, UnicodeError):
        return ()
    return tuple(_clause(one) for one in terms(statement.whereClause))


def _own_name(found: re.Match[str], alias: str) -> str:
    literal, table, column = found.groups()
    if literal is not None:
        return str(literal)
    is_own = table in (alias, quoted(alias))
    return str(column) if is_own else "$1"


def without_aliases(condition: str) -> str:
    """A condition as it reads for each partition of a table alike."""
    return re.sub(r'(?:"(?:[^"]|"")+"|\b[a-z_]\w*)\.(?=["a-z_])', "", condition)


def _clause(node: Any) -> Clause:
    text = sql(node)
    if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.OR_EXPR:
        return Clause(text, Reason.OR_ACROSS) if _spans_tables(node) else _of_arms(node, text)
    if isinstance(node, ast.ColumnRef) and not _is_mark(node):  # a boolean column
        return Clause(text, Reason.PLAIN, names_of(node)[-1] if names_of(node) else None)
    if isinstance(node, ast.BoolExpr) and isinstance(node.args[0], ast.ColumnRef):
        return _clause(node.args[0])  # NOT of a boolean column
    if isinstance(node, ast.A_Expr):
        return _comparison(node, text)
    called = node.args[0] if _is_not(node) else node
    if isinstance(called, ast.FuncCall) and _columns(called) and not _may_use_an_index(called):
        return Clause(text, Reason.CALL, _only(called))
    if isinstance(node, ast.NullTest) and isinstance(node.arg, ast.ColumnRef):
        return Clause(text, Reason.PLAIN, names_of(node.arg)[-1])
    return Clause(text, Reason.SUBPLAN if _has_subplan(node) else Reason.OTHER)


def _is_not(node: Any) -> bool:
    return isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR


def _may_use_an_index(call: Any) -> bool:
    """Whether the planner may know how an index answers it, as of PostGIS' and of `starts_with`."""
    name = str(call.funcname[-1].sval)
    return _has_subplan(call) or name.startswith(("st_", "starts_with"))


def _of_arms(node: Any, text: str) -> Clause:
    """An OR of one table, which indexes serve if they serve each arm of it."""
    arms = [_clause(conjunct) for arm in node.args for conjunct in terms(arm)]
    kept_off = (Reason.FUNCTION, Reason.CAST, Reason.PATTERN)
    blocked = next((one for one in arms if one.reason in kept_off), None)
    if blocked is None or any(len([*terms(arm)]) > 1 for arm in node.args):
        return Clause(text, Reason.OTHER)
    return Clause(text, blocked.reason, blocked.column, blocked.is_certain)


def _comparison(node: Any, text: str) -> Clause:
    operator = str(node.name[-1].sval)
    side, value = node.lexpr, node.rexpr
    if side is None or value is None:
        return Clause(text, Reason.OTHER)
    if not _columns(side) and operator in _COMPARISONS:
        side, value = value, side
    if _has_subplan(node):
        return Clause(text, Reason.SUBPLAN)
    # `a.x = b.y` compares plain columns, and `lower(a.x) = b.y` a plain one with another.
    if _columns(value) and (_stripped(value) is not None or not _columns(side)):
        return Clause(text, Reason.OTHER if _stripped(side) is None else Reason.PLAIN, None)
    if operator in _PATTERNS:
        return _pattern(side, value, operator, text)
    if operator in _SEARCHES and _columns(side) and _stripped(side) is None:
        return Clause(text, Reason.FUNCTION, _only(side))
    if operator not in _COMPARISONS:
        is_plain = _stripped(side) is not None and operator != "<>"
        return Clause(text, Reason.PLAIN if is_plain else Reason.OTHER)
    return _of_side(side, value, text)


def _pattern(side: Any, value: Any, operator: str, text: str) -> Clause:
    pattern = _constant(value)
    column = _stripped(side)
    if column is None:
        return Clause(text, Reason.FUNCTION if _columns(side) else Reason.OTHER, _only(side))
    if pattern is None:
        return Clause(text, Reason.OTHER, column)
    if isinstance(side, ast.TypeCast) and re.fullmatch(r"-?\d[\d%_-]*", pattern):
        return Clause(text, Reason.CAST, column, is_certain=False)  # the digits of a number
    is_open = any(_is_open(one, operator) for one in _elements(value) or [pattern])
    return Clause(text, Reason.PATTERN if is_open else Reason.PLAIN, column)


def _is_open(pattern: str, operator: str) -> bool:
    """Whether what it matches may begin with anything."""
    return pattern[:1] in ("%", "_") if operator.startswith("~~") else pattern[:1] != "^"


def _of_side(side: Any, value: Any, text: str) -> Clause:
    if not _columns(side):
        return Clause(text, Reason.OTHER)
    if isinstance(side, ast.ColumnRef):
        return Clause(text, Reason.PLAIN, names_of(side)[-1])
    if isinstance(side, ast.TypeCast) and isinstance(_uncast(side), ast.ColumnRef):
        return Clause(text, _of_cast(side, value), _only(side), _type_of(side) not in _TEXT_TYPES)
    return Clause(text, Reason.FUNCTION, _only(side))


def _of_cast(side: Any, value: Any) -> Reason:
    """
    A text column stands with a cast even where none was written (varchar is compared as text).
    It tells of another column's type only if the value is none that a text would have.
    """
    kind = _type_of(side)
    if kind not in _TEXT_TYPES:
        return Reason.CAST
    constants = _elements(value) or [one for one in (_constant(value),) if one is not None]
    looks_otherwise = constants and all(_NO_TEXT.fullmatch(one) for one in constants)
    return Reason.CAST if looks_otherwise else Reason.PLAIN


def _uncast(node: Any) -> Any:
    while isinstance(node, ast.TypeCast | ast.CollateClause):
        node = node.arg
    return node


def _stripped(node: Any) -> str | None:
    """The column, if it is one, or one with a cast to text around it."""
    inner = _uncast(node)
    if not isinstance(inner, ast.ColumnRef) or not names_of(inner):
        return None
    if isinstance(node, ast.TypeCast) and _type_of(node) not in _TEXT_TYPES:
        return None
    return names_of(inner)[-1]


def _type_of(cast: Any) -> str:
    return str(cast.typeName.names[-1].sval)


def _constant(node: Any) -> str | None:
    inner = _uncast(node)
    if not isinstance(inner, ast.A_Const) or inner.isnull:
        return None
    value = inner.val
    for name in ("sval", "fval", "ival", "boolval"):
        if hasattr(value, name):
            return str(getattr(value, name))
    return None


def _elements(node: Any) -> list[str]:
    """What is in `'{1,2}'::text[]`."""
    array = _constant(node)
    if array is None or not array.startswith("{"):
        return []
    return [one.strip('"') for one in array[1:-1].split(",")]


def _columns(node: Any) -> list[tuple[str, ...]]:
    return [names_of(one) for one in walk(node) if names_of(one) and not _is_mark(one)]


def _only(node: Any) -> str | None:
    names = {names[-1] for names in _columns(node)}
    return names.pop() if len(names) == 1 else None


def _has_subplan(node: Any) -> bool:
    return any(_is_mark(one) for one in walk(node))


def _is_mark(node: Any) -> bool:
    return isinstance(node, ast.ColumnRef) and names_of(node) == (_SUBPLAN_NAME,)


def _spans_tables(node: Any) -> bool:
    """Whether no table alone can tell which rows an OR lets through."""
    return len(set().union(*(_tables(arm) for arm in node.args))) > 1


def _tables(node: Any) -> set[str]:
    """The tables that an arm is about; a subquery is one more."""
    tables = {names[0] if len(names) > 1 else "" for names in _columns(node)}
    return {_SUBPLAN_NAME} if _has_subplan(node) else tables
