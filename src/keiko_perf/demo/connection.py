"""
How the demo reaches PostgreSQL, and what it says when it cannot.

What a driver raises becomes an error that names the cure. The message of the server is kept, the
URL is shown without its password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from keiko_perf.errors import DatabaseUnavailable, UsageError

_CONNECT_TIMEOUT_S = 10
_WAITS_AT_MOST_MS = 60_000
"""For a lock. Whoever holds one for longer on these tables has forgotten about it."""


def parse_url(url: str) -> URL:
    """
    The URL, with psycopg as its driver.

    Raises:
        UsageError: it is none, or not one of PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text could hold a password: it is not repeated.
        raise UsageError(
            "the database's URL cannot be read",
            cure="Write it as postgresql://user:password@host:port/database",
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise UsageError(
            f"the demo needs PostgreSQL, not {parsed.get_backend_name()}",
            cure="Write the database's URL as postgresql://user:password@host:port/database",
        )
    return parsed.set(drivername="postgresql+psycopg")


def open_engine(url: str, **options: Any) -> AsyncEngine:
    """
    An engine for *url*. It connects when it is first used.

    Args:
        url: of the database.
        options: of SQLAlchemy's `create_async_engine`, such as `pool_size`.

    Raises:
        UsageError: the URL cannot be used.
    """
    return create_async_engine(
        parse_url(url),
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "application_name": "keiko-demo",
            "options": f"-c lock_timeout={_WAITS_AT_MOST_MS}",
        },
        **options,
    )


@contextmanager
def explained(url: str, *, doing: str) -> Iterator[None]:
    """
    Turn what the driver raises into an error with its cure.

    Args:
        url: where was connected to.
        doing: what could not be done then, such as "the demo's tables could not be filled".

    Raises:
        DatabaseUnavailable: in place of any error of the driver.
    """
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        said = _first_line(error.orig)
        raise DatabaseUnavailable(f"{doing}: {said}", cure=_cure(state, url)) from error


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__


def _cure(state: str | None, url: str) -> str:
    address = parse_url(url)
    where = f"{address.host or 'the local socket'}:{address.port or 5432}"
    cures = {
        "53100": f"Free some disk space where the PostgreSQL at {where} keeps its files",
        "42501": f'GRANT CREATE ON DATABASE "{address.database}" TO "{address.username}"',
        "28P01": "Give the right user and password in the database's URL",
        "28000": "Give a user in the database's URL whom pg_hba.conf lets in",
        "3D000": f'createdb "{address.database}", or name another database in the URL',
        "53300": "Raise max_connections, or close some of the connections",
        "55P03": "End the session that holds a lock on the schema keiko_demo",
    }
    return cures.get(state or "", f"Check that PostgreSQL runs at {where} and stays up")
