"""
db: why a database is slow, read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from keiko_perf.cli.advise import advise, verify
from keiko_perf.cli.database import Answer, DatabaseOption, TimeoutOption, answer_with
from keiko_perf.cli.explain import explain
from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
)
from keiko_perf.model import Report

if TYPE_CHECKING:  # the part needs the extra `postgres`; `--help` must not
    from keiko_perf.diagnosis.postgres import Database

app = typer.Typer(help="Find out why a PostgreSQL database is slow.", no_args_is_help=True)


def _command(answer: Answer) -> Answer:
    """Make *answer* a command that asks the database that its options name."""

    @app.command(answer.__name__, help=answer.__doc__)
    def command(
        database: DatabaseOption = None,
        timeout: TimeoutOption = 30.0,
        format: FormatOption = Format.TEXT,
        output: OutputOption = None,
        lang: LanguageOption = None,
    ) -> None:
        answer_with(answer, database, timeout, Destination(format, output, lang))

    return answer


@_command
async def slow(connected: Database) -> Report:
    """The statements that take most of the database's time."""
    from keiko_perf.diagnosis.collect import collect
    from keiko_perf.diagnosis.reports import slow_report
    from keiko_perf.diagnosis.rules import judge, statements

    evidence = await collect(connected)
    found = judge(evidence, statements.RULES)
    return slow_report(evidence, found.findings, server=connected.server)


@_command
async def tables(connected: Database) -> Report:
    """Dead rows and stale statistics, table by table."""
    from keiko_perf.diagnosis.collect import collect
    from keiko_perf.diagnosis.reports import tables_report
    from keiko_perf.diagnosis.rules import judge
    from keiko_perf.diagnosis.rules import tables as rules

    evidence = await collect(connected)
    found = judge(evidence, rules.RULES)
    return tables_report(evidence, found.findings, server=connected.server)


@_command
async def indexes(connected: Database) -> Report:
    """Indexes that are unused, duplicate or invalid."""
    from keiko_perf.diagnosis.collect import collect
    from keiko_perf.diagnosis.reports import indexes_report
    from keiko_perf.diagnosis.rules import indexes as rules
    from keiko_perf.diagnosis.rules import judge

    evidence = await collect(connected)
    found = judge(evidence, rules.RULES)
    return indexes_report(evidence, found.findings, server=connected.server)


@_command
async def check(connected: Database) -> Report:
    """All that is worth attention; exit code 3 if any of it is severe."""
    from keiko_perf.diagnosis.collect import collect
    from keiko_perf.diagnosis.reports import check_report
    from keiko_perf.diagnosis.rules import judge

    evidence = await collect(connected)
    found = judge(evidence)
    return check_report(evidence, found.findings, found.gaps, server=connected.server)


app.command()(advise)
app.command()(verify)
app.command()(explain)
