"""
Asking: one question after the other, where one that fails is a gap and does not end the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Gap, Message, Text, say

T = TypeVar("T")
P = ParamSpec("P")


class Answers:
    """A round of questions to one database, and what could not be answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gaps: list[Gap] = []

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(self._gaps)

    def keep(self, *gaps: Gap) -> None:
        """Take in what a question says that it could not see."""
        self._gaps += [one for one in gaps if one not in self._gaps]

    async def ask(
        self,
        subject: Text,
        question: Callable[Concatenate[Database, P], Awaitable[T]],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> T | None:
        """
        What a question brings home; None if the server refused it, which is a gap then.

        Raises:
            DatabaseUnavailable: the connection was lost.
        """
        answer: T | None = None
        try:
            answer = await question(self._database, *args, **options)
        except StatementFailed as error:
            self.keep(refused(subject, error, self._database))
        await self._database.release()
        return answer


def refused(subject: Text, error: StatementFailed, database: Database) -> Gap:
    """The gap that a statement leaves which the server did not carry out."""
    remedy: Text = say("See the server's log for more")
    if error.sqlstate == "42501":
        remedy = grant(database)
    elif error.sqlstate == "57014":
        remedy = say("Allow a longer statement timeout, or ask when the server is less busy")
    elif error.sqlstate == "55P03":
        remedy = say("Ask again when the schema is not being changed")
    return Gap(
        subject=subject,
        reason=say("the server did not answer: {message}", message=error.message),
        remedy=remedy,
    )


def grant(database: Database) -> Message:
    """The right that lets this user see what others do."""
    return say("As a superuser: GRANT pg_monitor TO {user}", user=quoted(database.server.user))


def grant_reading(database: Database, names: list[str]) -> Message:
    """The right that lets this user read tables and sequences."""
    user = quoted(database.server.user)
    if database.server.major >= 14:
        return say("As a superuser: GRANT pg_read_all_data TO {user}", user=user)
    return say(
        "As their owner: GRANT SELECT ON {names} TO {user}", names=", ".join(names), user=user
    )
