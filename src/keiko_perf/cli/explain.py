"""
db explain: what a plan costs, and why; of a statement, or of a plan in a file or a log.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiko_perf.cli.database import DatabaseOption, TimeoutOption, answer_with
from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    Language,
    LanguageOption,
    OutputOption,
    show,
)
from keiko_perf.config import load_settings
from keiko_perf.errors import UsageError
from keiko_perf.model import Report

if TYPE_CHECKING:
    from keiko_perf.diagnosis.postgres import Database

MOST_BYTES = 200_000_000
_ENDINGS = (".json", ".txt", ".log", ".sql", ".plan", ".csv", ".yaml", ".yml", ".xml")

StatementArgument = Annotated[
    str,
    typer.Argument(
        help="One SQL statement; or a file that holds one, a plan, or log lines of auto_explain;"
        " or - for standard input."
    ),
]


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
    """What a plan costs, and why. A statement is executed only if it provably only reads."""
    from keiko_perf.diagnosis.plans.source import is_plan

    text = _text(statement)
    if is_plan(text):
        language = lang or Language(load_settings().lang)
        raise typer.Exit(show(_report_of(text), Destination(format, output, language)))
    sql = text if isinstance(text, str) else text.decode("utf-8", errors="replace")
    if not sql.strip() or "\0" in sql:
        raise UsageError(
            "there is neither a statement nor a plan in it",
            cure="Pass one SQL statement, or what EXPLAIN printed, as text or (FORMAT JSON)",
        )

    async def answer(connected: Database) -> Report:
        return await explained(connected, sql, execute=not plan_only)

    answer_with(answer, database, timeout, Destination(format, output, lang))


def _report_of(text: str | bytes) -> Report:
    """The report of a plan that somebody else made."""
    from keiko_perf.diagnosis.plans.plan import read_plans
    from keiko_perf.diagnosis.plans.report import explain_report
    from keiko_perf.diagnosis.rules.plans import judge_plan

    plans = read_plans(text)
    slowest = max(plans, key=lambda plan: plan.execution_s or 0.0)
    return explain_report(
        slowest, judge_plan(slowest), read_at=datetime.now(UTC), left_out=len(plans) - 1
    )


async def explained(connected: Database, sql: str, *, execute: bool) -> Report:
    """
    The plan of *sql* as a report; it is executed only if that is asked for and it only reads.

    Raises:
        NotOneStatement: it is not one statement that has a plan.
        StatementRefused: the server cannot plan it.
    """
    from keiko_perf.diagnosis.plans.explain import explain as ask
    from keiko_perf.diagnosis.plans.report import explain_report
    from keiko_perf.diagnosis.rules.plans import judge_plan

    answered = await ask(connected, sql, execute=execute)
    return explain_report(
        answered.plan,
        judge_plan(answered.plan),
        read_at=datetime.now(UTC),
        server=connected.server,
        why_not_executed=answered.why_not_executed,
        sections=() if answered.prices is None else (answered.prices,),
    )


def _text(argument: str) -> str | bytes:
    """What the argument stands for: standard input, a file, or itself."""
    if argument == "-":
        return _bounded(sys.stdin.buffer.read(MOST_BYTES + 1))
    if len(argument) > 1_000 or "\n" in argument:
        return argument
    file = Path(argument)
    try:
        if file.is_file():
            with file.open("rb") as opened:
                return _bounded(opened.read(MOST_BYTES + 1))
    except OSError as error:
        raise UsageError(
            f"{argument} cannot be read: {error.strerror}", cure="Name a file that you may read"
        ) from error
    if argument.lower().endswith(_ENDINGS) and " " not in argument.strip():
        raise UsageError(
            f"there is no file {argument}", cure="Name a file that is there, or pass a statement"
        )
    return argument


def _bounded(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise UsageError(
            f"it is longer than {MOST_BYTES // 1_000_000} MB", cure="Pass the plan alone"
        )
    return content
