"""
What a connection can be made from: a URL, or what SQLAlchemy's asyncio half hands around.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from keiko_perf.diagnosis.failure import Address
from keiko_perf.errors import DatabaseUnavailable, MissingExtra, UsageError

try:
    from sqlalchemy import URL, Connection, Engine, NullPool, make_url
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import (
        AsyncConnection,
        AsyncEngine,
        AsyncSession,
        async_scoped_session,
        create_async_engine,
    )
except ImportError as missing:  # pragma: no cover - needs an environment without the extra
    raise MissingExtra("sqlalchemy", extra="postgres", purpose="reading a database") from missing

Source = str | URL | AsyncEngine | AsyncConnection | AsyncSession | async_scoped_session[Any]


def engine_of(source: object, connect_timeout_s: float) -> tuple[AsyncEngine, bool]:
    """The engine to use, and whether it is ours to dispose of."""
    if isinstance(source, str | URL):
        return _engine_for(_checked_url(source), connect_timeout_s), True
    engine = _engine_behind(source)
    if engine.dialect.name != "postgresql":
        raise UsageError(
            f"the database behind it is {engine.dialect.name}, not PostgreSQL",
            cure="Pass an AsyncSession, AsyncEngine or URL of a PostgreSQL database",
        )
    return engine, False


def address_of(url: URL) -> Address:
    """Where an engine's URL leads, for messages."""
    host = url.host or url.query.get("host") or "localhost"
    password = str(url.password) if url.password else ""
    port = url.port or url.query.get("port")
    return Address(
        host=host if isinstance(host, str) else ",".join(host),
        port=int(port) if isinstance(port, int | str) and str(port).isdecimal() else 5432,
        database=url.database or "",
        user=url.username or "",
        secrets=(password,) if password else (),
    )


def place_of(url: str) -> str:
    """
    Where a URL leads, as `host:port/database`.

    Raises:
        UsageError: it is no URL of a PostgreSQL database.
    """
    return address_of(_checked_url(url)).place


def _engine_behind(source: object) -> AsyncEngine:
    if isinstance(source, AsyncEngine):
        return source
    if isinstance(source, AsyncConnection):
        return source.engine
    if isinstance(source, AsyncSession | async_scoped_session):
        bind: Engine | Connection | None = None
        with suppress(SQLAlchemyError):
            bind = source.get_bind()
        if bind is None:
            raise UsageError(
                "the AsyncSession is bound to no engine", cure="Bind it to an AsyncEngine"
            )
        return AsyncEngine(bind.engine)
    kind = f"{type(source).__module__.split('.')[0]} {type(source).__name__}"
    raise UsageError(
        f"no async connection can be made from a {kind}",
        cure="Pass an AsyncSession, an AsyncEngine or a database URL"
        " (for a synchronous Session or Engine, pass its URL)",
    )


def _checked_url(source: str | URL) -> URL:
    url = None
    with suppress(SQLAlchemyError, ValueError):
        url = make_url(source)
    if url is None:
        raise _no_url("this is not a database URL")
    if url.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise _no_url(f"{url.drivername} is not PostgreSQL")
    if "@" in (url.host or ""):  # the rest of a password, which no message may show
        raise _no_url("the URL's password holds an @")
    driver = url.drivername.partition("+")[2]
    keeps = driver in ("asyncpg", "psycopg", "psycopg_async")
    return url.set(drivername=f"postgresql+{driver if keeps else 'psycopg'}")


def _no_url(what: str) -> UsageError:
    return UsageError(
        what,
        cure="Write postgresql://user:password@host:5432/database, with %40 for an @ in the"
        " password",
    )


def _engine_for(url: URL, connect_timeout_s: float) -> AsyncEngine:
    # A pooler in transaction mode cannot keep prepared statements: neither driver makes any.
    options: dict[str, Any]
    dialect: dict[str, Any] = {}
    if url.drivername.endswith("+asyncpg"):
        options = {"timeout": connect_timeout_s, "statement_cache_size": 0}
        url = url.update_query_dict({"prepared_statement_cache_size": "0"})
    else:
        options = {"connect_timeout": max(2, round(connect_timeout_s)), "prepare_threshold": None}
        # Whether there is an hstore is nothing that we need to ask.
        dialect["use_native_hstore"] = False
    try:
        return create_async_engine(url, poolclass=NullPool, connect_args=options, **dialect)
    except ImportError as error:
        name = error.name or "the driver"
        if name.startswith("psycopg"):
            raise MissingExtra(name, extra="postgres", purpose="reading a database") from None
        raise DatabaseUnavailable(
            f"the driver {name} of the URL is not installed",
            cure=f"pip install {name}, or write postgresql+psycopg:// in the URL",
        ) from None
    except (SQLAlchemyError, TypeError, ValueError):
        raise _no_url("the URL holds an option that the driver does not know") from None
