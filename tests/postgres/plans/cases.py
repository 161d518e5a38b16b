"""What a case of the corpus is: a statement on a schema, and what is to be said of its plan."""

from __future__ import annotations

from dataclasses import dataclass, field

SERIAL = {"max_parallel_workers_per_gather": "0", "jit": "off"}
"""What most cases are run with: one process makes the smallest plans."""
PARALLEL = {"max_parallel_workers_per_gather": "2", "jit": "off"}


@dataclass(frozen=True, slots=True)
class Case:
    """
    Attributes:
        name: what is special about it.
        sql: the statement.
        expected: the code that has to be among the findings; None of a healthy plan, of which
            nothing at all may be said.
        settings: of the server, for this statement.
        options: of EXPLAIN, beside FORMAT JSON.
        before: statements that are run first, in the same transaction; `-- lock STATEMENT` is run
            by another session, which holds its locks for a while; `-- cold RELATION` lets the
            system forget the pages of a table or an index.
        since: the first version of PostgreSQL that knows what is asked.
        has_text: whether the text form of the plan is kept too.
    """

    name: str
    sql: str
    expected: str | None = None
    settings: dict[str, str] = field(default_factory=lambda: SERIAL)
    options: str = "ANALYZE, BUFFERS"
    before: tuple[str, ...] = ()
    since: int = 13
    has_text: bool = False


def sick(
    code: str,
    name: str,
    sql: str,
    /,
    *before: str,
    options: str = "ANALYZE, BUFFERS",
    parallel: bool = False,
    **settings: str,
) -> Case:
    """A case of which *code* has to be said."""
    base = PARALLEL if parallel else SERIAL
    return Case(name, sql, f"plan.{code}", base | settings, options, before)


def healthy(
    name: str,
    sql: str,
    /,
    *before: str,
    options: str = "ANALYZE, BUFFERS",
    parallel: bool = False,
    **settings: str,
) -> Case:
    """A case of which nothing may be said."""
    base = PARALLEL if parallel else SERIAL
    return Case(name, sql, None, base | settings, options, before)
