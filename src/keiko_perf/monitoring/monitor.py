"""
PerformanceMonitor: watches one service, from its requests to its alerts.

It owns the recorder, the store, the targets and the alerts, and ticks once a window: sample the
process, cut the window, keep it, judge, step the alerts, tell. Whatever fails on the way (a full
disk, a webhook that is gone) is said and counted; the service goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import PathLike
from types import ModuleType
from typing import Any, Self

from keiko_perf.errors import MissingExtra
from keiko_perf.model import BlockingCall, Report, Snapshot, Target
from keiko_perf.model.blocking import merged_calls
from keiko_perf.monitoring.alerts.alerting import Alerting
from keiko_perf.monitoring.alerts.alerts import Alert, Patience
from keiko_perf.monitoring.alerts.budgets import Budgets
from keiko_perf.monitoring.alerts.slo import Slo
from keiko_perf.monitoring.arguments import refuse_strangers, refuse_windows, store_of
from keiko_perf.monitoring.chores import Chore
from keiko_perf.monitoring.collector import MetricsCollector
from keiko_perf.monitoring.export.exporting import Exporting
from keiko_perf.monitoring.export.push import OtlpExporter
from keiko_perf.monitoring.export.totals import Totals
from keiko_perf.monitoring.importance import Importance, RouteTargets
from keiko_perf.monitoring.judging import Judging, is_stuck
from keiko_perf.monitoring.kpis import PerformanceKPIs, checks
from keiko_perf.monitoring.looks import Looks
from keiko_perf.monitoring.notify import Deliveries, GroupNotifier, LogNotifier, Notifier
from keiko_perf.monitoring.process import process
from keiko_perf.monitoring.process.loop import follow_loop, watch_loop
from keiko_perf.monitoring.process.watchdog import watching
from keiko_perf.monitoring.recorder import Recorder, utc_now
from keiko_perf.monitoring.remembering import Past, Remembering
from keiko_perf.monitoring.sampling import Sampling
from keiko_perf.monitoring.storage.journal import Journal
from keiko_perf.monitoring.storage.steady import SteadyStore, StoreStatistics
from keiko_perf.monitoring.storage.store import Store
from keiko_perf.monitoring.tasks import Tasks
from keiko_perf.monitoring.ticking import ticking
from keiko_perf.monitoring.watches import Watching

_log = logging.getLogger("keiko_perf.monitor")

_LAST_WORDS_S = 2.0
"""How long alerts may take to be delivered once the service shuts down."""


@dataclass(frozen=True, slots=True)
class MonitorStatistics:
    """
    Attributes:
        ticks: how many windows were cut and judged.
        failed_ticks: how many ticks ended in an error that was not foreseen; the first was logged.
        store: whether it takes the windows, and what waits for it.
        deliveries: what became of the alerts.
    """

    ticks: int
    failed_ticks: int
    store: StoreStatistics
    deliveries: Deliveries


class PerformanceMonitor(Judging, Remembering, Exporting, Watching):
    """
    The monitor of one service. `task` is the decorator for its background tasks; the dashboard
    asks the async functions in `reports` for what else is known, such as of the database.

    Args:
        kpis: the nine targets.
        targets: further ones, on any KPI and on single routes; one on the same KPI and subject
            takes the place of the KPI's.
        routes: what single routes promise, and how much they matter.
        slos: shares of requests that are promised over weeks; their alerts fire when the error
            budget burns too fast.
        store: where windows are kept: a store, the path of a SQLite file that the workers of a
            machine share, or None for the memory of this process.
        token: the secret that opens the dashboard; without one it answers on loopback only.
        window_s: how long a window is.
        metrics_window_s: over how long is judged.
        clock: monotonic seconds.
        now: the wall clock, aware UTC.
        notify: who is told of alerts; the standard log if not given.
        patience: how quickly alerts come and go.
        patience_of: the checks that have a patience of their own.
        revision: the code that runs; found in the environment or the git repository if not given.
        otlp: pushes the figures to an OpenTelemetry collector.
        max_series: how many routes, tasks and statements are told apart.
        sample: takes the gauges of the process, once a window, in a thread.
        blocking_after_s: calls that hold the event loop for longer are found, while the monitor
            ticks; None looks for none.
        attribution: whether to tell where the time of each request went: its statements, the wait
            for the pool, its own code, the wait for the event loop. It costs some 3 µs a request
            and 1 to 2 µs a statement.
        repeats: whether to look at some of the answers of endpoints and statements, for what a
            cache would spare, for less than 1 µs a request; as *attribution* if not given. Digests
            alone are kept.

    Raises:
        UsageError: a window is not positive, or longer than what is judged, or that over a year;
            an empty token or path; something of another type than it should be.
    """

    def __init__(
        self,
        *,
        kpis: PerformanceKPIs | None = None,
        targets: Iterable[Target] = (),
        routes: Iterable[RouteTargets] = (),
        slos: Iterable[Slo] = (),
        store: Store | str | PathLike[str] | None = None,
        token: str | None = None,
        window_s: float = 10.0,
        metrics_window_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        notify: Iterable[Notifier | GroupNotifier] | None = None,
        patience: Patience | None = None,
        patience_of: Mapping[str, Patience] | None = None,
        revision: str | None = None,
        otlp: OtlpExporter | None = None,
        max_series: int = 200,
        sample: Callable[[Recorder], None] = process.sample,
        blocking_after_s: float | None = 0.05,
        attribution: bool = False,
        repeats: bool | None = None,
    ) -> None:
        targets, notify = tuple(targets), None if notify is None else tuple(notify)
        refuse_windows(window_s, metrics_window_s, blocking_after_s)
        refuse_strangers(kpis, targets, token, notify)
        self.kpis = kpis or PerformanceKPIs()
        self.importance = Importance(routes, limit_ms=self.kpis.api_response_time_p95)
        self.checks = checks(*self.kpis.targets(), *self.importance.targets(), *targets)
        kept = store_of(store)
        self.store = SteadyStore(kept)
        self.journal = Journal(kept)
        self.past = Past(self.store, self.journal)
        self.revision = revision
        self._otlp = otlp
        self.token = token
        self.window_s = window_s
        self.attribution = attribution
        self._blocking_after_s = blocking_after_s
        looks = Looks() if (attribution if repeats is None else repeats) else None
        self.recorder = Recorder(max_series=max_series, now=now, clock=clock, looks=looks)
        self.metrics_collector = MetricsCollector(
            self.recorder, self.store, metrics_window_s=metrics_window_s, now=now
        )
        self.task = Tasks(self.recorder)
        self.is_recording = False
        self.now = now
        self.reports: list[Callable[[], Awaitable[Report]]] = []
        self._sampling = Sampling(self.recorder, sample)
        self.budgets = Budgets(slos, self.store, now)
        self.totals = Totals(self.journal, self.store, self.recorder, now)
        self._alerting = Alerting(
            self.journal,
            (LogNotifier(),) if notify is None else notify,
            window_s=window_s,
            patience=patience or Patience(),
            patience_of={**self.budgets.patience, **(patience_of or {})},
            clock=clock,
            now=now,
        )
        self._ticker: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._chores: list[Chore] = []
        self._ticks = self._failed_ticks = 0
        self._broken_kpis = set()

    def __repr__(self) -> str:
        return f"<PerformanceMonitor of {len(self.checks)} targets>"

    # For the service

    def install(
        self, app: Any, *, protect: Callable[[Any], bool | Awaitable[bool]] | None = None
    ) -> None:
        """
        Watch *app*, a FastAPI or Starlette application, and serve the dashboard from it.

        It adds the middleware, the routes under /performance, and the ticker, which starts and
        stops with the application. To install twice is no mistake.

        Args:
            app: the application.
            protect: asked with each request to the dashboard, async or not: true lets it in,
                token or not; what it raises, such as HTTPException, is the answer. With a token,
                that opens as well.

        Raises:
            UsageError: the application is already running, or of another kind; *protect* cannot
                be called.
            MissingExtra: Starlette, which serves the dashboard, is not installed.
        """
        _installation().install(self, app, protect=protect)

    def wrap(
        self, app: Any, *, protect: Callable[[Any], bool | Awaitable[bool]] | None = None
    ) -> Callable[..., Awaitable[None]]:
        """
        The same around any other ASGI application, such as Litestar's: serve what this returns.

        Of a framework that leaves no route in the scope, requests are told apart by what an
        application around it puts there as `path_template`.

        Raises:
            UsageError: *app* is no ASGI application; *protect* cannot be called.
            MissingExtra: Starlette, which serves the dashboard, is not installed.
        """
        wrapped: Callable[..., Awaitable[None]] = _installation().wrap(self, app, protect=protect)
        return wrapped

    def every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """
        Let *work* be done each so many seconds while the monitor ticks; call it before it does.

        With `keiko_perf.diagnosis.keeper_of(engine, HistoryFile("history.sqlite"))` it keeps what
        the database did, for `keiko-perf db changes`.

        Raises:
            UsageError: the time is not over 0, or *work* cannot be called.
        """
        self._chores.append(Chore(seconds, work))

    # What was measured

    async def current(self) -> Snapshot | None:
        """What all workers measured over the last `metrics_window_s`; None before anything."""
        if self._ticker is None:  # nobody else does
            await self._sampling.take_if_old()
        return await self.metrics_collector.snapshot()

    async def blocking_calls(self, *, within_s: float = 3600.0) -> tuple[BlockingCall, ...]:
        """
        What held the event loop of any worker, that which took the most time first.

        Args:
            within_s: how far back to look.
        """
        current, cuts = self.recorder.peek(), self.recorder.statistics().windows
        now = self.now()
        calls = await asyncio.to_thread(
            self.store.blocking_calls, now - timedelta(seconds=within_s), now
        )
        if cuts != self.recorder.statistics().windows:
            return calls  # it was stored meanwhile
        return merged_calls((*calls, *current.blocking))

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that wait, fire, or resolved within the hour; the newest change first."""
        return self._alerting.alerts

    @property
    def is_ticking(self) -> bool:
        """Whether windows are cut and judged, in the event loop that it was started in."""
        return self._ticker is not None and not self._ticker.done()

    def statistics(self) -> MonitorStatistics:
        """How the monitor itself is doing."""
        return MonitorStatistics(
            self._ticks,
            self._failed_ticks,
            self.store.statistics(),
            self._alerting.courier.statistics(),
        )

    # The ticker

    def start(self) -> None:
        """
        Begin to tick, in the running event loop, unless it ticks there already.

        Whoever starts it should stop it; a loop that ends cancels it, and the last window is
        kept nevertheless.
        """
        loop = asyncio.get_running_loop()
        task = self._ticker
        if task is None or task.done() or task.get_loop() is not loop:
            # A context of its own: it may be a request that starts it, and it outlives that.
            self._ticker = loop.create_task(
                self._run(), name="keiko-perf monitor", context=Context()
            )
            self._ticker.add_done_callback(self._ticked)
            self.loop = loop

    def _ticked(self, task: asyncio.Task[None]) -> None:
        if task is self._ticker:  # and no other one has begun since
            self.loop = None

    async def stop(self) -> None:
        """Stop ticking; the last window is kept, and what alerts wait are delivered, in time."""
        task, self._ticker, self.loop = self._ticker, None, None
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            return
        task.cancel()
        await asyncio.wait((task,))
        await self._alerting.close(within_s=_LAST_WORDS_S)
        self.store.close()  # what was delivered just now is on record in it

    @contextmanager
    def ticking_in_thread(self) -> Iterator[Self]:
        """
        Tick in a thread of its own while the context lasts: for programs without an event loop.

        No event loop is watched then, for there is none of the program's.
        """
        with ticking(self._run_beside):
            yield self

    async def tick(self) -> None:
        """End a window: keep it, judge, and see to the alerts."""
        await self._sampling.take()
        window = self.recorder.snapshot()
        self.totals.take(window)
        # Shielded: once cut it is kept, also if the monitor is stopped meanwhile.
        await asyncio.shield(
            asyncio.get_running_loop().run_in_executor(None, self.store.append, window)
        )
        await asyncio.to_thread(self.totals.settle)
        current = await self.current()
        verdicts = self.judge(current)
        burning = await asyncio.to_thread(self.budgets.advance) if self.budgets else {}
        await self._alerting.step({**verdicts, **burning}, is_stuck=is_stuck(current))
        self._ticks += 1

    # Private

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch_loop(self.recorder), name="keiko-perf loop lag")
            with (
                watching(self.recorder, after_s=self._blocking_after_s),
                follow_loop(self.recorder) if self.attribution else nullcontext(),
            ):
                await self._run_beside()

    async def _run_beside(self) -> None:
        """What a monitor does that needs no event loop of the service's."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._alerting.courier.run(), name="keiko-perf courier")
                for chore in self._chores:
                    group.create_task(chore.run(), name="keiko-perf chore")
                if self._otlp is not None:
                    group.create_task(self._otlp.run(self), name="keiko-perf push")
                await self._tick_for_ever()
        finally:
            # Not awaited: a cancelled task may get no further turn of its loop.
            window = self.recorder.snapshot()
            self.totals.take(window)
            self.store.append(window)
            self.totals.settle()
            self.store.close()

    async def _tick_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        await self._sampling.take()  # the CPU is a difference: this is where it begins
        await self.note_deploy()
        while True:
            # From one due time to the next, so that the windows don't drift; late ones are skipped.
            due = max(due + self.window_s, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                await self.tick()
            except Exception:  # the ticker outlives whatever a store or a target may raise
                self._failed_ticks += 1
                if self._failed_ticks == 1:
                    _log.exception("a window could not be judged; the monitor goes on")


def _installation() -> ModuleType:
    try:
        from keiko_perf.monitoring import installation
    except ImportError:
        raise MissingExtra("starlette", extra="fastapi", purpose="the dashboard") from None
    return installation
