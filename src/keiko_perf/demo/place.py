"""
Place: the database that the demonstration happens on.

Either a private PostgreSQL of ours, which nobody else uses, or the database of a URL that the user
gave. There the demo keeps to a schema of its own, which it makes and removes; one that was there
before stays, since another demo may be at it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.demo.programs import Programs, find_programs
from keiko_perf.demo.schema import SCHEMA
from keiko_perf.demo.seed import drop, is_seeded
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.verify import HypoPg
from keiko_perf.errors import DatabaseUnavailable, KeikoError, UsageError
from keiko_perf.model import Message, say

_DATABASE = "keiko_demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Attributes:
        url: of the database, in SQLAlchemy's form. It may hold a password.
        version: PostgreSQL's version, as it writes it.
        has_statement_statistics: whether pg_stat_statements can be read there.
        has_hypopg: whether HypoPG can be used there.
        label: what it is, for a person.
    """

    url: str = field(repr=False)
    version: str
    has_statement_statistics: bool
    has_hypopg: bool
    label: Message


@asynccontextmanager
async def place(
    url: str | None,
    *,
    find: Callable[[], Programs] = find_programs,
    parent: Path | None = None,
) -> AsyncIterator[Place]:
    """
    The database at *url*, or one in a private PostgreSQL if there is none, while it is needed.

    Raises:
        Unavailable: it cannot be reached, or PostgreSQL's programs are not to be had.
    """
    if url is not None:
        async with _given(url) as where:
            yield where
        return
    async with private_cluster(find=find, parent=parent) as cluster:
        label = (
            say("this machine's own programs")
            if cluster.programs.origin == "system"
            else say("the embedded programs")
        )
        yield await _look(await cluster.create_database(_DATABASE), label)


@asynccontextmanager
async def _given(url: str) -> AsyncIterator[Place]:
    was_there = await is_seeded(url)
    label = (
        say("the database that was given, where the demo's tables are already, and stay")
        if was_there
        else say("the database that was given")
    )
    where = await _look(url, label)
    failed: KeikoError | None = None
    try:
        yield where
    except KeikoError as error:
        failed = error
        raise
    finally:
        if not was_there:
            await _remove(url, failed)


async def _remove(url: str, failed: KeikoError | None) -> None:
    try:
        with suppress(UsageError):  # what carries the demo's name, but was not made by it
            await drop(url)
    except DatabaseUnavailable as error:
        if failed is None:
            raise
        # Why it failed in the first place is what the reader needs; this comes on top.
        raise DatabaseUnavailable(
            f"{failed.what}; and then the schema {SCHEMA} could not be removed",
            cure=f"{failed.cure}. If it is still there: DROP SCHEMA {SCHEMA} CASCADE",
        ) from error


async def _look(url: str, label: Message) -> Place:
    async with Database.connect(url) as database:
        return Place(
            url=url,
            version=database.server.version_text,
            has_statement_statistics=await _has_statement_statistics(database),
            has_hypopg=await HypoPg.is_there(database),
            label=label,
        )


async def _has_statement_statistics(database: Database) -> bool:
    """The extension must have been created here, and its library preloaded when the server came."""
    preloaded = await database.value("SELECT current_setting('pg_stat_statements.max', true)")
    created = await database.value(
        "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements'"
    )
    return preloaded is not None and bool(created)
