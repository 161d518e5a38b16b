"""
Symptoms: what a service and its database showed over one stretch of time, as plain values. Pure.

Either of the two may be missing. Times are sums over the stretch; what users wait for is the time
of all requests, and where there is no service, that of all statements.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.model import Asked, BlockingCall, Finding, Repeats
from keiko_perf.model.awaited import AwaitedAt

FEW_ANSWERED = 5
"""From here on what was answered tells where the time goes."""
MANY_OF_ONE = 5.0
"""So many are under way for each that was answered, where they get nowhere."""
LEAST_STUCK = 1.0
"""As many requests are under way all the time, or it may be one that just came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTime:
    """
    The requests of one route, and where their time went.

    Attributes:
        route: which one.
        count: how many requests.
        sql_s, pool_s, http_s, code_s, loop_s, elsewhere_s: statements, waiting for a database
            connection, for other services, own code, waiting for the event loop, anything else.
        in_thread: whether its handler runs in a thread, whose time is `elsewhere_s`.
    """

    route: str
    count: int
    sql_s: float = 0.0
    pool_s: float = 0.0
    http_s: float = 0.0
    code_s: float = 0.0
    loop_s: float = 0.0
    elsewhere_s: float = 0.0
    in_thread: bool = False

    @property
    def total_s(self) -> float:
        """How long the requests took in all."""
        return self.sql_s + self.pool_s + self.http_s + self.code_s + self.loop_s + self.elsewhere_s


