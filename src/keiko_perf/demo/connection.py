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

from keiko_perf.demo.schema import SCHEMA
from keiko_perf.diagnosis.failure import Address, connecting_failed, is_lost, sqlstate
from keiko_perf.errors import DatabaseUnavailable, UsageError

_CONNECT_TIMEOUT_S = 10


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
    if "@" in (parsed.host or ""):  # the rest of a password, which no message may show
        raise UsageError(
            "the password in the database's URL holds an @", cure="Write %40 in its place"
        )
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
        raise _explain(error, _address(url), doing) from error


def _explain(error: DBAPIError, address: Address, doing: str) -> DatabaseUnavailable:
    state = sqlstate(error)
    if not state and not is_lost(error):
        # Without a code of the server's there was no connection to begin with.
        return connecting_failed(error.orig or error, address, timeout_s=_CONNECT_TIMEOUT_S)
    server = f"the PostgreSQL at {address.host}:{address.port}"
    cures = {
        "53100": f"Free some disk space where {server} keeps its files",
        "42501": (
            f"GRANT CREATE ON DATABASE {_quoted(address.database)} TO {_quoted(address.user)}, or"
            " name a database of your own"
        ),
        "55P03": f"End the session that holds a lock on the schema {SCHEMA}",
    }
    cure = cures.get(state, f"See the log of {server}, and try again once it is up")
    return DatabaseUnavailable(f"{doing}: {_first_line(error.orig)}", cure=cure)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _address(url: str) -> Address:
    parsed = parse_url(url)
    return Address(
        host=parsed.host or "localhost",
        port=parsed.port or 5432,
        database=parsed.database or "",
        user=parsed.username or "",
        secrets=(parsed.password,) if parsed.password else (),
    )


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
