"""
Reply: a request of a user and the answer to it, as a scenario sees it.

It is there from the moment that the user asks, and to await it is to wait for the answer: one
object a request, and no future. Whether it counts as a success is decided when the user asks for
the next thing or the iteration ends: until then a check can make a failure of it, or a success of
a status that was expected.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Answer, Failure
from keiko_perf.loadtest.users.checks import why_not
from keiko_perf.loadtest.users.player import Player


class RequestFailed(Exception):
    """
    A request has no answer, or one that is not what it says: what is awaited raises it.

    The request is counted already. Left alone, it ends the iteration and nothing else.

    Attributes:
        failure: the class.
        detail: a few words more.
    """

    def __init__(self, name: str, failure: Failure, detail: str) -> None:
        super().__init__(f"{name}: {failure}, {detail}")
        self.failure = failure
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    Attributes:
        failure: why the request counts as a failure whatever its status, or None.
        detail: that in a few words.
        is_expected: whether the status is no failure although it is 400 or more.
    """

    failure: Failure | None = None
    detail: str = ""
    is_expected: bool = False


UNJUDGED = Judgement()
"""The status alone counts."""

USUAL = Judgement()
"""What most are: likewise, and it is below 400, and the request was sent when it was due."""


def NOBODY() -> None:  # noqa: N802 - a constant, compared by identity
    """Whom to tell of an answer beside the user's player: most often nobody."""


class Asker(Protocol):
    """
    Who asked: a user.

    Attributes:
        player: runs the user on when an answer is there; None if the user's task does that.
        last: the last reply, until it is counted.
        more: others that were asked for together with it, likewise.
        failed: how many requests had no good answer.
        due: when the next request is, if not when it is asked for; 0.0 is none.
        got_on: whether the last request that ended had an answer.
    """

    due: float
    got_on: bool
    player: Player | None
    last: Reply | None
    more: list[Reply]
    failed: int

    def received(self, reply: Reply, lines: list[bytes]) -> None:
        """Keep the cookies that an answer sets."""

    def name_of(self, request: Request) -> str:
        """What results call *request*."""


