"""
The one place where SQL is sent.

It leaves no mark: every statement runs in a read-only transaction that is rolled back, under a
statement and a lock timeout, as application `keiko-perf`, and carries the comment
`/* keiko-perf */`. All settings are local to the transaction, so that a borrowed connection goes
back as it came, and a pooler in transaction mode may stand between.

SQL of ours finds only what is in pg_catalog: a function or operator that somebody put into a
schema of the search path under a built-in's name is never called with our rights.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar

from keiko_perf.diagnosis.connecting import (
    GRACE_S,
    check_timeouts,
    closed,
    is_lost_by_driver,
    opened,
    within,
    without_prepared_statements,
)
from keiko_perf.diagnosis.failure import Address, StatementFailed, statement_failed
from keiko_perf.diagnosis.server import UNKNOWN, WHO_IS_THERE, Server, server_of
from keiko_perf.diagnosis.source import Source, address_of, engine_of
from keiko_perf.errors import DatabaseUnavailable, KeikoError, MissingExtra

try:
    from sqlalchemy import Executable, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection
except ImportError as missing:  # pragma: no cover - needs an environment without the extra
    raise MissingExtra("sqlalchemy", extra="postgres", purpose="reading a database") from missing

__all__ = ["TAG", "Database", "Server", "server_of"]

TAG = "/* keiko-perf */"
APPLICATION = "keiko-perf"

T = TypeVar("T")

_CONNECT_TIMEOUT_S = 10.0
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
OUR_SETTINGS = {"search_path": "pg_catalog, pg_temp", "jit": "off"}
"""For SQL of ours: to compile a question to the catalog takes longer than to answer it."""


class Database:
    """
    A connection that only reads. For one task: statements are sent one after the other.

    `rows`, `row` and `value` send SQL of ours with `:name` parameters, `send` sends SQL as it is
    written. Each call is a transaction of its own, or a part of the one of `transaction()`. Names
    without a schema are looked for in pg_catalog alone by the former, and along the user's own
    search path by the latter and within `transaction()`.

    Errors of the server are `StatementFailed`, with its SQLSTATE; after one the connection can
    be used on. A lost connection is a plain `DatabaseUnavailable`.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        *,
        address: Address,
        server: Server,
        statement_timeout_s: float,
        lock_timeout_s: float,
    ) -> None:
        self._connection = connection
        self._address = address
        self._statement_timeout_s = statement_timeout_s
        self._lock_timeout_s = lock_timeout_s
        self._in_transaction = False
        self._is_read_only = True
        self.server = server

    def __repr__(self) -> str:
        return f"Database({self._address!r})"

    @property
    def place(self) -> str:
        """Where it is, as `host:port/database`."""
        return self._address.place

    @property
    def sends_as_text(self) -> bool:
        """
        Whether the driver sends a statement without parameters as text alone. asyncpg prepares
        each, and takes a `$1` in it for a parameter of its own.
        """
        return bool(self._connection.dialect.driver != "asyncpg")

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        source: Source,
        *,
        statement_timeout_s: float = 30.0,
        lock_timeout_s: float = 1.0,
        connect_timeout_s: float = _CONNECT_TIMEOUT_S,
    ) -> AsyncIterator[Self]:
        """
        Connect to a URL, or with a connection of its own from the engine behind *source*.

        Args:
            source: a database URL, an AsyncEngine, or an AsyncSession or AsyncConnection, of which
                only the engine is used: what it has not committed is not seen.
            statement_timeout_s: after this the server gives up a statement.
            lock_timeout_s: after this the server gives up to wait for a lock.
            connect_timeout_s: after this a server that does not answer counts as not there.

        Raises:
            UsageError: *source* is nothing that an async connection can be made from.
            DatabaseUnavailable: the server cannot be reached, does not let us in, or is not
                PostgreSQL 13 or newer.
        """
        check_timeouts(statement_timeout_s, lock_timeout_s, connect_timeout_s)
        engine, is_ours = engine_of(source, connect_timeout_s)
        address = address_of(engine.url)
        try:
            connection = await opened(engine, address, connect_timeout_s)
            try:
                unprepared = await without_prepared_statements(connection)
                database = cls(
                    connection,
                    address=address,
                    server=UNKNOWN,
                    statement_timeout_s=statement_timeout_s,
                    lock_timeout_s=lock_timeout_s,
                )
                database.server = await database._who_is_there()
                try:
                    yield database
                finally:
                    unprepared()
            finally:
                await closed(connection)
        finally:
            if is_ours:
                await engine.dispose()

    async def rows(self, sql: str, /, **parameters: object) -> list[dict[str, Any]]:
        """
        The rows of a query of ours, each as a dict.

        Args:
            sql: with `:name` parameters; the type of one is told by CAST(:name AS type). What is
                not in pg_catalog stands with its schema; within `transaction()` everything does.

        Raises:
            StatementFailed: the server answered with an error.
            DatabaseUnavailable: the connection was lost.
        """
        return await self._run(text(f"{TAG} {sql}"), parameters, settings=OUR_SETTINGS)

    async def row(self, sql: str, /, **parameters: object) -> dict[str, Any] | None:
        """The first row of a query, or None if there is none."""
        rows = await self.rows(sql, **parameters)
        return rows[0] if rows else None

    async def value(self, sql: str, /, **parameters: object) -> Any:
        """The first column of the first row of a query; None if there is no row."""
        row = await self.row(sql, **parameters)
        return next(iter(row.values())) if row else None

    async def send(self, sql: str, /) -> list[dict[str, Any]]:
        """
        The rows of a single statement exactly as written: colons and % are plain characters.

        It runs as read-only as all others, but a COMMIT in it would end that: a statement that a
        user wrote goes through `safety.inspect` first.
        """
        return await self._run(f"{TAG} {sql}")

    async def send_together(self, statements: Sequence[str]) -> list[list[dict[str, Any]]]:
        """
        The rows of each of some statements as `send` sends them, all in one message where the
        driver can. Where one fails, those after it are not carried out.
        """
        if not self.sends_as_text:
            return [await self.send(one) for one in statements]
        if not self._in_transaction:
            async with self.transaction():
                return await self.send_together(statements)
        # What a statement ends with may be a comment up to the end of the line.
        message = "\n;\n".join(f"{TAG} {one}" for one in statements)
        async with self._undone_if_it_fails():
            self._check_connected()
            held: Any = (await self._connection.get_raw_connection()).driver_connection
            return await self._answered(_rows_of_each(held, message))

    @asynccontextmanager
    async def transaction(
        self, *, read_only: bool = True, settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[None]:
        """
        Keep one transaction, and thereby one server process, for several statements.

        A statement that fails is undone, the others stay. It is always rolled back at the end.

        Args:
            read_only: False allows writes (until they are rolled back): only on a database that
                the caller declared to be its own.
            settings: server settings for its duration, such as `plan_cache_mode`; they override
                this connection's own.
        """
        if self._in_transaction:
            raise RuntimeError("a transaction is open already, and they do not nest")
        await self._begin(read_only=read_only, settings=settings or {})
        try:
            yield
        finally:
            await self._end()

    async def release(self) -> None:
        """
        Give back the locks that the statements of a read-only `transaction()` have taken.

        A plan, too, locks the tables that it is for until the end: as long as an INSERT was
        planned, nobody can make an index, and whoever waits to do so stops all that come after.
        """
        if self._in_transaction and self._is_read_only:
            await self._command("ROLLBACK TO SAVEPOINT keiko_perf")

    async def _run(
        self,
        statement: Executable | str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        if not self._in_transaction:
            async with self.transaction(settings=settings):
                return await self._run(statement, parameters)
        async with self._undone_if_it_fails():
            return await self._execute(statement, parameters)

    @asynccontextmanager
    async def _undone_if_it_fails(self) -> AsyncIterator[None]:
        if not self._is_read_only:
            await self._command("SAVEPOINT keiko_perf")
        try:
            yield
        except StatementFailed:
            # In a read-only transaction the savepoint of its beginning serves them all.
            await self._command("ROLLBACK TO SAVEPOINT keiko_perf")
            raise

    async def _begin(self, *, read_only: bool, settings: Mapping[str, str]) -> None:
        mode = "READ ONLY" if read_only else "READ WRITE"
        self._in_transaction, self._is_read_only = True, read_only
        try:
            await self._command(f"{_BEGIN} {mode}")
            ours = self._settings() | dict(settings)
            calls = ", ".join(
                f"pg_catalog.set_config(:n{i}, :v{i}, true)" for i in range(len(ours))
            )
            values = {f"n{i}": name for i, name in enumerate(ours)}
            values |= {f"v{i}": value for i, value in enumerate(ours.values())}
            await self._execute(text(f"{TAG} SELECT {calls}"), values)
            await self._command("SAVEPOINT keiko_perf")
        except BaseException:
            await self._end()
            raise

    async def _end(self) -> None:
        self._in_transaction = False
        try:
            await self._command("ROLLBACK")
        except BaseException as error:
            # A connection in an unknown state must not go back to a pool.
            with suppress(SQLAlchemyError):
                await self._connection.invalidate()
            # Whatever broke the connection has been raised by the statement that it hit.
            if not isinstance(error, DatabaseUnavailable):
                raise

    def _settings(self) -> dict[str, str]:
        return {
            "statement_timeout": f"{round(self._statement_timeout_s * 1000)}ms",
            "lock_timeout": f"{round(self._lock_timeout_s * 1000)}ms",
            "idle_in_transaction_session_timeout": "60s",
            "application_name": APPLICATION,
            # A backslash must mean to the server what it means to the parser that vetted the SQL.
            "standard_conforming_strings": "on",
        }

    async def _command(self, sql: str) -> None:
        """
        One of the statements around a transaction. They go as text alone: asyncpg prepares what
        goes through SQLAlchemy, and outside of a transaction a pooler may hand what was prepared
        on one server process to another.
        """
        if self.sends_as_text:
            await self._execute(f"{TAG} {sql}")
            return
        self._check_connected()
        held: Any = (await self._connection.get_raw_connection()).driver_connection
        await self._answered(held.execute(f"{TAG} {sql}"))

    async def _execute(
        self, statement: Executable | str, parameters: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        self._check_connected()
        if isinstance(statement, str):
            sent = self._connection.exec_driver_sql(
                statement, execution_options={"no_parameters": True}
            )
        else:
            sent = self._connection.execute(statement, parameters)
        result = await self._answered(sent)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def _check_connected(self) -> None:
        if self._connection.invalidated:
            raise DatabaseUnavailable(
                "the connection to the database was lost", cure="Connect again"
            )

    async def _answered(self, sent: Awaitable[T]) -> T:
        """What the driver hands back, in time; its errors in our words."""
        try:
            return await within(self._statement_timeout_s + GRACE_S, sent)
        except Exception as error:  # what drivers raise has no common root
            failure = self._failure(error)
        # Raised out here so that not even the hidden context holds the driver's words.
        raise failure

    def _failure(self, error: Exception) -> KeikoError:
        if isinstance(error, TimeoutError) and not is_lost_by_driver(error):
            return DatabaseUnavailable(
                f"the server did not answer within {self._statement_timeout_s + GRACE_S:g} s",
                cure="Check that the server is not frozen and the network holds",
            )
        return statement_failed(
            error,
            self._address,
            statement_timeout_s=self._statement_timeout_s,
            lock_timeout_s=self._lock_timeout_s,
        )

    async def _who_is_there(self) -> Server:
        return server_of((await self.send(WHO_IS_THERE))[0])


async def _rows_of_each(connection: Any, message: str) -> list[list[dict[str, Any]]]:
    """What psycopg answers to a message of several statements."""
    async with connection.cursor(row_factory=_as_dicts) as cursor:
        await cursor.execute(message)
        answers = []
        while True:
            answers.append(await cursor.fetchall() if cursor.description else [])
            if not cursor.nextset():
                return answers


def _as_dicts(cursor: Any) -> Callable[[Sequence[Any]], dict[str, Any]]:
    names = [column.name for column in cursor.description or ()]
    return lambda values: dict(zip(names, values, strict=True))
