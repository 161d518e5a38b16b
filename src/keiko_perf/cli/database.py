"""
Database: the options of every command that asks one, and the way from them to an exit code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from keiko_perf.cli.output import Destination, show
from keiko_perf.config import load_settings
from keiko_perf.errors import UsageError
from keiko_perf.model import Report

if TYPE_CHECKING:  # the part needs the extra `postgres`; `--help` must not
    from keiko_perf.diagnosis.postgres import Database

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        "-d",
        help="postgresql://user:password@host/name. The variable KEIKO_PERF_DATABASE keeps the"
        " password out of the process list.",
        show_default=False,
    ),
]
TimeoutOption = Annotated[
    float, typer.Option(help="Seconds after which the server gives a statement up.")
]
Answer = Callable[["Database"], Awaitable[Report]]


def answer_with(
    answer: Answer, database: str | None, timeout_s: float, destination: Destination
) -> None:
    """Connect, ask, show, and leave with the report's exit code."""
    raise typer.Exit(show(asyncio.run(_ask(url_of(database), timeout_s, answer)), destination))


def url_of(database: str | None) -> str:
    """
    The database that the option names, else the settings.

    Raises:
        UsageError: neither names one.
    """
    settings = load_settings()
    url = database or (settings.database.get_secret_value() if settings.database else None)
    if not url:
        raise UsageError(
            "no database is named",
            cure="Pass --database postgresql://user:password@host/name, or set KEIKO_PERF_DATABASE",
        )
    return url


async def _ask(url: str, timeout_s: float, answer: Answer) -> Report:
    from keiko_perf.diagnosis.postgres import Database

    async with Database.connect(url, statement_timeout_s=timeout_s) as connected:
        return await answer(connected)