class Reply:
    """
    Whoever asks makes one and sets the first six; whoever is told of the answer sets the rest.

    Attributes:
        user: who asked.
        request: what was sent.
        due: when it was due, on the engine's clock.
        sent: when it was sent, likewise.
        wake: to be called when the answer is there or cannot come, beside the user's player, which
            is run on in any case; None once it was.
        error: why there is no answer.
        done: when the answer was there, on the engine's clock.
        status: 100 to 999.
        answer: its headers and body.
        received_bytes: how long the answer was on the wire, headers included.
        judgement: what checks made of it.
    """

    __slots__ = (
        "answer",
        "done",
        "due",
        "error",
        "judgement",
        "received_bytes",
        "request",
        "sent",
        "status",
        "user",
        "wake",
    )

    user: Asker
    request: Request
    due: float
    sent: float
    wake: Callable[[], None] | None
    error: RequestFailed | None
    done: float
    status: int
    answer: Answer | None
    judgement: Judgement
    received_bytes: int

    def __repr__(self) -> str:
        state = "under way" if self.wake else f"status={self.status}" if not self.error else "none"
        return f"Reply({self.name!r}, {state})"

    def __await__(self) -> Generator[Any, None, Reply]:
        while self.wake is not None:
            player = self.user.player
            if player is not None and player.is_on:
                yield player  # who is run on whenever an answer to its user comes
            else:
                yield from self._future()
        if self.error is not None:
            raise self.error
        return self

    def _future(self) -> asyncio.Future[None]:
        """Is done when the answer is there; for those who wait in tasks of their own."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        others = self.wake or NOBODY

        def wake() -> None:
            others()
            if not future.done():
                future.set_result(None)

        self.wake = wake
        return future

    def wake_up(self) -> None:
        """Run on who waits for it: the answer is there, or cannot come."""
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()
        if self.user.player is not None:
            self.user.player.go_on()

    @property
    def name(self) -> str:
        """What results call the request."""
        return self.user.name_of(self.request)

    @property
    def failure(self) -> Failure | None:
        """Why it counts as a failure whatever its status, or None."""
        return self.judgement.failure

    @property
    def detail(self) -> str:
        """That in a few words."""
        return self.judgement.detail

    @property
    def is_expected(self) -> bool:
        """Whether the status is no failure although it is 400 or more."""
        return self.judgement.is_expected

    @property
    def is_settled(self) -> bool:
        """Whether it is counted, and no check can change it any more."""
        return self is not self.user.last and self not in self.user.more

    @property
    def is_ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def response_s(self) -> float:
        """From the instant it was due to the last byte of the answer."""
        return self.done - self.due

    @property
    def body(self) -> bytes:
        """At most 1 MiB of it."""
        assert self.answer is not None
        return self.answer.body

    @property
    def text(self) -> str:
        """The body in the answer's charset, UTF-8 unless it names one; what is none becomes �."""
        kind = self.header("content-type") or ""
        charset = kind.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
        try:
            return self.body.decode(charset or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        """The first header of that name, in whatever letters; None if there is none."""
        return None if self.answer is None else self.answer.header(name)

    def json(self) -> Any:
        """
        The body, read as JSON.

        Raises:
            RequestFailed: it is none; the request then counts as a failure.
        """
        try:
            return _read_json(self.body)
        except ValueError:
            detail = "the answer is no JSON"
            if self.is_ok and self.failure is None and not self.is_settled:
                self.fail(detail)
            raise RequestFailed(self.name, self.failure or Failure.CHECK, detail) from None

    def check(self, what: str) -> Check:
        """
        A block within which whatever raises is a failed check called *what*:

            with reply.check("has items"):
                assert reply.json()["items"]
        """
        return Check(self, what)

    def expect(
        self,
        *,
        status: int | Collection[int] | None = None,
        json: object = None,
        contains: str | None = None,
    ) -> bool:
        """Whether the answer is as it should be; `User.check` says more."""
        if status is not None and self.failure is None:
            expected = (status,) if isinstance(status, int) else status
            if self.status in expected:
                self._check_open()
                if not self.is_ok:
                    self.judgement = replace(self.judgement, is_expected=True)
        reason = why_not(self, status=status, json=json, contains=contains)
        if reason:
            self.fail(reason)
        return not reason

    def fail(self, detail: str) -> None:
        """
        Count the request as a failure of the class `check`. The first reason stands, and so does
        a status from 400 on that nobody expected.

        Raises:
            UsageError: it is counted already.
        """
        self._check_open()
        if self.failure is None and (self.is_ok or self.is_expected):
            self.judgement = replace(self.judgement, failure=Failure.CHECK, detail=detail)

    def _check_open(self) -> None:
        if self.is_settled:
            raise UsageError(
                f"the answer to {self.name} is checked after it was counted",
                cure="Check an answer before the user's next request",
            )


class Check:
    """A named check: the block that it guards."""

    __slots__ = ("_reply", "_what")

    def __init__(self, reply: Reply, what: str) -> None:
        self._reply = reply
        self._what = what

    def __enter__(self) -> Reply:
        self._reply._check_open()
        return self._reply

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, UsageError):
            return False
        # A body that is no JSON has counted the request as such; what was checked says more.
        if self._reply.failure is Failure.CHECK and isinstance(error, RequestFailed):
            self._reply.judgement = replace(self._reply.judgement, detail=self._what)
        self._reply.fail(self._what)
        return True


def _read_json(body: bytes) -> Any:
    """What `json.loads` reads, in a third of the time where the body is plain UTF-8."""
    try:
        text = body.decode().strip(" \t\r\n")
        value, end = _decode(text)
    except ValueError:
        end, text = -1, ""
    return value if end == len(text) else json.loads(body)


_decode = json.JSONDecoder().raw_decode
