"""
Fakes: time that passes at once, a service that answers by a formula, and values made quickly.

They are public: a test of your own plan needs neither a server nor a minute.

    def test_a_freeze_shows_in_the_p99():
        plan = Plan(base_url="http://service", load=ConstantRate(100), duration_s=60)
        result = run_virtually(plan, freezing(0.001, from_s=20, to_s=25))
        assert result.response.succeeded.quantile(0.99) == pytest.approx(4.40, rel=0.02)
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from keiko_perf.loadtest import (
    Channel,
    Failure,
    OnTick,
    Owner,
    Plan,
    Request,
    Result,
    run,
    transport,
)
from keiko_perf.model import Histogram, Kind, Series, Snapshot

__all__ = [
    "EPOCH",
    "Answer",
    "FakeClock",
    "FakeTransport",
    "Service",
    "VirtualLoop",
    "freezing",
    "in_virtual_time",
    "queueing",
    "run_virtually",
    "series",
    "snapshot",
    "steady",
]

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When snapshots that are made here begin, unless told."""

_REAL_WAIT_S = 5.0


# Time


class FakeClock:
    """
    A monotonic clock that stands still until it is told, and the wall clock beside it.

    Args:
        now_s: what it shows.
        now_at: what the wall clock shows at that instant, aware UTC.
    """

    def __init__(self, now_s: float = 0.0, *, now_at: datetime = EPOCH) -> None:
        self.now_s = now_s
        self._zero_at = now_at - timedelta(seconds=now_s)

    def __call__(self) -> float:
        return self.now_s

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        return self._zero_at + timedelta(seconds=self.now_s)

    def advance(self, by_s: float) -> None:
        """
        Let time pass.

        Raises:
            ValueError: it would run backwards.
        """
        if by_s < 0:
            raise ValueError("a monotonic clock does not run backwards")
        self.now_s += by_s


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose time passes at once: where another would sleep, it jumps.

    `time` is virtual and starts at 0. It is for fakes: a real socket's answer takes real time,
    and timers would have run out before it comes.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now_s

    def jump(self, by_s: float) -> None:
        """Let time pass; the loop does so by itself whenever nothing else is left to do."""
        self._now_s += by_s


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: what it is told to wait is added to the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Only another thread can wake the loop now, such as one that asks DNS.
            ready = super().select(_REAL_WAIT_S)
            if not ready:
                raise RuntimeError("everything waits and no timer is set: nothing will happen")
            return ready
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop.jump(timeout)
        return ready


def in_virtual_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run *coroutine* in a `VirtualLoop` of its own and hand back what it returns."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


# A service


@dataclass(frozen=True, slots=True)
class Answer:
    """How a service answers: after how long, with what, or with which failure."""

    after_s: float
    status: int = 200
    failure: Failure | None = None
    body: bytes = b"{}"
    headers: tuple[tuple[bytes, bytes], ...] = ()


Service = Callable[[float, Request], Answer]
"""What answers a request that is sent at an instant of the loop's time."""


def steady(service_s: float, *, status: int = 200) -> Service:
    """A service that takes *service_s*, however many ask."""
    return lambda _now_s, _request: Answer(service_s, status)


def freezing(service_s: float, *, from_s: float, to_s: float) -> Service:
    """A service that takes *service_s*, and answers nobody between two instants."""

    def answer(now_s: float, _request: Request) -> Answer:
        done_s = now_s + service_s
        if from_s < done_s and now_s < to_s:
            done_s = to_s + service_s
        return Answer(done_s - now_s)

    return answer


def queueing(service_s: Callable[[], float]) -> Service:
    """A service with one worker: whoever comes waits until all before are served."""
    free_s = 0.0

    def answer(now_s: float, _request: Request) -> Answer:
        nonlocal free_s
        free_s = max(free_s, now_s) + service_s()
        return Answer(free_s - now_s)

    return answer


class FakeTransport:
    """
    Answers by a formula, in the loop's time.

    Attributes:
        sent: how many requests were sent.
        paths: the paths of the first thousand, in order.
    """

    is_in_process = True
    instants = None

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sent = 0
        self.paths: list[str] = []

    async def open(self) -> None:
        return None

    def channel(self, owner: Owner) -> Channel:
        return _FakeChannel(self, owner)

    async def close(self) -> None:
        return None


class _FakeChannel(Channel):
    __slots__ = ("_handle", "_home", "_owner")

    def __init__(self, home: FakeTransport, owner: Owner) -> None:
        super().__init__()
        self._home = home
        self._owner = owner
        self._handle: asyncio.TimerHandle | None = None

    def send(self, request: Request) -> None:
        loop = asyncio.get_running_loop()
        self.request = request
        self._home.sent += 1
        if len(self._home.paths) < 1000:
            self._home.paths.append(request.path)
        answer = self._home.service(loop.time(), request)
        self._handle = loop.call_later(answer.after_s, self._end, answer)

    def expire(self) -> None:
        self.close()
        self._owner.failed(self, Failure.TIMEOUT_HEADERS, "no answer in time")

    def close(self) -> None:
        self.is_open = False
        if self._handle is not None:
            self._handle.cancel()

    def _end(self, answer: Answer) -> None:
        if answer.failure is None:
            self.answer = transport.Answer(answer.status, answer.headers, answer.body)
            self._owner.answered(self, answer.status)
        else:
            self.is_open = False
            self._owner.failed(self, answer.failure, "as the fake service was told")


def run_virtually(plan: Plan, service: Service, on_tick: OnTick | None = None) -> Result:
    """Carry out *plan* against *service* in virtual time: an hour takes seconds."""

    async def go() -> Result:
        clock = asyncio.get_running_loop().time
        return await run(plan, on_tick, transport=FakeTransport(service), clock=clock)

    return in_virtual_time(go())


# Values


def series(
    name: str,
    durations_s: Iterable[float] = (),
    *,
    failed_s: Iterable[float] = (),
    refused_s: Iterable[float] = (),
    kind: Kind = Kind.ROUTE,
    window_s: float = 10.0,
) -> Series:
    """A series of some durations."""
    return Series(
        kind=kind,
        name=name,
        window_s=window_s,
        succeeded=Histogram(durations_s),
        failed=Histogram(failed_s),
        refused=Histogram(refused_s),
    )


def snapshot(
    *given: Series, counters: Mapping[str, int] | None = None, started_at: datetime = EPOCH
) -> Snapshot:
    """A snapshot of some series, as long as the longest of them."""
    return Snapshot(
        started_at=started_at,
        window_s=max((one.window_s for one in given), default=10.0),
        series=given,
        counters=counters or {},
    )
