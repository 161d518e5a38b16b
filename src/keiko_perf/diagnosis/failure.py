"""
What a database driver's error means to a person: what could not be done, and what would cure it.

psycopg, asyncpg and SQLAlchemy each wrap errors in their own way; what they have in common is
PostgreSQL's SQLSTATE. While connecting through libpq not even that is there, so the server's
words decide, and where they are not understood they are handed on. A password never is.
"""

from __future__ import annotations

import re
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

    @property
    def server(self) -> str:
        """It, in a sentence."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the server at {host}:{self.port}"

    def mask(self, text: str) -> str:
        """*text* without the password."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What one kind of failed connection means, by its SQLSTATE or else by the server's words."""

    states: tuple[str, ...] = ()
    words: str
    what: str
    cure: str
    kind: type[DatabaseUnavailable] = DatabaseUnavailable


_CASES = (
    _Case(
        words="timeout expired",
        what="{server} did not answer within {timeout_s:g} s",
        cure="Check host and port, and that no firewall is between; if a pool lends the"
        " connection, that it is not exhausted",
    ),
    _Case(
        words="QueuePool limit",
        what="the engine's own connection pool is exhausted",
        cure="Give the pool a larger size, or pass the database's URL instead of the session",
    ),
    _Case(
        states=("28P01", "28000"),
        words="password|authentication failed|pg_hba|role .* does not exist",
        what="{server} does not let the user {user!r} in: {said}",
        cure="Check user name and password (a special character in a URL is written %40 for @,"
        " %2F for /), and the server's pg_hba.conf",
    ),
    _Case(
        states=("3D000",),
        words="database .*does not exist",
        what="there is no database {database!r} on {server}",
        cure="Check the name after the last slash of the URL, or create the database",
    ),
    _Case(
        states=("53300",),
        words="too many|remaining connection slots",
        what="{server} has no connection left: {said}",
        cure="End connections that are not needed, raise max_connections, or put a pooler in front",
        kind=DatabaseFull,
    ),
    _Case(
        states=("57P03",),
        words="starting up|shutting down|in recovery mode",
        what="{server} takes no connections now: {said}",
        cure="Wait a moment and try again",
    ),
    _Case(
        words="could not translate host name|resolve host|Name or service not known",
        what="the host name {host!r} is not known",
        cure="Check the host in the URL",
    ),
    _Case(
        words=r"\bSSL\b|certificate",
        what="{server} does not agree on TLS: {said}",
        cure="Say in the URL what the server has: ?sslmode=disable, require, or verify-full with"
        " &sslrootcert=ca.pem",
    ),
    _Case(
        words="connection option|URI query parameter|sslmode value",
        what="the URL says what the driver does not know: {said}",
        cure="Leave it out, or write it as libpq does, such as ?connect_timeout=5",
    ),
    _Case(
        words="",  # whatever else
        what="{server} cannot be reached: {said}",
        cure="Check that PostgreSQL runs there, and host and port of the URL",
    ),
)


def connecting_failed(
    error: BaseException, address: Address, *, timeout_s: float
) -> DatabaseUnavailable:
    """The error of a connection that did not come about."""
    state, said = sqlstate(error), _words(error, address)
    known = "timeout expired" if isinstance(error, TimeoutError) else said
    case = next(one for one in _CASES if state in one.states or re.search(one.words, known))
    what = case.what.format(
        server=address.server,
        host=address.host,
        user=address.user,
        database=address.database,
        timeout_s=timeout_s,
        said=said,
    )
    return case.kind(what, cure=case.cure)


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
            f"{address.server} ended the connection: {said}",
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
