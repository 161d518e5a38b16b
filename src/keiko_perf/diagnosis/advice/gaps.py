"""
Gaps: what the advisor could not look at, with the way to cure it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from keiko_perf.diagnosis.schema import Schema, TableName
from keiko_perf.diagnosis.statements.workload import Query, Statement, Unparsed, shortened
from keiko_perf.model import Gap, say

_SHOWN = 3
_SHOWN_CHARACTERS = 120
_CATALOGS = frozenset({"pg_catalog", "information_schema"})


def no_hypopg_gap(major: int) -> Gap:
    """The planner could not be asked about indexes that are not there."""
    return Gap(
        subject=say("what the indexes would bring"),
        reason=say("the extension HypoPG is not there, so none of them was verified"),
        remedy=say(
            "Install it (apt install postgresql-{major}-hypopg) and run CREATE EXTENSION hypopg as"
            " the database's owner; most managed services have it ready for CREATE EXTENSION",
            major=major,
        ),
    )


def unparsed_gap(unparsed: Sequence[Unparsed]) -> Iterator[Gap]:
    """Statements that the parser does not understand."""
    if unparsed:
        yield Gap(
            subject=say("{count:count} statements of the workload", count=len(unparsed)),
            reason=say(
                "they cannot be read: {examples}",
                examples=_examples([(one.statement, one.reason) for one in unparsed]),
            ),
            remedy=say(
                "Give the role pg_read_all_stats if their text is hidden; else look at them by hand"
            ),
        )


def unplanned_gap(refused: Sequence[tuple[Query, str]]) -> Iterator[Gap]:
    """
    Statements that the server does not plan.

    Those that only ask catalogs, as drivers do for the types of a database, need no index of it.
    """
    unplanned = [(query.statement, why) for query, why in refused if not _asks_catalogs(query)]
    if unplanned:
        yield Gap(
            subject=say("{count:count} statements of the workload", count=len(unplanned)),
            reason=say("the server does not plan them: {examples}", examples=_examples(unplanned)),
            remedy=say(
                "Look at them by hand; if it says so, grant the role SELECT on their tables"
            ),
        )


def late_gap(statements: int) -> Iterator[Gap]:
    """Statements that the time did not suffice for."""
    if statements:
        yield Gap(
            subject=say("{count:count} statements of the workload", count=statements),
            reason=say("the time was up before they were looked at"),
            remedy=say("Allow more time (--time-limit), or look at fewer statements"),
        )


def unnamed_gap(calls: int) -> Iterator[Gap]:
    """Executions whose statement was not recorded."""
    if calls:
        yield Gap(
            subject=say("{calls:count} executions of statements", calls=calls),
            reason=say("there were more different statements than the recorder keeps apart"),
            remedy=say("Raise the recorder's bound on series, or use pg_stat_statements"),
        )


def bounds_gap(*, statements: int, candidates: int) -> Iterator[Gap]:
    """What was left out to stay within the bounds."""
    if statements:
        yield Gap(
            subject=say("{count:count} statements of the workload", count=statements),
            reason=say("those that took least time were left out"),
            remedy=say("Name those that count in a file (--workload), or raise max_statements"),
        )
    if candidates:
        yield Gap(
            subject=say("{count:count} possible indexes", count=candidates),
            reason=say("those for the statements that took least time were not tried"),
            remedy=say("Name fewer statements in a file (--workload), or raise max_candidates"),
        )


def unresolved_gap(queries: Sequence[Query]) -> Iterator[Gap]:
    """Columns of which it is not certain whose they are."""
    found = [
        (query.statement, ", ".join(query.shape.unresolved))
        for query in queries
        if query.shape.unresolved
        # The columns of a catalog or of a function's result are none that an index is made for.
        and any(not _is_catalog(use.table) for use in query.shape.uses)
    ]
    if found:
        yield Gap(
            subject=say("some columns of {count:count} statements", count=len(found)),
            reason=say(
                "it is not certain to which table they belong: {examples}",
                examples=_examples(found),
            ),
            remedy=say("Write them with their table's alias"),
        )


def unknown_tables_gap(queries: Sequence[Query], schema: Schema) -> Iterator[Gap]:
    """What is no table of this database: views, foreign and temporary tables, other schemas."""
    names = _tables(queries) - schema.tables.keys()
    names = {one for one in names if not _is_catalog(one)}
    if names:
        yield Gap(
            subject=say("the relations {names}", names=_listed(names)),
            reason=say("they are views, foreign or temporary tables, or not on the search path"),
            remedy=say("Connect with the service's own role and search_path"),
        )


def hidden_tables_gap(queries: Sequence[Query], schema: Schema) -> Iterator[Gap]:
    """Tables that the role may not read: nothing is said about them."""
    names = {
        one for one in _tables(queries) & schema.tables.keys() if not schema.tables[one].is_readable
    }
    if names:
        yield Gap(
            subject=say("the tables {names}", names=_listed(names)),
            reason=say("the role may not read them"),
            remedy=say("GRANT SELECT on them to the role, or grant it pg_read_all_data"),
        )


def _asks_catalogs(query: Query) -> bool:
    return bool(query.shape.tables) and all(map(_is_catalog, query.shape.tables))


def _is_catalog(table: TableName) -> bool:
    return table.schema in _CATALOGS or table.name.startswith("pg_")


def _tables(queries: Sequence[Query]) -> set[TableName]:
    return {table for query in queries for table in query.shape.tables}


def _listed(names: Collection[TableName]) -> str:
    shown = ", ".join(str(one) for one in sorted(names)[: _SHOWN * 3])
    return shown + (", …" if len(names) > _SHOWN * 3 else "")


def _examples(found: Sequence[tuple[Statement, str]]) -> str:
    shown = "; ".join(
        f"{shortened(one.text, _SHOWN_CHARACTERS)} ({why})" for one, why in found[:_SHOWN]
    )
    return shown + ("; …" if len(found) > _SHOWN else "")
