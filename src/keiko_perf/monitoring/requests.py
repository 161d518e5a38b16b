"""
Requests: what the middleware notes of each, for the price of an append, until it is counted.

To note takes no lock: to append to a list or a deque is one step, in whichever thread. Counting is
put off until some hundred are over or somebody looks, and then it is done route by route, with all
of it at hand in the processor's caches. Pure, but for the lock that its recorder holds while it
counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from keiko_perf.model import Exemplar, Kind
from keiko_perf.monitoring.attribution import Part
from keiko_perf.monitoring.routes import CONTEXT, Routed, RouteNames
from keiko_perf.monitoring.tally import Cell, Tally, Told

AT_ONCE = 400
"""So many that are over are worth to be counted."""
FAILED = 500
"""The status of a request that came to its end without an answer."""
MAX_SPLIT = 20
"""Of how many routes a window tells where their time went."""
LEAST_PART_S = 1e-6
"""What took less time than a histogram can tell is no part."""
DISCONNECTED = "disconnected"

Spent = tuple[Sequence[float], Mapping[str, Told] | None]
"""
Where the time of a request went: its parts in the order of `Part`, of which the last is whatever
the others leave of its duration, and its statements.
"""
Pieces = tuple[int, float]
"""Of an answer in pieces: the length of all but the last, and when the first was sent."""
GONE: Pieces = (-1, -1.0)
"""Its client left: how long it would have taken is not known."""
Over = tuple[
    str | Routed,
    str,
    Mapping[str, Any] | None,
    float,
    int,
    int,
    int,
    Pieces | None,
    Spent | None,
]
"""
A request that is over: its route, or three things that tell it (`RouteNames.later`), how long it
took until the last byte, its status, the length of its last piece, how many had come, its pieces,
and where its time went.
"""


class Requests:
    """
    Args:
        names: names what the middleware took out of the scope.

    Attributes:
        came: as long as there are requests that came in and are not counted yet.
        over: those of them that are over.
        enough: it is time to count once `came` is as long.
    """

    __slots__ = ("came", "enough", "names", "over")

    def __init__(self, names: RouteNames) -> None:
        self.names = names
        self.came: list[None] = []
        self.over: deque[Over] = deque()
        self.enough = AT_ONCE

    @property
    def under_way(self) -> int:
        """How many came in and are not over."""
        while True:
            over = len(self.over)
            came = len(self.came)
            # Else one was noted between the two, by another thread.
            if over == len(self.over):
                return came - over

    def note(
        self,
        route: str,
        duration_s: float,
        *,
        status: int = 200,
        sent_bytes: int = 0,
        spent: Spent | None = None,
    ) -> None:
        """Note that a request is over, which came in."""
        self.over.append(
            (route, "", None, duration_s, status, sent_bytes, len(self.came), None, spent)
        )

    def name(self, over: Over) -> str:
        """The name of its route."""
        return _name(over, self.names)

    def take(self) -> list[Over]:
        """Those that are over, in that order; they are noted no longer."""
        came, over, taken = self.came, self.over, []
        # One by one: whoever looks from another thread meanwhile sees one too few under way at
        # most, and what the collector of garbage has counted amid it is not counted twice.
        for _ in range(len(over)):
            try:
                one = over.popleft()
            except IndexError:
                break
            came.pop()
            taken.append(one)
        self.enough = len(came) + AT_ONCE
        return taken

    def count(self, tally: Tally, *, max_series: int, now: datetime) -> None:
        """
        Count those that are over.

        Args:
            tally: takes them.
            max_series: how many names a kind may have.
            now: the wall clock.
        """
        taken = self.take()
        # Just before one of them was over there were most under way, or there are now.
        peak = max((one[6] - number for number, one in enumerate(taken)), default=0)
        tally.peak_in_flight = max(tally.peak_in_flight, peak, self.under_way)
        tally.arrived += len(taken)
        for some in _alike(taken, self.names):
            one = some[0]
            if one[7] is GONE:
                tally.counters[DISCONNECTED] = tally.counters.get(DISCONNECTED, 0) + len(some)
            else:
                route = self.name(one)
                _count(tally, route, one[4], some, max_series)
                split = [one for one in some if one[8] is not None]
                if split:
                    _count_split(tally, route, one[4], split, max_series, now)


def _alike(taken: list[Over], names: RouteNames) -> Iterable[list[Over]]:
    """Those of one route and one status together; of a route there may be several lists."""
    alike: dict[object, list[Over]] = {}
    for one in taken:
        routed, root_path, fastapi, _, status, _, _, pieces, _ = one
        key: object
        if pieces is GONE:
            key = None
        elif isinstance(routed, str):
            key = routed, status
        elif routed[3] == root_path and routed[0] is not None:
            # There may be one route for several paths, each with its own context.
            context = None if fastapi is None else fastapi.get(CONTEXT)
            key = id(routed[0]), id(context), routed[2], status
        else:
            # Mounted, or without a route: it is its name that tells.
            key = _name(one, names), status
        known = alike.get(key)
        if known is None:
            alike[key] = [one]
        else:
            known.append(one)
    return alike.values()


def _name(over: Over, names: RouteNames) -> str:
    routed = over[0]
    return routed if isinstance(routed, str) else names.later(routed, over[1], over[2])


def _count(tally: Tally, route: str, status: int, some: list[Over], max_series: int) -> None:
    """Count requests of one route with one status."""
    cells = tally.cells[Kind.ROUTE]
    cell = cells.get(route) or _admitted(tally, Kind.ROUTE, route, len(some), max_series)
    durations_s = list(map(_DURATION, some))
    if status >= 500:
        cell.failed.record_many(durations_s)
    elif status >= 400:
        cell.refused.record_many(durations_s)
    else:
        cell.succeeded.record_many(durations_s)
        if status >= 300:
            cell.redirected += len(some)
    cell.sent_bytes += sum(map(_LENGTH, some))
    pieces = [one[7] for one in some if one[7] is not None]
    if pieces:
        cell.sent_bytes += sum(map(_FIRST, pieces))
        firsts_s = [first_s for _, first_s in pieces]
        cells = tally.cells[Kind.FIRST_BYTE]
        cell = cells.get(route) or _admitted(
            tally, Kind.FIRST_BYTE, route, len(firsts_s), max_series
        )
        (cell.failed if status >= 500 else cell.succeeded).record_many(firsts_s)


def _count_split(
    tally: Tally, route: str, status: int, some: list[Over], max_series: int, now: datetime
) -> None:
    """Count where the time of requests of one route went."""
    split = [(_whole(one[8][0], one[3]), one[8][1], one[3]) for one in some if one[8] is not None]
    most = min(max_series, MAX_SPLIT)
    for kind, column in zip(_PARTS, zip(*map(_FIRST, split), strict=True), strict=True):
        if max(column) < LEAST_PART_S:
            continue
        parts_s = [part_s for part_s in column if part_s >= LEAST_PART_S]
        cell = tally.cells[kind].get(route) or _admitted(tally, kind, route, len(parts_s), most)
        cell.succeeded.record_many(parts_s)
    for _, asked, _ in split:
        if asked:
            tally.ask(route, asked)
    if tally.is_worth_showing(route, max(map(_DURATION, some))):
        for parts, asked, duration_s in split:
            if tally.is_worth_showing(route, duration_s):
                tally.show(_example(route, status, duration_s, parts, asked or {}, now))


def _whole(parts_s: Sequence[float], duration_s: float) -> tuple[float, ...]:
    sql_s, pool_s, http_s, code_s, loop_s = parts_s[:5]
    # Where two threads told something at the same instant, this sets the sum right.
    rest_s = duration_s - sql_s - pool_s - http_s - code_s - loop_s
    return sql_s, pool_s, http_s, code_s, loop_s, rest_s if rest_s > 0.0 else 0.0


def _admitted(tally: Tally, kind: Kind, name: str, n: int, max_series: int) -> Cell:
    """The cell of a new series; where it finds no room, each of *n* recordings is folded."""
    cell = tally.admit(kind, name, max_series)
    if name not in tally.cells[kind]:
        for _ in range(n - 1):
            tally.fold()
    return cell


def _example(
    route: str,
    status: int,
    duration_s: float,
    parts_s: tuple[float, ...],
    asked: Mapping[str, Told],
    now: datetime,
) -> Exemplar:
    dearest = sorted(asked.items(), key=lambda one: -one[1][1])[:_MOST_STATEMENTS]
    return Exemplar(
        route=route,
        at=now,
        duration_s=duration_s,
        status=status,
        parts_s=parts_s,
        statements=tuple((name, told[0], told[1]) for name, told in dearest),
    )


_DURATION, _LENGTH, _FIRST = itemgetter(3), itemgetter(5), itemgetter(0)
_MOST_STATEMENTS = 5
"""Of a slow request; those that took most time."""
_PARTS = tuple(part.kind for part in Part)
