"""
Price: what the planner says that a statement costs, and the conversation in which it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.visits import Visit
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.errors import StatementRefused


@dataclass(frozen=True, slots=True)
class Price:
    """
    The planner's answer.

    Attributes:
        cost: the plan's total cost, in the planner's units.
        used: the indexes in question that the plan uses.
        scans: what reading each table costs in the plan; None if not known.
        rows: how many it expects the statement to give or change; None if not known.
        given: how many rows each table gives after its filters; empty if not known.
        ways: how it reads each table, such as `Seq Scan`.
        visits: where it reads tables by indexes.
    """

    cost: float
    used: frozenset[Index]
    scans: Mapping[TableName, float] | None = None
    rows: float | None = None
    given: Mapping[TableName, float] = field(default_factory=dict, compare=False)
    ways: Mapping[TableName, str] = field(default_factory=dict, compare=False)
    visits: tuple[Visit, ...] = field(default=(), compare=False)


class Session(Protocol):
    """One conversation with the planner."""

    @property
    def planner_calls(self) -> int:
        """How often the planner was asked."""
        ...

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        """
        What a statement costs if just these indexes were there besides the real ones.

        Args:
            text: the statement.
            parameters: how many `$n` it has.
            indexes: what is assumed to be there.

        Raises:
            StatementRefused: the server cannot plan it.
            IndexRefused: it cannot make one of the indexes.
        """
        ...

    async def size_bytes(self, index: Index) -> int | None:
        """
        How large the index would be; None if nobody can say.

        Raises:
            IndexRefused: it cannot be made.
        """
        ...

    async def sizes(self, indexes: Iterable[Index]) -> Mapping[Index, int | IndexRefused | None]:
        """How large many indexes would be; for each that cannot be made the refusal."""
        ...

    def can_assume(self, index: Index) -> bool:
        """Whether it can price an index of this kind."""
        ...


@dataclass(slots=True)
class Around:
    """
    A session that asks another one.

    Args:
        session: the other one.
    """

    session: Session

    @property
    def planner_calls(self) -> int:
        return self.session.planner_calls

    def can_assume(self, index: Index) -> bool:
        return self.session.can_assume(index)

    async def size_bytes(self, index: Index) -> int | None:
        return await self.session.size_bytes(index)

    async def sizes(self, indexes: Iterable[Index]) -> Mapping[Index, int | IndexRefused | None]:
        return await self.session.sizes(indexes)

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        return await self.session.price(text, parameters, indexes)


class Pricer(Protocol):
    """A way to ask what an index would bring."""

    @property
    def name(self) -> str:
        """By what its answers are verified: `Recommendation.verified_by`."""
        ...

    def session(self, database: Database) -> AbstractAsyncContextManager[Session]:
        """A conversation; when it ends, nothing of it is left on the server."""
        ...


class IndexRefused(StatementRefused):
    """The server cannot make an index; `index` says which."""

    def __init__(self, index: Index, reason: str) -> None:
        super().__init__(f"no index on {index} can be made: {reason}", cure="Leave this index out")
        self.index = index
        self.reason = reason


class TableLocked(StatementRefused):
    """A statement was not planned because somebody keeps a table of it locked."""
