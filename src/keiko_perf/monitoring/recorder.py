"""
Recorder: the one place where a process counts what happens in it, window by window.

It takes durations into series, samples into gauges and counts into counters, and hands all of
it over as a Snapshot when the window is cut. Nothing is lost at the cut: what is recorded goes
into exactly one window. Names are bounded: in each window the first `max_series` of a kind get a
series of their own, the rest share `(other)` and are counted as `folded`.

Any thread may record. One re-entrant lock guards it all: about 60 ns, and re-entrant because
the garbage collector may hand a database connection back, and record that, amid a recording.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite
from threading import RLock

from keiko_perf.errors import UsageError
from keiko_perf.model import OTHER, Gauge, Histogram, Kind, Series, Snapshot

ARRIVED = "arrived"
DISCONNECTED = "disconnected"
FOLDED = "folded"
IN_FLIGHT = "in_flight"

_log = logging.getLogger(__name__)

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


@dataclass(slots=True)
class _Window:
    """What was recorded since the last cut: durations as (succeeded, failed) by kind and name."""

    began_s: float
    began_at: datetime
    peak_in_flight: int
    arrived: int = 0
    durations: dict[Kind, dict[str, tuple[Histogram, Histogram]]] = field(
        default_factory=lambda: {kind: {} for kind in Kind}
    )
    gauges: dict[str, Gauge] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)


class Recorder:
    """
    Args:
        clock: monotonic seconds, for how long.
        now: the wall clock, aware UTC, for when.
        max_series: how many names each kind, the gauges and the counters may have in a window.
        worker: what to call this process; its host and process id if not given.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        max_series: int = 200,
        worker: str | None = None,
    ) -> None:
        if max_series < 1:
            raise UsageError(
                f"a recorder of {max_series} series can hold nothing",
                cure="Let max_series be at least 1",
            )
        self.clock = clock
        self.max_series = max_series
        self.now = now
        self._worker = worker
        self._lock = RLock()
        self._in_flight = 0
        self._windows = 0
        self._probes: list[Probe] = []
        self._failed_probes = 0
        self._window = self._begin(clock())

    # Recording

    def record(self, kind: Kind, name: str, duration_s: float, *, failed: bool = False) -> None:
        """
        Count one request, run or execution that took *duration_s* seconds.

        Raises:
            ValueError: the duration is negative, infinite or not a number. Nothing is recorded.
        """
        with self._lock:
            pair = self._window.durations[kind].get(name)
            if pair is None:
                pair = self._admit(kind, name)
            pair[failed].record(duration_s)

    def count(self, name: str, n: int = 1) -> None:
        """
        Add *n* to the counter *name*.

        Raises:
            ValueError: it is negative; what goes down as well is a gauge.
        """
        if n < 0:
            raise ValueError(f"a counter only goes up, not by {n}")
        with self._lock:
            counters = self._window.counters
            if name not in counters and len(counters) >= self.max_series:
                counters[FOLDED] = counters.get(FOLDED, 0) + 1
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
            gauges = self._window.gauges
            known = gauges.get(name)
            if known is not None:
                gauges[name] = known.merge(sample)
            elif len(gauges) < self.max_series:
                gauges[name] = sample
            else:
                self.count(FOLDED)

    def arrived(self) -> None:
        """A request came in. `departed` or `answered` has to follow, once."""
        with self._lock:
            window = self._window
            window.arrived += 1
            self._in_flight = in_flight = self._in_flight + 1
            if in_flight > window.peak_in_flight:
                window.peak_in_flight = in_flight

    def answered(self, route: str, duration_s: float, *, failed: bool = False) -> None:
        """A request that came in was answered: `record` and `departed` in one."""
        with self._lock:
            self._in_flight -= 1
            pair = self._window.durations[Kind.ROUTE].get(route)
            if pair is None:
                pair = self._admit(Kind.ROUTE, route)
            pair[failed].record(duration_s)

    def departed(self) -> None:
        """A request that came in is over, and has no duration that means anything."""
        with self._lock:
            self._in_flight -= 1

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
        if self._window.arrived or self._in_flight:
            self.gauge(IN_FLIGHT, self._in_flight)

    # Reading

    @property
    def in_flight(self) -> int:
        """How many requests came in and are not answered yet."""
        return self._in_flight

    def snapshot(self, started_at: datetime | None = None) -> Snapshot:
        """
        Cut the window: hand over all that was recorded since the last cut, and start anew.

        Args:
            started_at: when the window began, aware UTC, if the caller knows better.
        """
        with self._lock:
            clock_s = self.clock()
            window, self._window = self._window, self._begin(clock_s)
            self._windows += 1
            in_flight = self._in_flight
        return self._freeze(window, clock_s, in_flight, started_at)

    def peek(self) -> Snapshot:
        """The window so far, which goes on. The snapshot shares nothing with it."""
        with self._lock:
            window = self._window
            copied = _Window(
                window.began_s,
                window.began_at,
                window.peak_in_flight,
                window.arrived,
                {
                    kind: {name: (ok.copy(), bad.copy()) for name, (ok, bad) in pairs.items()}
                    for kind, pairs in window.durations.items()
                },
                dict(window.gauges),
                dict(window.counters),
            )
            return self._freeze(copied, self.clock(), self._in_flight, None)

    def statistics(self) -> RecorderStatistics:
        """How full the recorder is."""
        with self._lock:
            return RecorderStatistics(
                series=sum(map(len, self._window.durations.values())),
                in_flight=self._in_flight,
                folded=self._window.counters.get(FOLDED, 0),
                windows=self._windows,
            )

    # Private

    def _begin(self, clock_s: float) -> _Window:
        return _Window(clock_s, self.now(), self._in_flight)

    def _admit(self, kind: Kind, name: str) -> tuple[Histogram, Histogram]:
        """A new series, or that of all the others if there are too many already."""
        pairs = self._window.durations[kind]
        if len(pairs) >= self.max_series:
            counters = self._window.counters
            counters[FOLDED] = counters.get(FOLDED, 0) + 1
            name = OTHER
        return pairs.setdefault(name, (Histogram(), Histogram()))

    def _freeze(
        self, window: _Window, clock_s: float, in_flight: int, started_at: datetime | None
    ) -> Snapshot:
        window_s = max(clock_s - window.began_s, 0.0)
        counters = window.counters
        if window.arrived:
            counters[ARRIVED] = window.arrived
        gauges = window.gauges
        if window.peak_in_flight:
            # Samples miss the short peaks; each arrival has seen them.
            sampled = gauges.get(IN_FLIGHT) or Gauge(in_flight, 1, in_flight)
            gauges[IN_FLIGHT] = replace(sampled, peak=window.peak_in_flight)
        return Snapshot(
            started_at=started_at or window.began_at,
            window_s=window_s,
            series=tuple(
                Series(kind=kind, name=name, window_s=window_s, succeeded=ok, failed=bad)
                for kind, pairs in window.durations.items()
                for name, (ok, bad) in pairs.items()
            ),
            gauges=gauges,
            counters=counters,
            # Asked here and not in the constructor: a server may fork after the app is built.
            worker=self._worker or f"{socket.gethostname()}:{os.getpid()}",
        )
