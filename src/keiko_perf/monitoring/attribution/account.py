"""
Account: follows one request, and splits its time into parts that add up to the whole.

At each instant a request is in one place. While a statement of it runs, that is the database; else,
while it waits for a connection, the pool; else, while it asks another service, that; else, while a
step of it holds the event loop, its own code; and else somewhere that is not watched. What overlaps
is counted once. A request that went on late waited for the loop: of the time that it was suspended,
as much as the loop was late just then is taken from where it seemed to be.

The account stands in the place of the request's coroutine and passes its steps on, so it knows when
the request holds the loop. What is executed or awaited is told to the account of the request that
it is for, in whichever task or thread: it is found in the context (PEP 567), which tasks and
`asyncio.to_thread` inherit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextvars import ContextVar
from itertools import chain
from math import inf
from threading import Lock
from typing import Any, final

from keiko_perf.model import OTHER
from keiko_perf.monitoring.attribution.split import Part, Split

REPEATED = 5
"""A statement that one request executes so often is worth to know from where."""
MAX_STATEMENTS = 50
"""That are told apart in one request."""
LATE_S = 0.002
"""A loop that is late by less is not: its timers are exact to about a millisecond."""


class Lag:
    """
    When the event loop last had a turn for whoever watches it, and how late that was.

    Attributes:
        due_s: when it should have been, by a monotonic clock.
        came_s: when it was; it had no turn for anybody between the two.
        late_from_s: from when on it is late, unless it has another turn before; never while nobody
            watches.
    """

    __slots__ = ("came_s", "due_s", "late_from_s")

    def __init__(self) -> None:
        self.due_s = self.came_s = 0.0
        self.late_from_s = inf


def whole_of(parts_s: Sequence[float], duration_s: float) -> tuple[float, ...]:
    """The parts of a request that took *duration_s*: the last is whatever the others leave."""
    sql_s, pool_s, http_s, code_s, loop_s = parts_s[:5]
    # Where two threads told something at the same instant, this sets the sum right.
    rest_s = duration_s - sql_s - pool_s - http_s - code_s - loop_s
    return sql_s, pool_s, http_s, code_s, loop_s, rest_s if rest_s > 0.0 else 0.0


@final  # and so never false
class Account:
    """
    Args:
        awaitable: the request. Await the account in its place; what it returns is not handed on,
            as an application returns nothing.
        clock: monotonic seconds.
        lag: how late the event loop is.
        owner: whose account it is, such as a recorder; others don't tell it anything.
        began_s: when the request came in; by default it is now.

    Attributes:
        asked: by statement: how often it was executed, for how many seconds in all, and the line
            that repeats it, or an empty text; None if there was none.
        where: what finds the name of the request's route, and of what: its scope, and what its
            `root_path` was. None once it is over.
    """

    # While nothing is told of a request but its steps, its code is all that is counted: elsewhere
    # it was for the rest.
    __slots__ = (
        "_at_s",
        "_awaitable",
        "_began_s",
        "_beneath",
        "_code_s",
        "_lag",
        "_open",
        "_part",
        "_spent_s",
        "asked",
        "clock",
        "owner",
        "where",
    )
    _beneath: int
    _open: list[int]
    _spent_s: list[float]

    def __init__(
        self,
        awaitable: Awaitable[Any],
        clock: Callable[[], float],
        lag: Lag,
        owner: object = None,
        began_s: float | None = None,
    ) -> None:
        self._awaitable = awaitable
        self.owner = owner
        self.clock = clock
        self._lag = lag
        self._code_s = 0.0
        self._part = CODE
        self._spent_s = _NOTHING
        self.asked: dict[str, list[Any]] | None = None
        self.where: tuple[Callable[[Any, str], str], Any, str] | None = None
        self._began_s = self._at_s = clock() if began_s is None else began_s

    # In the place of the coroutine. Written out, as each call in it would cost as much as all the
    # rest, and without the lock: if a thread of the same request tells something at the same
    # instant, `whole_of` sets the sum right. The steps are gone through by a loop, as `send` tells
    # their end by an exception, which costs as much as to be suspended.
    def __await__(self) -> Generator[Any, Any, None]:
        steps: Any = self._awaitable.__await__()
        clock, lag = self.clock, self._lag
        sent: Any = None
        error: BaseException | None = None
        left = steps
        while True:
            for waited_for in left:
                now_s = clock()
                if self._part == CODE:
                    self._code_s += now_s - self._at_s
                    self._part = ELSEWHERE
                else:
                    self._spent_s[self._part] += now_s - self._at_s
                    self._beneath = ELSEWHERE
                self._at_s = now_s
                try:
                    sent = yield waited_for
                except GeneratorExit:
                    if hasattr(steps, "close"):
                        steps.close()
                    raise
                except BaseException as thrown:  # a cancellation, which it is told in its place
                    sent = error = thrown
                now_s = clock()
                if lag.came_s > self._at_s or now_s > lag.late_from_s:
                    self._wait_for_loop(now_s)
                if self._part == ELSEWHERE:
                    self._part = CODE
                else:
                    self._spent_s[self._part] += now_s - self._at_s
                    self._beneath = CODE
                self._at_s = now_s
                if sent is not None:
                    break
            else:
                return
            try:
                waited_for = _answered(steps, sent, error)
            except StopIteration:
                return
            finally:
                sent = error = None  # else it would hold its own traceback
            left = chain((waited_for,), steps)

    @property
    def elsewhere(self) -> Any:
        """What it awaits now, as far as that is nothing that is watched; else None."""
        return self._awaitable if self._part == ELSEWHERE else None

    async def join(self, awaitable: Awaitable[Any]) -> None:
        """
        Await *awaitable*, a part of the request that has a task of its own, as if it had not.

        The request holds the loop while one of its tasks does; two at once never do.
        """
        self._go_on(self.clock())
        self._awaitable = awaitable
        try:
            await self
        finally:
            self._stand_still(self.clock())

    # What it is told, from any thread

    # Written out as well: each statement comes by twice.
    def open(self, part: int, now_s: float | None = None) -> None:
        """Something begins: a statement, a wait for the pool, a call of another service."""
        if now_s is None:
            clock = self.clock
            now_s = clock()
        with _lock:
            if not self._spent_s:
                self._begin()
            self._open[part] += 1
            # What is open already and comes first stays.
            before = self._part
            if part < before:
                self._spent_s[before] += now_s - self._at_s
                self._at_s = now_s
                self._part = part
                if before >= CODE:
                    self._beneath = before

    def shut(self, part: int) -> None:
        """It ended, however it did."""
        clock = self.clock
        now_s = clock()
        with _lock:
            self._shut(part, now_s)

    def executed(
        self, statement: str | None, began_s: float, now_s: float, place: Callable[[], str]
    ) -> None:
        """
        A statement ended that was opened.

        Args:
            statement: its name; None if it is nothing to count.
            began_s: when.
            now_s: when it ended, just now.
            place: the line that executes it; asked for once it was repeated.
        """
        with _lock:
            opened = self._open
            left = opened[SQL] = opened[SQL] - 1
            if not left and self._part == SQL:
                self._spent_s[SQL] += now_s - self._at_s
                self._at_s = now_s
                self._part = POOL if opened[POOL] else HTTP if opened[HTTP] else self._beneath
            if statement is None:
                return
            asked = self.asked
            if asked is None:
                asked = self.asked = {}
            told = asked.get(statement)
            if told is None:
                if len(asked) >= MAX_STATEMENTS:
                    statement = OTHER
                told = asked.setdefault(statement, [0, 0.0, ""])
            told[0] += 1
            told[1] += now_s - began_s
            if told[0] != REPEATED:
                return
        told[2] = place()

    def end(self) -> Split:
        """Where the time of the request went until now."""
        return Split(*self.parts_s())

    def parts_s(self) -> tuple[float, ...]:
        """The same as numbers, in the order of `Part`, and cheaper."""
        now_s = self.clock()
        return whole_of(self._parts_s(now_s), now_s - self._began_s)

    def closed(self, now_s: float) -> tuple[Sequence[float], dict[str, list[Any]] | None]:
        """
        Its parts until *now_s*, all but the last, which is the rest, and its statements.

        What runs on after that is not counted.
        """
        asked = self.asked
        self.where = self.asked = None  # the first would be a cycle
        if not self._spent_s and self._part == CODE:
            return (0.0, 0.0, 0.0, self._code_s + now_s - self._at_s, 0.0), asked
        return self._parts_s(now_s), asked

    # Private

    def _stand_still(self, now_s: float) -> None:
        """A step ended, as it does in `__await__`."""
        if self._part == CODE:
            self._code_s += now_s - self._at_s
            self._part = ELSEWHERE
        elif self._part != ELSEWHERE:
            self._spent_s[self._part] += now_s - self._at_s
            self._beneath = ELSEWHERE
        self._at_s = now_s

    def _go_on(self, now_s: float) -> None:
        """A step begins, likewise."""
        self._wait_for_loop(now_s)
        if self._part == ELSEWHERE:
            self._part = CODE
        elif self._part != CODE:
            self._spent_s[self._part] += now_s - self._at_s
            self._beneath = CODE
        self._at_s = now_s

    def _begin(self) -> None:
        """Something is told of it for the first time."""
        self._spent_s = [*_ZEROS]
        self._open = [0, 0, 0]

    def _parts_s(self, now_s: float) -> Sequence[float]:
        parts_s = [*(self._spent_s or _ZEROS)]
        parts_s[CODE] += self._code_s
        parts_s[self._part] += now_s - self._at_s
        return parts_s[:ELSEWHERE]

    def _shut(self, part: int, now_s: float) -> None:
        if not self._spent_s or not self._open[part]:
            return  # it began before the request
        opened = self._open
        opened[part] -= 1
        if opened[part] or part != self._part:
            return
        self._spent_s[part] += now_s - self._at_s
        self._at_s = now_s
        self._part = (
            SQL
            if opened[SQL]
            else POOL
            if opened[POOL]
            else HTTP
            if opened[HTTP]
            else self._beneath
        )

    def _wait_for_loop(self, now_s: float) -> None:
        """The loop had a turn while the request was suspended, or has none: whether it is late."""
        lag, at_s = self._lag, self._at_s
        late_s = 0.0
        if lag.came_s > at_s and lag.came_s - lag.due_s > LATE_S:
            late_s = lag.came_s - max(lag.due_s, at_s)
        if now_s > lag.late_from_s:  # the request has its turn before who watches has one
            late_s += now_s - max(lag.late_from_s - LATE_S, at_s)
        if late_s > 0.0:
            if not self._spent_s:
                self._begin()
            self._spent_s[LOOP] += late_s
            self._at_s += late_s


# Plain numbers: to look a member of an enumeration up costs as much as to read the clock.
SQL, POOL, HTTP, CODE, LOOP, ELSEWHERE = map(int, Part)

_ZEROS = (0.0,) * len(Part)
_NOTHING: list[float] = []

_lock = Lock()
"""Guards what is told of spans; one for all, as a request seldom has two of them at an instant."""

current: ContextVar[Account | None] = ContextVar("keiko_perf_account", default=None)
"""The account of the request that this code works for."""


def opened(owner: object, part: Part) -> None:
    """Tell the account of the request that this code works for, if it is *owner*'s: it begins."""
    account = current.get()
    if account is not None and account.owner is owner:
        account.open(part)


def shut(owner: object, part: Part) -> None:
    """Likewise: it ended."""
    account = current.get()
    if account is not None and account.owner is owner:
        account.shut(part)


def _answered(steps: Any, sent: Any, error: BaseException | None) -> Any:
    """The next step of *steps* after *error*, which those that cannot be thrown into just raise."""
    if error is None:
        return steps.send(sent) if hasattr(steps, "send") else next(steps)
    if not hasattr(steps, "throw"):
        raise error
    return steps.throw(error)
