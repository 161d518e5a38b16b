"""
mcp: the read-only questions of this tool as an MCP server, so that an assistant can ask them.

What it may look at is said by who starts it, and never by who asks: no tool takes an address, a
password or a file. Each answer is the report that the command of the same name prints, with the
same limits and with the same left out. Nothing is changed; a statement is executed only where that
is asked for and it provably only reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from keiko_perf import __version__
from keiko_perf.cli.changes import changed
from keiko_perf.cli.doctor import DoctorDatabaseOption, UrlOption, ask
from keiko_perf.cli.health import judge, told
from keiko_perf.cli.service import is_address, read_health
from keiko_perf.config import Settings, load_settings
from keiko_perf.errors import KeikoError, MissingExtra, UsageError
from keiko_perf.model import Report
from keiko_perf.render import render

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from keiko_perf.diagnosis.postgres import Database

LONGEST_S = 60.0
MOST_HOURS = 24.0 * 31
MOST_CHARACTERS = 200_000
"""Of an answer; what is over it is cut, and that is said."""
_AT_ONCE = 2
_TIMEOUT_S = 30.0
_INSTRUCTIONS = (
    "Why an async Python service and its PostgreSQL are slow. Begin with `doctor`. All tools only "
    "read. Where an answer names a gap, that was not looked at: it is no all-clear."
)
_log = logging.getLogger(__name__)
Form = Literal["markdown", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """
    What the server may look at.

    Attributes:
        url: of a service.
        database: of a database; it may hold a password.
        store: the file that a service's monitor writes to.
        token: that opens the service's figures.
    """

    url: str | None = None
    database: str | None = field(default=None, repr=False)
    store: Path | None = None
    token: str | None = field(default=None, repr=False)


def mcp(
    url: UrlOption = None,
    database: DoctorDatabaseOption = None,
    store: Annotated[
        Path | None, typer.Option(help="The file that the service's monitor writes to.")
    ] = None,
) -> None:
    """Serve the read-only questions to an assistant, as an MCP server on standard input."""
    server_of(sources(url, database, store, load_settings())).run("stdio")


def sources(
    url: str | None, database: str | None, store: Path | None, settings: Settings
) -> Sources:
    """
    What the options name, else the settings.

    Raises:
        UsageError: nothing is named, or the address is none.
    """
    if url is not None and not is_address(url):
        raise UsageError(
            f"{url[:80]!r} is no address", cure="Give it as in --url http://localhost:8000"
        )
    named = database or (settings.database.get_secret_value() if settings.database else None)
    found = Sources(
        url=url,
        database=named,
        store=store or settings.store,
        token=None if settings.token is None else settings.token.get_secret_value(),
    )
    if not (found.url or found.database or found.store):
        raise UsageError(
            "there is nothing that an assistant could ask about",
            cure="Pass --url, --database or --store",
        )
    return found


def server_of(given: Sources) -> MCPServer:
    """
    The server, with a tool for each question that *given* can answer.

    Raises:
        MissingExtra: the package mcp is not installed.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError as error:
        raise MissingExtra("mcp", extra="mcp", purpose="the MCP server") from error
    server = MCPServer(
        "keiko-perf", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    only_reads = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    add = server.tool(annotations=only_reads, structured_output=False)
    for tool in _tools(given, asyncio.Semaphore(_AT_ONCE)):
        add(tool)
    return server


Tool = Callable[..., Awaitable[str]]


def _tools(given: Sources, turns: asyncio.Semaphore) -> list[Tool]:
    async def answered(form: Form, question: Awaitable[Report]) -> str:
        return await _answered(form, question, turns)

    async def doctor(seconds: float = 15.0, form: Form = "markdown") -> str:
        """Why users wait: the causes by their share of it, with evidence and cures. It looks for
        some seconds (2 to 60) while the service is used, and makes no load."""
        question = ask(given.url, given.database, min(seconds, LONGEST_S), token=given.token)
        return await answered(form, question)

    async def health(form: Form = "markdown") -> str:
        """Whether the service keeps its targets, with each figure beside its limit."""
        return await answered(form, _health(given))

    async def db_check(form: Form = "markdown") -> str:
        """All that is worth attention in the database: statements, indexes, locks, settings."""
        from keiko_perf.cli.db_reading import check

        return await answered(form, _of_database(given, check))

    async def slow_statements(form: Form = "markdown") -> str:
        """The statements that take most of the database's time, and how they are asked."""
        from keiko_perf.cli.db_reading import slow

        return await answered(form, _of_database(given, slow))

    async def explain(statement: str, execute: bool = False, form: Form = "markdown") -> str:
        """The plan of one SQL statement, what it costs and why. It is planned only; with *execute*
        it is executed as well if it provably only reads, under a timeout, and rolled back."""
        from keiko_perf.cli.explain import explained

        async def answer(connected: Database) -> Report:
            return await explained(connected, statement, execute=execute)

        return await answered(form, _of_database(given, answer))

    async def changes(hours: float = 24.0, form: Form = "markdown") -> str:
        """What changed in the service, when, by how much and after which deploy."""
        return await answered(form, _changes(given, hours))

    tools: list[Tool] = [doctor] if given.url or given.database else []
    tools += [health] if given.url or given.store else []
    tools += [db_check, slow_statements, explain] if given.database else []
    return [*tools, changes] if given.store else tools


async def _answered(form: Form, question: Awaitable[Report], turns: asyncio.Semaphore) -> str:
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        async with turns:
            report = await question
    except KeikoError as error:
        raise ToolError(str(error)) from None
    except Exception as error:  # what it says could hold what nobody may see
        _log.exception("a question could not be answered")
        raise ToolError(f"it could not be done: {type(error).__name__}") from None
    text = render(report, form)
    if len(text) <= MOST_CHARACTERS:
        return text
    if form == "json":
        raise ToolError("the answer is too long as JSON. Ask for markdown.")
    return f"{text[:MOST_CHARACTERS]}\n\n(cut: it is {len(text)} characters long)"


async def _health(given: Sources) -> Report:
    now = datetime.now(UTC)
    if given.url is not None:
        document = await asyncio.to_thread(read_health, given.url, given.token)
        return told(document, now=now)
    assert given.store is not None
    kpis = load_settings().performance_kpis()
    return await asyncio.to_thread(judge, given.store, kpis=kpis, last_s=60.0, now=now)


async def _of_database(given: Sources, answer: Callable[[Any], Awaitable[Report]]) -> Report:
    from keiko_perf.diagnosis.postgres import Database

    assert given.database is not None
    async with Database.connect(given.database, statement_timeout_s=_TIMEOUT_S) as connected:
        return await answer(connected)


async def _changes(given: Sources, hours: float) -> Report:
    if not 0 < hours <= MOST_HOURS:
        raise UsageError(f"{hours:g} hours", cure=f"Ask for up to {MOST_HOURS:g}")
    assert given.store is not None
    return await asyncio.to_thread(changed, given.store, hours=hours, now=datetime.now(UTC))
