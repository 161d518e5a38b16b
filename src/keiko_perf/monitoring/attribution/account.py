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
from threading import Lock
from types import CoroutineType
from typing import Any

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
    """

    __slots__ = ("came_s", "due_s")

    def __init__(self) -> None:
        self.due_s = self.came_s = 0.0


def whole_of(parts_s: Sequence[float], duration_s: float) -> tuple[float, ...]:
    """The parts of a request that took *duration_s*: the last is whatever the others leave."""
    sql_s, pool_s, http_s, code_s, loop_s = parts_s[:5]
    # Where two threads told something at the same instant, this sets the sum right.
    rest_s = duration_s - sql_s - pool_s - http_s - code_s - loop_s
    return sql_s, pool_s, http_s, code_s, loop_s, rest_s if rest_s > 0.0 else 0.0


class Account:
    """
    Args:
        awaitable: the request. Await the account in its place.
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

    __slots__ = (
        "_at_s",
        "_awaitable",
        "_began_s",
        "_beneath",
        "_lag",
        "_open",
        "_part",
        "_spent_s",
        "asked",
        "clock",
        "owner",
        "where",
    )

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
        self._spent_s = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        self._open: list[int] | None = None
        self.asked: dict[str, list[Any]] | None = None
        self.where: tuple[Callable[[Any, str], str], Any, str] | None = None
        self._part = self._beneath = CODE
        self._began_s = self._at_s = clock() if began_s is None else began_s

    # In the place of the coroutine. Written out, as each call in it would cost as much as all the
    # rest, and without the lock: if a thread of the same request tells something at the same
    # instant, `end` sets the sum right.
    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._awaitable
        if type(steps) is not CoroutineType:
            steps = steps.__await__()
        send = getattr(steps, "send", None)
        clock, lag, spent_s = self.clock, self._lag, self._spent_s
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                if error is not None:
                    waited_for = _thrown(steps, error)
                elif send is not None:
                    waited_for = send(value)
                else:  # awaitables that are no coroutines may do without
                    waited_for = next(steps)
            except StopIteration as end:
                return end.value
            finally:
                error = None  # else it would hold its own traceback
            part = self._part
            now_s = clock()
            spent_s[part] += now_s - self._at_s
            self._at_s = now_s
            self._beneath = ELSEWHERE
            if part == CODE:
                self._part = ELSEWHERE
            try:
                value = yield waited_for
            except GeneratorExit:
                if hasattr(steps, "close"):
                    steps.close()
                raise
            except BaseException as thrown:  # such as a cancellation, which it is told in its place
                error = thrown
            part, at_s = self._part, self._at_s
            self._at_s = now_s = clock()
            passed_s = now_s - at_s
            if lag.came_s > at_s and lag.came_s - lag.due_s > LATE_S:
                late_s = lag.came_s - (lag.due_s if lag.due_s > at_s else at_s)
                spent_s[LOOP] += late_s
                passed_s -= late_s
            spent_s[part] += passed_s
            self._beneath = CODE
            if part == ELSEWHERE:
                self._part = CODE

    # What it is told, from any thread

    # Written out as well: each statement comes by twice.
    def open(self, part: int, now_s: float | None = None) -> None:
        """Something begins: a statement, a wait for the pool, a call of another service."""
        if now_s is None:
            clock = self.clock
            now_s = clock()
        with _lock:
            opened = self._open
            if opened is None:
                opened = self._open = [0, 0, 0]
            opened[part] += 1
            # What is open already and comes first stays.
            before = self._part
            if part < before:
                self._spent_s[before] += now_s - self._at_s
                self._at_s = now_s
                self._part = part

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
            self._shut(SQL, now_s)
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
        parts_s = self._spent_s
        parts_s[self._part] += now_s - self._at_s
        self._at_s = now_s
        return whole_of(parts_s, now_s - self._began_s)

    def closed(self, now_s: float) -> tuple[list[float], dict[str, list[Any]] | None]:
        """
        Its parts until *now_s*, all but the last, which is the rest, and its statements.

        What runs on after that is not counted.
        """
        asked, parts_s = self.asked, self._spent_s
        self.where = self.asked = None  # the first would be a cycle
        parts_s[self._part] += now_s - self._at_s
        self._at_s = now_s
        return parts_s[:-1], asked

    # Private

    def _shut(self, part: int, now_s: float) -> None:
        opened = self._open
        if opened is None or not opened[part]:
            return  # it began before the request
        opened[part] -= 1
        if opened[part] or part != self._part:
            return
        self._spent_s[part] += now_s - self._at_s
        self._at_s = now_s
        self._part = (
            SQL if opened[0] else POOL if opened[1] else HTTP if opened[2] else self._beneath
        )


# Plain numbers: to look a member of an enumeration up costs as much as to read the clock.
SQL, POOL, HTTP, CODE, LOOP, ELSEWHERE = map(int, Part)

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


def _thrown(steps: Any, error: BaseException) -> Any:
    """The next step of *steps* after *error*, which those that cannot be thrown into just raise."""
    if not hasattr(steps, "throw"):
        raise error
    return steps.throw(error)
