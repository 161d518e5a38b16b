"""
What a database driver's error means to a person: what could not be done, and what would cure it.

psycopg, asyncpg and SQLAlchemy each wrap errors in their own way; what they have in common is
PostgreSQL's SQLSTATE. While connecting through libpq not even that is there, so the server's
words decide, and where they are not understood they are handed on. A password never is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.errors import DatabaseFull, DatabaseUnavailable

_NO_LONGER = 300
"""Characters of a server's message that are shown."""


class StatementFailed(DatabaseUnavailable):
    """
    The server answered a statement with an error.

    Attributes:
        sqlstate: PostgreSQL's code, such as `42501`; empty if the driver gave none.
        message: the server's own words, on one line.
    """

    def __init__(self, what: str, *, cure: str, sqlstate: str, message: str) -> None:
        super().__init__(what, cure=cure)
        self.sqlstate = sqlstate
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a database is, without its password; the password is kept only to be masked."""

    host: str
    port: int
    database: str
    user: str
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{self.user or '?'}@{self.host}:{self.port}/{self.database or '?'}"

    @property
    def place(self) -> str:
        """Without the user: whoever asks, it is the same database."""
        return f"{self.host}:{self.port}/{self.database or self.user or '?'}"

    def mask(self, text: str) -> str:
        """*text* without the password."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def connecting_failed(
    error: BaseException, address: Address, *, timeout_s: float
) -> DatabaseUnavailable:
    """The error of a connection that did not come about."""
    state, said = sqlstate(error), _words(error, address)
    server = f"the server at {address.host}:{address.port}"
    if isinstance(error, TimeoutError) or "timeout expired" in said:
        return DatabaseUnavailable(
            f"{server} did not answer within {timeout_s:g} s",
            cure="Check host and port, and that no firewall is between; if a pool lends the"
            " connection, that it is not exhausted",
        )
    if "QueuePool limit" in said:
        return DatabaseUnavailable(
            "the engine's own connection pool is exhausted",
            cure="Give the pool a larger size, or pass the database's URL instead of the session",
        )
    if state in ("28P01", "28000") or _any(said, "password", "authentication failed", "pg_hba"):
        return DatabaseUnavailable(
            f"{server} does not let the user {address.user!r} in: {said}",
            cure="Check user name and password (a special character in a URL is written %40 for @,"
            " %2F for /), and the server's pg_hba.conf",
        )
    if state == "3D000" or ("database" in said and "does not exist" in said):
        return DatabaseUnavailable(
            f"there is no database {address.database!r} on {server}",
            cure="Check the name after the last slash of the URL, or create the database",
        )
    if state == "53300" or _any(said, "too many clients", "remaining connection slots", "too many"):
        return DatabaseFull(
            f"{server} has no connection left: {said}",
            cure="End connections that are not needed, raise max_connections, or put a pooler"
            " in front",
        )
    if state == "57P03" or _any(said, "starting up", "shutting down", "in recovery mode"):
        return DatabaseUnavailable(
            f"{server} takes no connections now: {said}", cure="Wait a moment and try again"
        )
    if _any(said, "could not translate host name", "resolve host", "Name or service not known"):
        return DatabaseUnavailable(
            f"the host name {address.host!r} is not known", cure="Check the host in the URL"
        )
    return DatabaseUnavailable(
        f"{server} cannot be reached: {said}",
        cure="Check that PostgreSQL runs there, and host and port of the URL",
    )


def statement_failed(
    error: BaseException, address: Address, *, statement_timeout_s: float, lock_timeout_s: float
) -> DatabaseUnavailable:
    """The error of a statement that the server did not carry out."""
    state, said = sqlstate(error), _words(error, address)
    what, cure = f"the server refused a statement: {said}", "See the server's log for more"
    if state == "57014":
        what = f"a statement did not end within {statement_timeout_s:g} s and was cancelled"
        cure = "Try again when the server is less busy, or allow a longer statement timeout"
    elif state == "55P03":
        what = f"a lock was not free within {lock_timeout_s:g} s"
        cure = "Try again when the schema is not being changed, or allow a longer lock timeout"
    elif state == "42501":
        what = f"the user {address.user!r} lacks a right: {said}"
        cure = f"GRANT pg_monitor TO {quoted(address.user)}, or the right that is named"
    elif is_lost(error):
        return DatabaseUnavailable(
            f"the server at {address.host}:{address.port} ended the connection: {said}",
            cure="See the server's log for why, and try again once it is up",
        )
    return StatementFailed(what, cure=cure, sqlstate=state, message=said)


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error, whichever driver raised it; empty if there is none."""
    for one in _chain(error):
        state = getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)
        if isinstance(state, str):
            return state
    return ""


def is_lost(error: BaseException) -> bool:
    """Whether the connection did not survive the error."""
    if sqlstate(error)[:2] == "08" or sqlstate(error) in ("57P01", "57P02", "57P03", "57P05"):
        return True
    return any(
        getattr(one, "connection_invalidated", False) or isinstance(one, OSError)
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was wrapped around."""
    for _ in range(8):
        if error is None:
            return
        yield error
        error = getattr(error, "orig", None) or error.__cause__


def _words(error: BaseException, address: Address) -> str:
    """The first line of the innermost message, masked and cut."""
    inner = next((getattr(one, "orig", None) for one in _chain(error)), None) or error
    # asyncpg's errors come wrapped as "<class '…'>: message"
    lines = str(inner).split(">: ", 1)[-1].strip().splitlines()
    text = address.mask(lines[0].strip() if lines else type(inner).__name__)
    return (text if len(text) <= _NO_LONGER else text[:_NO_LONGER] + "…").rstrip(".")


def _any(text: str, *words: str) -> bool:
    return any(word in text for word in words)
