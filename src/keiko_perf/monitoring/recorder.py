"""
Recorder: the one place where a process counts what happens in it, window by window.

It takes durations into series, samples into gauges and counts into counters (`tally`), and hands
all of it over as a Snapshot when the window is cut. Nothing is lost at the cut: what is recorded
goes into exactly one window. Names are bounded: in each window the first `max_series` of a kind get
a series of their own, the rest share `(other)` and are counted as `folded`.

Any thread may record. One re-entrant lock guards it all: about 60 ns, and re-entrant because
the garbage collector may hand a database connection back, and record that, amid a recording.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from threading import RLock

from keiko_perf.errors import UsageError
from keiko_perf.model import OTHER, BlockingCall, Gauge, Histogram, Kind, Repeats, Snapshot
from keiko_perf.monitoring.attribution import Lag
from keiko_perf.monitoring.attribution.awaited import Awaited
from keiko_perf.monitoring.looks import Looks
from keiko_perf.monitoring.requests import AT_ONCE, DISCONNECTED, Requests, Spent
from keiko_perf.monitoring.routes import RouteNames
from keiko_perf.monitoring.tally import ARRIVED, FOLDED, IN_FLIGHT, Tally

__all__ = [
    "ARRIVED",
    "DISCONNECTED",
    "FOLDED",
    "IN_FLIGHT",
    "WEBSOCKETS",
    "Probe",
    "Recorder",
    "RecorderStatistics",
    "utc_now",
]

WEBSOCKETS = "websockets"
"""The gauge of connections that are open."""

_log = logging.getLogger("keiko_perf.monitor")

Probe = Callable[[], Mapping[str, float]]
"""Samples quantities, by name; what cannot be sampled now is left out."""


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderStatistics:
    """
    Attributes:
        series: how many series the current window has, `(other)` among them.
        in_flight: how many requests are being answered.
        folded: how many recordings of the current window went to `(other)`.
        windows: how many windows were cut.
    """

    series: int
    in_flight: int
    folded: int
    windows: int


class Recorder:
    """
    Args:
        clock: monotonic seconds, for how long.
        now: the wall clock, aware UTC, for when.
        max_series: how many names each kind, the gauges and the counters may have in a window.
        worker: what to call this process; its host and process id if not given.
        looks: what is seen of questions that repeat; None if nobody looks.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        max_series: int = 200,
        worker: str | None = None,
        looks: Looks | None = None,
    ) -> None:
        if max_series < 1:
            raise UsageError(
                f"a recorder of {max_series} series can hold nothing",
                cure="Let max_series be at least 1",
            )
        self.clock = clock
        self.max_series = max_series
        self.now = now
        self.lag = Lag()
        self.awaited = Awaited(clock)
        self.looks = looks
        self._worker = worker
        self._lock = RLock()
        self.in_threads: set[str] = set()  # routes whose handlers run in a thread
        self.pool_kinds: set[str] = set()  # whose the connection pools are
        self.requests = Requests(RouteNames(self.in_threads))
        self._websockets = 0
        self._windows = 0
        self._probes: list[Probe] = []
        self._failed_probes = 0
        self._tally = self._begin(clock())

    # Recording

    def record(self, kind: Kind, name: str, duration_s: float, *, failed: bool = False) -> None:
        """
        Count one request, run or execution that took *duration_s* seconds.

        Raises:
            ValueError: the duration is negative, infinite or not a number. Nothing is recorded.
        """
        with self._lock:
            tally = self._tally
            cell = tally.cells[kind].get(name)
            if cell is None:
                cell = tally.admit(kind, name, self.max_series)
            (cell.failed if failed else cell.succeeded).record(duration_s)

    def add(self, kind: Kind, name: str, durations: Histogram) -> None:
        """Count many at once that succeeded: all of *durations*, which stays the caller's."""
        with self._lock:
            cell = self._tally.cells[kind].get(name)
            if cell is None:
                cell = self._tally.admit(kind, name, self.max_series)
            cell.succeeded.merge(durations)

    def block(self, call: BlockingCall) -> None:
        """Count a call that held the event loop."""
        with self._lock:
            self._tally.block(call)

    def count(self, name: str, n: int = 1) -> None:
        """
        Add *n* to the counter *name*.

        Raises:
            ValueError: it is negative; what goes down as well is a gauge.
        """
        if n < 0:
            raise ValueError(f"a counter only goes up, not by {n}")
        with self._lock:
            counters = self._tally.counters
            if name not in counters and len(counters) >= self.max_series:
                self._tally.fold()
                name = OTHER
            counters[name] = counters.get(name, 0) + n

    def gauge(self, name: str, value: float) -> None:
        """
        Take one sample of the quantity *name*.

        Raises:
            ValueError: the sample is infinite or not a number.
        """
        if not isfinite(value):
            raise ValueError(f"a sample of {name} is a finite number, not {value!r}")
        sample = Gauge(value, 1, value)
        with self._lock:
            gauges = self._tally.gauges
            known = gauges.get(name)
            if known is not None:
                gauges[name] = known.merge(sample)
            elif len(gauges) < self.max_series:
                gauges[name] = sample
            else:
                self._tally.fold()

    def request(
        self,
        route: str,
        duration_s: float,
        *,
        status: int = 200,
        sent_bytes: int = 0,
        spent: Spent | None = None,
    ) -> None:
        """
        Count a request that came in and is over, as the middleware does.

        Args:
            route: which one it took.
            duration_s: until the last byte of the answer.
            status: of its answer; 5xx is a failure of the service, 4xx a refusal.
            sent_bytes: the length of the answer's body.
            spent: where its time went.
        """
        requests = self.requests
        over_s = self.clock()
        requests.came.append(over_s - duration_s)
        requests.note(route, over_s, duration_s, status=status, sent_bytes=sent_bytes, spent=spent)
        if len(requests.over) >= AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Count the requests that the middleware said were finished; it does so now and then."""
        with self._lock:
            self._settle()

    def connected(self) -> None:
        """A WebSocket was asked for. `disconnected` has to follow, once."""
        with self._lock:
            self._websockets += 1

    def disconnected(
        self, route: str, duration_s: float, *, failed: bool = False, refused: bool = False
    ) -> None:
        """A WebSocket ended, after so long; the outcome as of `answered`."""
        with self._lock:
            self._websockets -= 1
            cell = self._tally.cells[Kind.WEBSOCKET].get(route)
            if cell is None:
                cell = self._tally.admit(Kind.WEBSOCKET, route, self.max_series)
            part = cell.failed if failed else cell.refused if refused else cell.succeeded
            part.record(duration_s)

    def add_probe(self, probe: Probe) -> None:
        """Have *probe* asked, at each `probe()`, for samples: quantities by name."""
        with self._lock:
            self._probes.append(probe)

    def probe(self) -> None:
        """
        Take a sample of whatever the probes can see, and of the requests in flight.

        A probe that raises, or samples what is no finite number, is left out, and that is said
        once.
        """
        for probe in tuple(self._probes):
            try:
                for name, value in probe().items():
                    self.gauge(name, value)
            except Exception:  # a stranger's probe; the monitor goes on without its sample
                self._failed_probes += 1
                if self._failed_probes == 1:
                    _log.exception("a probe failed; its samples are missing")
        self.settle()
        in_flight = self.in_flight
        if self._tally.arrived or in_flight:
            self.gauge(IN_FLIGHT, in_flight)
        if self._websockets:
            self.gauge(WEBSOCKETS, self._websockets)

    # Reading

    @property
    def in_flight(self) -> int:
        """How many requests came in and are not answered yet."""
        with self._lock:
            return self.requests.under_way

    @property
    def worker(self) -> str:
        """What this process is called, among those that share a store."""
        # Asked here and not in the constructor: a server may fork after the app is built.
        return self._worker or f"{socket.gethostname()}:{os.getpid()}"

    def snapshot(self, started_at: datetime | None = None) -> Snapshot:
        """
        Cut the window: hand over all that was recorded since the last cut, and start anew.

        Args:
            started_at: when the window began, aware UTC, if the caller knows better.
        """
        with self._lock:
            self._settle()
            clock_s = self.clock()
            tally, self._tally = self._tally, self._begin(clock_s)
            self._windows += 1
            # What comes in from here on belongs to the next.
            repeats = () if self.looks is None else self.looks.cut()
            return self._freeze(tally, clock_s, self._tally.under_way, started_at, repeats)

    def peek(self) -> Snapshot:
        """The window so far, which goes on. The snapshot shares nothing with it."""
        with self._lock:
            self._settle()
            repeats = () if self.looks is None else self.looks.peek()
            tally, under_way = self._tally.copy(), self.requests.under_way
            return self._freeze(tally, self.clock(), under_way, None, repeats)

    def statistics(self) -> RecorderStatistics:
        """How full the recorder is."""
        with self._lock:
            self._settle()
            return RecorderStatistics(
                series=sum(map(len, self._tally.cells.values())),
                in_flight=self.in_flight,
                folded=self._tally.counters.get(FOLDED, 0),
                windows=self._windows,
            )

    # Private

    def _begin(self, clock_s: float) -> Tally:
        under_way = self.requests.under_way
        return Tally(clock_s, self.now(), under_way, under_way=under_way)

    def _settle(self) -> None:
        self.requests.count(self._tally, max_series=self.max_series, now=self.now())

    def _freeze(
        self,
        tally: Tally,
        clock_s: float,
        in_flight: int,
        started_at: datetime | None,
        repeats: tuple[Repeats, ...],
    ) -> Snapshot:
        return tally.freeze(
            window_s=max(clock_s - tally.began_s, 0.0),
            started_at=started_at or tally.began_at,
            in_flight=in_flight,
            repeats=repeats,
            # Those that came in are those that are finished, and those that are still under way.
            arrived=max(tally.arrived + in_flight - tally.under_way, 0),
            worker=self.worker,
        )
