"""
db: why a database is slow, read-only.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from keiko_perf.cli import db_history, db_reading
from keiko_perf.cli.advise import advise
from keiko_perf.cli.database import DatabaseOption, TimeoutOption, answer_with
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

StatementArgument = Annotated[
    str, typer.Argument(help="One SQL statement; - reads it from standard input.")
]
app.add_typer(db_reading.app)
app.add_typer(db_history.app)
app.command()(advise)


@app.command()
def explain(
    statement: StatementArgument,
    database: DatabaseOption = None,
    timeout: TimeoutOption = 30.0,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Don't execute it, even if it only reads.")
    ] = False,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """What a statement's plan costs, and why. It is executed only if it provably only reads."""
    sql = sys.stdin.read() if statement == "-" else statement

    async def answer(connected: Database) -> Report:
        from keiko_perf.diagnosis.explain import explain as explained
        from keiko_perf.diagnosis.reports import explain_report
        from keiko_perf.diagnosis.rules.plans import judge_plan

        answered = await explained(connected, sql, execute=not plan_only)
        return explain_report(
            answered,
            judge_plan(answered.plan),
            read_at=datetime.now(UTC),
            server=connected.server,
        )

    answer_with(answer, database, timeout, Destination(format, output, lang))