MOST_KEPT = 0.4
"""Of all connections: with so many gone, requests wait for the rest."""
MOST_KEPT_OF_ONE = 0.75
"""Of those of one worker, where it is known that one had none left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUse:
    """
    Attributes:
        waits: how often a connection was asked for.
        wait_s: how long that took in all.
        failed: how often it was in vain.
        holds: how often a connection was given back.
        hold_s: for how long they were held in all.
        size: how many there may be in all workers; None if there is no bound, or it is not known.
        in_use: how many were in use on average; None if it is not known.
        peak: how many were in use at once in one worker, at most; likewise.
        kinds: whose they are: `sqlalchemy`, `asyncpg` or `psycopg`.
        workers: how many processes have one; None is as many as serve requests.
    """

    waits: int
    wait_s: float
    failed: int
    holds: int
    hold_s: float
    size: float | None = None
    in_use: float | None = None
    peak: float | None = None
    kinds: tuple[str, ...] = ()
    workers: int | None = None

    @property
    def mean_hold_s(self) -> float | None:
        """For how long a connection is held; None if none was given back."""
        return self.hold_s / self.holds if self.holds else None

    def held_s(self, window_s: float) -> float:
        """For how long connections were held, also those that did not come back."""
        kept = self.kept(window_s) or 0.0
        return self.hold_s + (kept * window_s if kept >= 1.0 else 0.0)

    def kept(self, window_s: float) -> float | None:
        """
        How many connections were in use all the time, by none that came back: by
        Little's law those that do come back keep as many busy as their holds take of the time.
        """
        if self.in_use is None or not window_s > 0:
            return None
        return max(self.in_use - self.hold_s / window_s, 0.0)

    def lost(self, window_s: float, workers: int) -> float | None:
        """
        How many of those are so many that requests wait for it; None if they are not.

        Each worker has a pool of its own: one whose connections are all kept stands beside others
        that have plenty.
        """
        kept = self.kept(window_s)
        if kept is None or not self.size:
            return None
        own = self.size / max(self.workers or workers, 1)
        is_used_up = self.peak is not None and self.peak >= own
        least = MOST_KEPT_OF_ONE * own if is_used_up else MOST_KEPT * self.size
        return kept if kept >= max(min(least, MOST_KEPT * self.size), 1.0) else None

    @property
    def ceiling_per_s(self) -> float | None:
        """How many holds a second there can be at most."""
        mean_s = self.mean_hold_s
        return self.size / mean_s if self.size and mean_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWait:
    """
    Sessions of one statement that waited for a lock.

    Attributes:
        statement: its text.
        ratio: the share of its time that it waited, of all looks in which it ran.
        looks: how often it was seen to wait.
        on: what it waits for: a table, or the kind of the lock.
        blocker: the last statement of who is in the way; empty if that may not be seen.
        blocker_state: such as `idle in transaction`.
    """

    statement: str
    ratio: float
    looks: int
    on: str
    blocker: str = ""
    blocker_state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCure:
    """
    An index that makes a statement cheaper, or several that do it together.

    Attributes:
        statement: the text of the statement that gains.
        sql: what makes them.
        undo: what takes them back.
        places: table and columns of each, for a person.
        factor: how many times cheaper; None if nobody verified it.
        verified_by: who says so; None if nobody.
    """

    statement: str
    sql: str
    undo: str
    places: tuple[str, ...]
    factor: float | None
    verified_by: str | None

    @property
    def on(self) -> str:
        """All the places."""
        return "; ".join(self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """
    Why a statement takes long that no index helps.

    Attributes:
        statement: its text.
        finding: what a rule noticed of it, of its plan, or of a table that it reads.
        is_before_index: whether it goes before an index that would help: the planner is wrong
            about what the statement costs, and so about what it would cost with the index.
    """

    statement: str
    finding: Finding
    is_before_index: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTime:
    """Calls of one other service: how many, for how long in all, and how many failed."""

    host: str
    count: int
    total_s: float
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementTime:
    """
    One statement, as the database counted it, and how long all its executions took.

    Attributes:
        rows: how many it returned in all; None if it returns none, or it is not known.
    """

    statement: str
    count: int
    total_s: float
    rows: int | None = None

    @property
    def mean_s(self) -> float:
        return self.total_s / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """
    Memory that grows and does not stop.

    Attributes:
        per_s: bytes a second.
        grown_bytes: by how much, in the time that was looked at.
        over_s: how long that was.
        rss_bytes: how much the process holds now.
        full_in_s: when there is none left at this pace; None if the limit is not known.
        blocks_per_s: how many more objects of Python's there are each second; None if not known.
    """

    per_s: float
    grown_bytes: float
    over_s: float
    rss_bytes: float
    full_in_s: float | None = None
    blocks_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadUse:
    """
    The threads that handlers without async run in, of one worker, on average.

    Attributes:
        size: how many there may be.
        in_use: how many are at work.
        waiting: how many handlers wait for one.
    """

    size: float
    in_use: float
    waiting: float

    @property
    def waiting_ratio(self) -> float:
        """Of those that wait or have one: how many wait. Of their time it is the same share."""
        there = self.waiting + self.in_use
        return self.waiting / there if there else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptoms:
    """
    Attributes:
        window_s: how long was measured.
        routes: empty if no service was asked, or it does not say where its time goes.
        asked: what the requests of each route asked of the database.
        blocking: what held the event loop.
        pool: None if no pool is watched.
        outgoing: calls of other services.
        awaited: where requests were seen to await what nothing watches.
        statements: what the database executed; empty if it was not asked.
        locks: who waited for locks.
        deadlocks: how many transactions the database ended to resolve one.
        looks: how often the sessions of the database were looked at.
        cures: indexes that would help.
        reasons: why statements take long that none helps.
        growth: of the process's memory; None if it does not grow.
        has_database: whether the database was asked.
        queued_ratio: of the time that the service wanted to compute, how long it queued for a
            processor; None if it is not known.
        throttled_ratio: how much of the time its container stood still because its quota of
            processors was used up; None if it has none, or it is not known.
        repeats: what was asked again within the last hour, as far as it was looked at.
        workers: how many processes the service has.
        loop: the module of their event loop's class; empty if it is not known.
        max_connections: how many the database has for all its clients; None if it was not asked.
        threads: None where no handler runs in a thread, or it is not known.
        in_flight: how many requests were under way, on average; None if it is not known.
    """

    window_s: float = 0.0
    routes: tuple[RouteTime, ...] = ()
    asked: tuple[Asked, ...] = ()
    blocking: tuple[BlockingCall, ...] = ()
    pool: PoolUse | None = None
    outgoing: tuple[HostTime, ...] = ()
    awaited: tuple[AwaitedAt, ...] = ()
    statements: tuple[StatementTime, ...] = ()
    locks: tuple[LockWait, ...] = ()
    deadlocks: int = 0
    looks: int = 0
    cures: tuple[IndexCure, ...] = ()
    reasons: tuple[Reason, ...] = ()
    growth: Growth | None = None
    has_database: bool = False
    queued_ratio: float | None = None
    throttled_ratio: float | None = None
    repeats: tuple[Repeats, ...] = ()
    workers: int = 1
    loop: str = ""
    max_connections: int | None = None
    threads: ThreadUse | None = None
    in_flight: float | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether requests are under way, and not one was answered, or a few of many."""
        answered = sum(one.count for one in self.routes)
        least = max(LEAST_STUCK, MANY_OF_ONE * answered)
        return answered < FEW_ANSWERED and (self.in_flight or 0.0) >= least

    @property
    def total_s(self) -> float:
        """How long users waited in all; of a database alone, how long its clients did."""
        if self.routes:
            return sum(one.total_s for one in self.routes)
        return sum(one.total_s for one in self.statements)

    @property
    def requests(self) -> int:
        """How many requests there were; of a database alone, how many executions."""
        return sum(one.count for one in (self.routes or self.statements))
