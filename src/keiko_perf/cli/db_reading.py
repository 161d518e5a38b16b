"""
db check, slow, tables, indexes, locks: what PostgreSQL recorded of itself, and judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from keiko_perf.cli.database import Answer, DatabaseOption, TimeoutOption, answer_with
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

app = typer.Typer()


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
async def check(connected: Database) -> Report:
    """All that is worth attention; exit code 3 if any of it is severe."""
    from keiko_perf.diagnosis.collect import collect
    from keiko_perf.diagnosis.overview import check_report
    from keiko_perf.diagnosis.rules import judge

    evidence = await collect(connected)
    return check_report(evidence, judge(evidence), server=connected.server)


@_command
async def slow(connected: Database) -> Report:
    """The statements that take most of the database's time, and how they are asked."""
    from keiko_perf.diagnosis.collect import Topic, collect
    from keiko_perf.diagnosis.overview import slow_report
    from keiko_perf.diagnosis.rules import judge

    # The tables tell how long the rows are that a statement fetches.
    evidence = await collect(connected, (Topic.STATEMENTS, Topic.TABLES))
    judged = judge(evidence).about("statements", "patterns", "statistics")
    return slow_report(evidence, judged, server=connected.server)


@_command
async def tables(connected: Database) -> Report:
    """Dead rows, stale statistics, air, and what comes to its end, table by table."""
    from keiko_perf.diagnosis.collect import Topic, collect
    from keiko_perf.diagnosis.overview import tables_report
    from keiko_perf.diagnosis.rules import judge

    evidence = await collect(connected, (Topic.TABLES,))
    return tables_report(evidence, judge(evidence), server=connected.server)


@_command
async def indexes(connected: Database) -> Report:
    """Indexes that are unused, superfluous, invalid or full of air, and those that keys lack."""
    from keiko_perf.diagnosis.collect import Topic, collect
    from keiko_perf.diagnosis.overview import indexes_report
    from keiko_perf.diagnosis.rules import judge

    evidence = await collect(connected, (Topic.INDEXES,))
    return indexes_report(evidence, judge(evidence), server=connected.server)


@_command
async def locks(connected: Database) -> Report:
    """Who waits behind whom, and whose transactions have been open for long."""
    from keiko_perf.diagnosis.collect import Topic, collect
    from keiko_perf.diagnosis.overview import locks_report
    from keiko_perf.diagnosis.rules import judge

    evidence = await collect(connected, (Topic.ACTIVITY,))
    return locks_report(evidence, judge(evidence), server=connected.server)
