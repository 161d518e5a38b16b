"""
Asked: what the requests of one route asked of the database, statement by statement, and Exemplar:
one request as an example of where the time goes.

Both hold names of routes, normalised statements and lines of code, and no value of any parameter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from keiko_perf.model.series import OTHER

MAX_ASKED = 200
"""How many statements of routes are told apart; those that took the least time share `(other)`."""
MAX_EXEMPLARS = 3
"""Of each route; the slowest stay."""
MAX_ROUTES = 20
_AROUND = re.compile(
    r"(?:BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|RESET|DISCARD)\b"
    r"|SELECT pg_advisory_unlock_all\(\)",
    re.IGNORECASE,
)


def asks_for_something(statement: str) -> bool:
    """
    Whether a statement is more than what stands around others: a transaction's begin and end, or
    that by which a pool cleans a connection. However often it is sent, no list is behind it.
    """
    return _AROUND.match(statement) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    What one statement cost the requests of one route.

    Attributes:
        route: which one.
        statement: its normalised text.
        requests: in how many requests it was sent.
        count: how often in all.
        total_s: how long it took in all.
        most: how often in the request that sent it most.
        place: the line of the application that sends it again and again; empty if nothing does.
    """

    route: str
    statement: str
    requests: int
    count: int
    total_s: float
    most: int
    place: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.requests <= self.count or not self.total_s >= 0 or self.most < 1:
            raise ValueError("a statement was sent by some request, and took no negative time")

    @property
    def mean_s(self) -> float:
        """How long it took once."""
        return self.total_s / self.count

    @property
    def times(self) -> float:
        """How often a request that sent it did so."""
        return self.count / self.requests

    def merge(self, other: Asked) -> Asked:
        """Both as one, with the place of the one that repeated it more."""
        more = self if self.most >= other.most else other
        return replace(
            self,
            requests=self.requests + other.requests,
            count=self.count + other.count,
            total_s=self.total_s + other.total_s,
            most=more.most,
            place=more.place or self.place or other.place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """
    One request.

    Attributes:
        route: which one it took.
        at: when it was over, aware UTC.
        duration_s: how long it took.
        status: of its answer.
        parts_s: where its time went: SQL, waiting for the pool, for other services, its own code,
            waiting for the event loop, elsewhere.
        statements: the statements that it sent, with how often and for how long in all: those that
            took most time, and all others as `(other)`.
    """

    route: str
    at: datetime
    duration_s: float
    status: int
    parts_s: tuple[float, ...]
    statements: tuple[tuple[str, int, float], ...] = ()


def merged_asked(asked: Iterable[Asked], *, most: int = MAX_ASKED) -> tuple[Asked, ...]:
    """One for each route and statement, that which took the most time first; at *most* so many."""
    known: dict[tuple[str, str], Asked] = {}
    for one in asked:
        key = one.route, one.statement
        before = known.get(key)
        known[key] = one if before is None else before.merge(one)
    rest = known.pop((OTHER, OTHER), None)
    told = sorted(known.values(), key=lambda one: (-one.total_s, one.route, one.statement))
    for one in told[most:]:
        folded = replace(one, route=OTHER, statement=OTHER, place="")
        rest = folded if rest is None else rest.merge(folded)
    return tuple(told[:most]) if rest is None else (*told[:most], rest)


def merged_exemplars(exemplars: Iterable[Exemplar]) -> tuple[Exemplar, ...]:
    """The slowest of each route, of as many routes as there is room for; the slowest first."""
    routes: defaultdict[str, list[Exemplar]] = defaultdict(list)
    for one in sorted(exemplars, key=lambda one: -one.duration_s):
        kept = routes[one.route]
        if len(kept) < MAX_EXEMPLARS and one not in kept:
            kept.append(one)
    chosen = [one for kept in list(routes.values())[:MAX_ROUTES] for one in kept]
    return tuple(sorted(chosen, key=lambda one: -one.duration_s))
