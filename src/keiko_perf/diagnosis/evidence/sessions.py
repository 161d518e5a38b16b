"""
Sessions: who is connected, in which transaction, and who waits for whom.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """
    One connection.

    Attributes:
        pid: of the server's process.
        user: as whom it is in; empty if not known.
        application: the name that the client gave itself.
        state: `active`, `idle in transaction` and so on; None if not seen.
        query: its current or last statement, cut.
        transaction_s: how long its transaction has been open; None if none is.
        state_s: how long it has been in its state.
        holds_back_rows: how many transactions' dead rows it keeps from being cleaned up.
        is_here: whether it is in this database: no other's rows are held back by it.
        waits_for: the class of what it waits for, such as `Lock`; None if it does not wait.
    """

    pid: int
    user: str = ""
    application: str = ""
    state: str | None = None
    query: str = ""
    transaction_s: float | None = None
    state_s: float | None = None
    holds_back_rows: int | None = None
    is_here: bool = True
    waits_for: str | None = None

    @property
    def is_idle_in_transaction(self) -> bool:
        return (self.state or "").startswith("idle in transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """
    A session that waits for a lock.

    Attributes:
        pid: who waits.
        blockers: who is in its way, holders as well as those before it in the queue; 0 is a
            prepared transaction.
        mode: the lock that it wants, such as `AccessExclusiveLock`.
        on: what it wants to lock: a table as one would write it, or the kind of the lock.
        held: the locks that the blockers hold on it, joined by a comma; empty if not known.
        waits_s: since when; None if not known.
    """

    pid: int
    blockers: tuple[int, ...]
    mode: str
    on: str
    held: str = ""
    waits_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTransaction:
    """
    A transaction that was prepared for a two-phase commit, and waits for its end.

    Attributes:
        name: what it was prepared as.
        age_s: since when.
        user: who prepared it.
        holds_back_rows: how many transactions' dead rows it keeps from being cleaned up.
        is_here: whether it is of this database.
    """

    name: str
    age_s: float
    user: str
    holds_back_rows: int | None = None
    is_here: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """
    Attributes:
        used: connections of clients, to all databases, ours not counted.
        most: how many there may be, those reserved for superusers not counted.
        by_state: how many are in each state, to all databases.
        sessions: those that are long in a transaction, wait for a lock, or are in the way of one.
        sessions_left_out: how many such are not listed.
        waiters: those that wait for a lock.
        prepared: transactions prepared for a two-phase commit.
    """

    used: int
    most: int
    by_state: tuple[tuple[str, int], ...] = ()
    sessions: tuple[Session, ...] = ()
    sessions_left_out: int = 0
    waiters: tuple[Waiter, ...] = ()
    prepared: tuple[PreparedTransaction, ...] = ()

    @property
    def used_ratio(self) -> float:
        return self.used / self.most if self.most else 1.0
