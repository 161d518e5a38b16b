"""
Requests: what the middleware notes of each, for the price of an append, until it is counted.

To note takes no lock: to append to a list or a deque is one step, in whichever thread. Counting is
put off until some hundred are over or somebody looks, and then it is done route by route, with all
of it at hand in the processor's caches. Pure, but for the lock that its recorder holds while it
counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter, lt
from typing import Any, NamedTuple

from keiko_perf.model import OTHER, Exemplar, Kind
from keiko_perf.monitoring.attribution import Part, whole_of
from keiko_perf.monitoring.routes import CONTEXT, Routed, RouteNames
from keiko_perf.monitoring.tally import Cell, Tally, Told

AT_ONCE = 400
"""So many that are over are worth to be counted."""
FAILED = 500
"""The status of a request that came to its end without an answer."""
MAX_PLACES = 250
"""Of so many routes the requests are noted together."""
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


class Pieces(NamedTuple):
    """
    Of an answer in pieces: the length of all but the last, and after how long the first went.

    Of server-sent events also how long they went on in all, else 0.
    """

    length: int
    first_s: float
    lasted_s: float = 0.0


GONE = Pieces(-1, -1.0)
"""Its client left: how long it would have taken is not known."""
Place = tuple[object, object, str, str, str, list[list[float]], list[int]]
"""
Of one route: the route, its context (`CONTEXT`), the method, what `root_path` was before and after
the routing, how long those took that are over by the first digit of their status, and the length of
each one's answer. What came in one piece is noted here, and looked at no further.
"""
Over = tuple[
    str | Routed,
    str,
    Mapping[str, Any] | None,
    float,
    float,
    int,
    int,
    Pieces | None,
    Spent | None,
]
"""
Another request that is over: its route, or three things that tell it (`RouteNames.later`), when it
was over and after how long, its status, the length of its last piece, its pieces, and where its
time went.
"""


class Requests:
    """
    Args:
        names: names what the middleware took out of the scope.

    Attributes:
        came: when each came that was not counted among those under way yet.
        places: where those of a route are noted, by its endpoint.
        ended: when each of them was over that was not counted yet.
        over: the others that are over and not counted yet.
        streaming: when each went on with server-sent events that is not counted as such yet. Such
            an answer is there with its first event, and is under way no longer.
        streamed: those of which the last event was sent.
    """

    __slots__ = (
        "_is_counting",
        "_placed",
        "_under_way",
        "came",
        "ended",
        "names",
        "over",
        "places",
        "streamed",
        "streaming",
    )

    def __init__(self, names: RouteNames) -> None:
        self.names = names
        self.came: list[float] = []
        self.ended: list[float] = []
        self.over: list[Over] = []
        self.streaming: list[float] = []
        self.streamed: list[Over] = []
        self.places: dict[object, Place] = {}
        self._placed: list[tuple[str, Place]] = []
        self._under_way = 0
        self._is_counting = False

    @property
    def under_way(self) -> int:
        """How many came in and are not over."""
        while True:
            over = len(self.over) + len(self.ended) + len(self.streaming)
            came = len(self.came)
            # Else one was noted between the two, by another thread.
            if over == len(self.over) + len(self.ended) + len(self.streaming):
                return self._under_way + came - over

    def note(
        self,
        route: str,
        over_s: float,
        duration_s: float,
        *,
        status: int = 200,
        sent_bytes: int = 0,
        spent: Spent | None = None,
    ) -> None:
        """Note that a request is over since *over_s*, monotonic, which came in."""
        self.over.append((route, "", None, over_s, duration_s, status, sent_bytes, None, spent))

    def count(self, tally: Tally, *, max_series: int, now: datetime) -> None:
        """
        Count those that are over.

        Args:
            tally: takes them.
            max_series: how many names a kind may have.
            now: the wall clock.
        """
        if self._is_counting:
            return  # what is finalised amid it has called: it would count some twice
        self._is_counting = True
        try:
            before = self._under_way
            taken, ended, came = _taken(self.over), _taken(self.ended), _taken(self.came)
            streaming, streamed = _taken(self.streaming), _taken(self.streamed)
            ended += map(_END, taken)
            # They were asked for when they are served, so that open ones are no demand unmet.
            tally.arrived += len(ended) + len(streamed)
            ended += streaming
            self._under_way = before + len(came) - len(ended)
            tally.peak_in_flight = _peak(before, came, ended, tally.peak_in_flight)
            taken += streamed
            for route, place in self._placed:
                _count_placed(tally, route, place, max_series)
            for some in _alike(taken, self.names):
                self._count(tally, some, max_series, now)
        finally:
            self._is_counting = False

    def _count(self, tally: Tally, some: list[Over], max_series: int, now: datetime) -> None:
        one = some[0]
        if one[7] is GONE:
            tally.counters[DISCONNECTED] = tally.counters.get(DISCONNECTED, 0) + len(some)
            return
        route = _name(one, self.names)
        _count(tally, route, one[5], some, max_series)
        split = [(one[8], one[4]) for one in some if one[8] is not None]
        if split:
            _count_split(tally, route, one[5], split, max_series, now)
        else:
            self._make_place(one, route)

    def _make_place(self, one: Over, route: str) -> None:
        """Where those to come are noted that are like *one*, if it has a route to know them by."""
        routed, root_path, fastapi = one[:3]
        if isinstance(routed, str) or len(self.places) >= MAX_PLACES:
            return
        owner, endpoint, method, mounted = routed[:4]
        if owner is None or endpoint is None:
            return
        context = None if fastapi is None else fastapi.get(CONTEXT)
        place: Place = owner, context, method, root_path, mounted, [[] for _ in range(6)], []
        try:
            if endpoint not in self.places:
                self._placed.append((route, self.places.setdefault(endpoint, place)))
        except Exception:  # a stranger's endpoint, such as one without a hash
            return


def _taken(noted: list[Any]) -> list[Any]:
    """All that was noted, which is noted no longer; others may be noting meanwhile."""
    taken = noted[:]
    del noted[: len(taken)]
    return taken


def _peak(under_way: int, came: list[float], ended: list[float], known: int) -> int:
    """
    How many were under way at once, at most.

    Args:
        under_way: how many were before.
        came: when each came that came since.
        ended: when each was over that is over since.
        known: it is no less than that.
    """
    starts_s, ends_s = sorted(came), sorted(ended)
    known = max(known, under_way)

    def is_within(most: int) -> bool:
        # There are no more if one was over each time before another made them too many.
        late, room = starts_s[max(most - under_way, 0) :], ends_s[max(under_way - most, 0) :]
        return len(late) <= len(room) and all(map(lt, room, late))

    if is_within(known):  # as it mostly is, which these few steps tell of hundreds
        return known
    return bisect_left(range(under_way + len(starts_s)), True, lo=known, key=is_within)


def _alike(taken: list[Over], names: RouteNames) -> Iterable[list[Over]]:
    """Those of one route and one status together; of a route there may be several lists."""
    alike: dict[object, list[Over]] = {}
    for one in taken:
        routed, root_path, fastapi, _, _, status, _, pieces, _ = one
        key: object
        if pieces is GONE:
            key = None
        elif isinstance(routed, str):
            key = routed, status
        elif routed[3] == root_path and routed[0] is not None:
            # There may be one route for several paths, each with its own context.
            # A dictionary of FastAPI's may be empty, as that of a route beside an included router.
            context = None if fastapi is None else fastapi.get(CONTEXT)
            key = id(routed[0]), id(context), routed[2], status
        else:
            # Mounted, or without a route: it is its name that tells.
            key = _name(one, names), status
        try:
            alike[key].append(one)
        except KeyError:
            alike[key] = [one]
    return alike.values()


def _name(over: Over, names: RouteNames) -> str:
    routed = over[0]
    return routed if isinstance(routed, str) else names.later(routed, over[1], over[2])


def _count_placed(tally: Tally, route: str, place: Place, max_series: int) -> None:
    """Count what was noted in the place of a route."""
    took, sent = place[5:]
    if not sent:
        return
    sent_bytes = sum(_taken(sent))
    for hundreds, noted in enumerate(took):
        if noted:
            durations_s = _taken(noted)
            cell = _cell(tally, Kind.ROUTE, route, len(durations_s), max_series)
            _take_in(cell, 100 * hundreds, durations_s)
            cell.sent_bytes += sent_bytes
            sent_bytes = 0


def _count(
    tally: Tally,
    route: str,
    status: int,
    some: list[Over],
    max_series: int,
) -> None:
    """Count requests of one route with one status."""
    cell = _cell(tally, Kind.ROUTE, route, len(some), max_series)
    _take_in(cell, status, list(map(_DURATION, some)))
    cell.sent_bytes += sum(map(_LENGTH, some))
    pieces = [one[7] for one in some if one[7] is not None]
    if pieces:
        cell.sent_bytes += sum(map(_FIRST, pieces))
        kinds = (
            (Kind.FIRST_BYTE, map(_SECOND, pieces)),
            (Kind.STREAM, filter(None, map(_THIRD, pieces))),
        )
        for kind, durations in kinds:
            if durations_s := list(durations):
                cell = _cell(tally, kind, route, len(durations_s), max_series)
                (cell.failed if status >= 500 else cell.succeeded).record_many(durations_s)


def _count_split(
    tally: Tally,
    route: str,
    status: int,
    split: list[tuple[Spent, float]],
    max_series: int,
    now: datetime,
) -> None:
    """Count where the time of requests of one route went."""
    wholes = [whole_of(parts_s, duration_s) for (parts_s, _), duration_s in split]
    most = min(max_series, MAX_SPLIT)
    for kind, column in zip(_PARTS, zip(*wholes, strict=True), strict=True):
        if max(column) < LEAST_PART_S:
            continue
        parts_s = [part_s for part_s in column if part_s >= LEAST_PART_S]
        cell = _cell(tally, kind, route, len(parts_s), most)
        cell.succeeded.record_many(parts_s)
    for (_, asked), _ in split:
        if asked:
            tally.ask(route, asked)
    if tally.is_worth_showing(route, max(map(_SECOND, split))):
        for whole, ((_, asked), duration_s) in zip(wholes, split, strict=True):
            if tally.is_worth_showing(route, duration_s):
                tally.show(_example(route, status, duration_s, whole, asked or {}, now))


def _cell(tally: Tally, kind: Kind, name: str, n: int, max_series: int) -> Cell:
    """The cell of a series; where a new one finds no room, each of *n* recordings is folded."""
    cell = tally.cells[kind].get(name)
    if cell is None:
        cell = tally.admit(kind, name, max_series)
        if name not in tally.cells[kind]:
            for _ in range(n - 1):
                tally.fold()
    return cell


def _take_in(cell: Cell, status: int, durations_s: list[float]) -> None:
    """Record so many with one status."""
    if status >= 500:
        cell.failed.record_many(durations_s)
    elif status >= 400:
        cell.refused.record_many(durations_s)
    else:
        cell.succeeded.record_many(durations_s)
        if status >= 300:
            cell.redirected += len(durations_s)


def _example(
    route: str,
    status: int,
    duration_s: float,
    parts_s: tuple[float, ...],
    asked: Mapping[str, Told],
    now: datetime,
) -> Exemplar:
    ordered = sorted(asked.items(), key=lambda one: -one[1][1])
    statements = [(name, told[0], told[1]) for name, told in ordered[:_MOST_STATEMENTS]]
    if rest := [told for _, told in ordered[_MOST_STATEMENTS:]]:
        statements.append((OTHER, sum(one[0] for one in rest), sum(one[1] for one in rest)))
    return Exemplar(
        route=route,
        at=now,
        duration_s=duration_s,
        status=status,
        parts_s=parts_s,
        statements=tuple(statements),
    )


_END, _DURATION, _LENGTH = itemgetter(3), itemgetter(4), itemgetter(6)
_FIRST, _SECOND, _THIRD = itemgetter(0), itemgetter(1), itemgetter(2)
_MOST_STATEMENTS = 5
"""Of a slow request; those that took most time, and the others together."""
_PARTS = tuple(part.kind for part in Part)
