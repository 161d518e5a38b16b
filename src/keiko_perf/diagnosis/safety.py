"""
What may be executed: only a single statement that provably only reads.

Two questions are asked, and a doubt in either means that the statement is planned but not run.
`inspect` asks PostgreSQL's own parser what the statement is made of; `doubt` asks the catalog
whether any of that could do more than read: volatile functions, also behind views, policies,
operators and casts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.parser import NotUnderstood, ast, parse
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.errors import StatementRefused
from keiko_perf.model import Message, say

MOST_CHARACTERS = 4_000_000
"""A longer statement is not looked into."""
_MOST_VIEWS = 200

_PLANNABLE = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


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
        StatementRefused: it is not one SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE or MERGE.
    """
    statement = _only_statement(sql)
    if not isinstance(statement, _PLANNABLE):
        kind = type(statement).__name__.removesuffix("Stmt")
        explained = isinstance(statement, ast.ExplainStmt)
        raise StatementRefused(
            f"a statement of the kind {kind} has no plan to look at",
            cure="Leave out the word EXPLAIN and its options"
            if explained
            else "Pass a single SELECT, INSERT, UPDATE, DELETE or MERGE",
        )
    nodes = list(_walk(statement))
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


async def doubt(database: Database, inspected: Inspected) -> Message | None:
    """
    Why a statement is not executed; None if it provably only reads.

    It follows views and row security policies to what they are made of.
    """
    if inspected.why_not is not None:
        return inspected.why_not
    if inspected.parameters:
        return say("it has parameters, so there are no values to execute it with")
    seen: set[int] = set()
    waiting = [inspected]
    while waiting:
        one = waiting.pop()
        if one.why_not is not None:
            return say("a view that it reads could write or lock rows")
        volatile = await _volatile(database, one)
        if volatile is not None:
            return volatile
        for oid, definition in await _definitions(database, one):
            if oid in seen:
                continue
            seen.add(oid)
            if len(seen) > _MOST_VIEWS:
                return say("it reads too many views to look into them all")
            try:
                waiting.append(inspect(definition))
            except StatementRefused:
                return say("a view or policy that it reads cannot be looked into")
    return None


def _only_statement(sql: str) -> Any:
    if not sql.strip():
        raise StatementRefused("the statement is empty", cure="Pass an SQL statement")
    if "\0" in sql or len(sql) > MOST_CHARACTERS:
        raise StatementRefused(
            "the statement is too long, or holds a NUL character",
            cure=f"Pass a statement of at most {MOST_CHARACTERS:,} characters",
        )
    try:
        return parse(sql)
    except (NotUnderstood, UnicodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise StatementRefused(
            f"this is not one statement that PostgreSQL understands: {said}",
            cure="Pass exactly one statement in plain SQL; a parameter is written $1",
        ) from None


def _walk(root: Any) -> Iterator[Any]:
    """All nodes of a parse tree."""
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            waiting.extend(one)
        elif isinstance(one, ast.Node):
            yield one
            waiting.extend(getattr(one, name) for name in one)


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
            yield _last(node.name)
        elif isinstance(node, ast.SubLink) and node.operName:
            yield _last(node.operName)
        elif isinstance(node, ast.SortBy) and node.useOp:
            yield _last(node.useOp)


_VOLATILE_FUNCTIONS = """
SELECT wanted.name,
       count(p.oid) AS known,
       count(p.oid) FILTER (
           WHERE p.provolatile = 'v' OR t.provolatile = 'v' OR f.provolatile = 'v'
       ) AS volatile
FROM unnest(CAST(:names AS text[])) AS wanted (name)
LEFT JOIN pg_catalog.pg_proc p ON p.proname = wanted.name
LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
LEFT JOIN pg_catalog.pg_proc t ON t.oid = a.aggtransfn
LEFT JOIN pg_catalog.pg_proc f ON f.oid = a.aggfinalfn
GROUP BY wanted.name
ORDER BY wanted.name
"""

# Own ones only: PostgreSQL's own operators, casts and types call nothing volatile.
_VOLATILE_OTHERS = """
SELECT 'attribute' AS kind, p.proname::text AS name
FROM pg_catalog.pg_proc p
WHERE p.proname = ANY (CAST(:attributes AS text[])) AND p.provolatile = 'v'
  AND p.pronargs = 1 AND p.oid >= 16384
UNION ALL
SELECT 'operator', p.proname::text
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
WHERE o.oprname = ANY (CAST(:operators AS text[])) AND p.provolatile = 'v' AND o.oid >= 16384
UNION ALL
SELECT 'cast', p.proname::text
FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
WHERE p.provolatile = 'v' AND c.oid >= 16384
UNION ALL
SELECT 'domain', p.proname::text
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = c.oid
JOIN pg_catalog.pg_proc p
    ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.refobjid
WHERE c.contypid <> 0 AND p.provolatile = 'v'
LIMIT 1
"""


async def _volatile(database: Database, inspected: Inspected) -> Message | None:
    for row in await database.rows(_VOLATILE_FUNCTIONS, names=sorted(inspected.functions)):
        if not row["known"]:
            return say("it calls {name}, a function that is not known", name=row["name"])
        if row["volatile"]:
            return say("it calls {name}, a volatile function", name=row["name"])
    other = await database.row(
        _VOLATILE_OTHERS,
        attributes=sorted(inspected.attributes),
        operators=sorted(inspected.operators),
    )
    if other is None:
        return None
    return say("it may call {name}, a volatile function, without naming it", name=other["name"])


# By name alone, whatever the schema: a view too many in doubt is better than one too few.
_DEFINITIONS = """
SELECT c.oid::bigint AS oid, pg_catalog.pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class c
WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relkind = 'v'
UNION ALL
SELECT p.oid::bigint,
       'SELECT ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relrowsecurity AND p.polqual IS NOT NULL
  AND p.polcmd IN ('r', '*')
LIMIT 1000
"""


async def _definitions(database: Database, inspected: Inspected) -> list[tuple[int, str]]:
    names = sorted({name for _, name in inspected.relations})
    if not names:
        return []
    try:
        rows = await database.rows(_DEFINITIONS, names=names)
    except StatementFailed as error:
        if error.sqlstate != "XX000":  # a view that another session just dropped
            raise
        return []
    return [(row["oid"], row["definition"] or "") for row in rows]
