"""
PostgreSQL's own parser, at the one place where it is imported.

It takes the text that pg_stat_statements hands out, `$1` and all, even where the server itself
would refuse it (`interval $1`); `written_out` writes such a statement so that the server takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keiko_perf.errors import MissingExtra

try:
    import pglast
    from pglast.keywords import (
        COL_NAME_KEYWORDS,
        RESERVED_KEYWORDS,
        TYPE_FUNC_NAME_KEYWORDS,
    )
    from pglast.parser import ParseError, scan
    from pglast.stream import RawStream
except ImportError as missing:  # pragma: no cover - needs an environment without the extra
    raise MissingExtra("pglast", extra="postgres", purpose="reading SQL statements") from missing

__all__ = [
    "NotUnderstood",
    "SeveralStatements",
    "ast",
    "children",
    "enums",
    "parse",
    "quoted",
    "sql",
    "written_out",
]

# Its nodes' slots are declared as they are in C, where each may be NULL: not as they come.
ast: Any = pglast.ast
enums: Any = pglast.enums

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_DEEPEST = 5_000
"""Chained operators, at most: the tree is as deep, and the parser's C recurses until it crashes."""
_CHAINING = re.compile(
    r"[-+*/<>=~!@#%^&|`?.\[(:]|\b(?:union|intersect|except|join|not|case)\b", re.I
)
_OPENING, _CLOSING = {"ASCII_40", "ASCII_91", "CASE"}, {"ASCII_41", "ASCII_93", "END_P"}
_PARTING = {"ASCII_44", "ASCII_59", "AND", "OR", "WHEN", "THEN", "ELSE"}
"""Commas, and what PostgreSQL makes a list of: what stands behind them is beside, not within."""
_NESTING = {"UNION", "INTERSECT", "EXCEPT", "JOIN"}
"""What holds all before it of its kind, whatever commas are between."""
_OPERATING = {
    *(f"ASCII_{ord(one)}" for one in "-+*/<>=%^"),
    *("Op", "TYPECAST", "LESS_EQUALS", "GREATER_EQUALS", "NOT_EQUALS", "OPERATOR"),
    *("NOT", "NOT_LA", "IS", "ISNULL", "NOTNULL", "COLLATE", "AT"),
}
_KEYWORDS = RESERVED_KEYWORDS | COL_NAME_KEYWORDS | TYPE_FUNC_NAME_KEYWORDS


class NotUnderstood(ValueError):
    """A text that is no single SQL statement; its argument says why, in the parser's words."""


class SeveralStatements(NotUnderstood):
    """
    More than one statement, each of which can be parsed.

    Attributes:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} statements where one is expected")
        self.count = count


def parse(text: str) -> Any:
    """
    The syntax tree of a single statement.

    Raises:
        NotUnderstood: it cannot be parsed, is none or more than one, or too deep to be looked into.
    """
    if "\0" in text:
        raise NotUnderstood("it holds a zero byte")
    try:
        if _is_too_deep(text):
            raise NotUnderstood("it is nested too deep")
        statements = pglast.parse_sql(text)
    except (ParseError, ValueError, RecursionError) as error:
        raise NotUnderstood(str(error.args[0] if error.args else error)) from None
    if len(statements) > 1:
        raise SeveralStatements(len(statements))
    if not statements:
        raise NotUnderstood("0 statements where one is expected")
    return statements[0].stmt


def _is_too_deep(text: str) -> bool:
    if len(_CHAINING.findall(text)) <= _DEEPEST:
        return False
    # It is long. Most of it may stand side by side, as the values of an IN do.
    depth, chained = 0, 0
    around: list[tuple[int, int]] = []
    for token in scan(text):
        if token.name in _OPENING:
            around.append((depth, chained))
            depth, chained = depth + chained + 1, 0
        elif token.name in _CLOSING and around:
            depth, chained = around.pop()
        elif token.name in _PARTING:
            chained = 0
        elif token.name in _NESTING:
            depth += 1
        elif token.name in _OPERATING:
            chained += 1
        if depth + chained > _DEEPEST:
            return True
    return False


def sql(node: Any) -> str:
    """A syntax tree as SQL, on one line."""
    written: str = RawStream()(node)
    return written


def written_out(text: str) -> str:
    """
    A statement as the parser understood it: `interval $1` becomes `CAST($1 AS interval)`.

    Raises:
        NotUnderstood: it cannot be parsed.
    """
    return sql(parse(text))


def children(node: Any) -> Iterator[Any]:
    """The nodes directly within a node."""
    for slot in node:
        yield from _nodes(getattr(node, slot))


def _nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _nodes(one)


def is_deeper_than(levels: int, root: Any) -> bool:
    """Whether nodes of a parse tree stand in more than so many others; it needs no deep stack."""
    here = [root]
    for _ in range(levels):
        here = [child for one in here for child in children(one)]
        if not here:
            return False
    return True


def walk(root: Any) -> Iterator[Any]:
    """All nodes of a parse tree."""
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            waiting.extend(one)
        elif isinstance(one, ast.Node):
            yield one
            waiting.extend(getattr(one, name) for name in one)


def literal(text: str) -> str:
    """A text as it is written in SQL, whatever `standard_conforming_strings` is."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def quoted(identifier: str) -> str:
    """An identifier as it is written in SQL: in quotes only if it needs them."""
    if _PLAIN.fullmatch(identifier) and identifier not in _KEYWORDS:
        return identifier
    return '"' + identifier.replace('"', '""') + '"'
