"""
What may be executed: only a single statement that provably only reads.

Two questions are asked, and a doubt in either means that the statement is planned but not run.
`inspect` asks PostgreSQL's own parser what the statement is made of; `doubt`, in a module of its
own, asks the catalog whether any of that could do more than read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keiko_perf.diagnosis.statements.parser import (
    NotUnderstood,
    SeveralStatements,
    ast,
    parse,
    walk,
)
from keiko_perf.errors import StatementRefused, UsageError
from keiko_perf.model import Message, say

MOST_CHARACTERS = 4_000_000
"""A longer statement is not looked into."""

_PLANNABLE = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
_BETWEEN = ("<=", ">=", "<", ">")
"""What BETWEEN, and NOT BETWEEN, compare with."""
_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


class NotOneStatement(StatementRefused, UsageError):
    """What was passed is not one statement that has a plan: a mistake in the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """
    What a statement is made of.

    Attributes:
        sql: the statement.
        reads_only: whether its form allows no write.
        why_not: why it could write, if it could.
        parameters: the highest `$n` in it.
        functions: the names of all functions that it calls, without their schema.
        attributes: names behind a dot: PostgreSQL lets `row.f` call the function `f(row)`.
        operators: the names of the operators.
        relations: what it reads, as written: (schema or None, name).
    """

    sql: str
    reads_only: bool
    why_not: Message | None
    parameters: int
    functions: frozenset[str]
    attributes: frozenset[str]
    operators: frozenset[str]
    relations: frozenset[tuple[str | None, str]]


def inspect(sql: str) -> Inspected:
    """
    Look at one statement with PostgreSQL's own parser; nothing is sent.

    Raises:
        NotOneStatement: it is not one SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE or MERGE.
    """
    statement = _only_statement(sql)
    if not isinstance(statement, _PLANNABLE):
        kind = type(statement).__name__.removesuffix("Stmt")
        explained = isinstance(statement, ast.ExplainStmt)
        raise NotOneStatement(
            f"a statement of the kind {kind} has no plan to look at",
            cure="Leave out the word EXPLAIN and its options"
            if explained
            else "Pass a single SELECT, INSERT, UPDATE, DELETE or MERGE",
        )
    nodes = list(walk(statement))
    why_not = _why_it_could_write(statement, nodes)
    return Inspected(
        sql=sql,
        reads_only=why_not is None,
        why_not=why_not,
        parameters=max((n.number or 0 for n in nodes if isinstance(n, ast.ParamRef)), default=0),
        functions=frozenset(_last(n.funcname) for n in nodes if isinstance(n, ast.FuncCall)),
        attributes=frozenset(_attributes(nodes)),
        operators=frozenset(_operators(nodes)),
        relations=frozenset(
            (n.schemaname, str(n.relname)) for n in nodes if isinstance(n, ast.RangeVar)
        ),
    )


def _only_statement(sql: str) -> Any:
    if not sql.strip():
        raise NotOneStatement("the statement is empty", cure="Pass an SQL statement")
    if "\0" in sql or len(sql) > MOST_CHARACTERS:
        raise NotOneStatement(
            "the statement is too long, or holds a NUL character",
            cure=f"Pass a statement of at most {MOST_CHARACTERS:,} characters",
        )
    try:
        return parse(sql)
    except SeveralStatements as several:
        raise NotOneStatement(
            f"there are {several.count} statements, and a plan is of one",
            cure="Pass one statement at a time",
        ) from None
    except (NotUnderstood, UnicodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise NotOneStatement(
            f"this is not one statement that PostgreSQL understands: {said}",
            cure="Pass exactly one statement in plain SQL; a parameter is written $1",
        ) from None


def _why_it_could_write(statement: Any, nodes: list[Any]) -> Message | None:
    if isinstance(statement, _WRITES):
        return say("it writes")
    for node in nodes:
        if isinstance(node, _WRITES):
            return say("it has a WITH query that writes")
        if isinstance(node, ast.SelectStmt) and node.intoClause is not None:
            return say("it creates a table (SELECT INTO)")
        if isinstance(node, ast.LockingClause):
            return say("it locks rows (FOR UPDATE or FOR SHARE)")
    return None


def _attributes(nodes: list[Any]) -> Iterator[str]:
    for node in nodes:
        parts: tuple[Any, ...] = ()
        if isinstance(node, ast.ColumnRef):
            parts = (node.fields or ())[1:]
        elif isinstance(node, ast.A_Indirection):
            parts = node.indirection or ()
        yield from (str(part.sval) for part in parts if isinstance(part, ast.String))


def _last(names: Any) -> str:
    """The last part of a name that may have a schema in front."""
    return str(names[-1].sval)


def _operators(nodes: list[Any]) -> Iterator[str]:
    yield from ("=", "<", ">")  # what DISTINCT, GROUP BY, ORDER BY and USING compare with
    for node in nodes:
        if isinstance(node, ast.A_Expr):
            name = _last(node.name)
            yield from _BETWEEN if "BETWEEN" in name else (name,)
        elif isinstance(node, ast.SubLink) and node.operName:
            yield _last(node.operName)
        elif isinstance(node, ast.SortBy) and node.useOp:
            yield _last(node.useOp)
