"""
Meanwhile: watches a service and looks at its database while a load test goes on, as one.

Either of the two may be missing, and both: then there is nothing to tell. What is told stands on
the load generator's clock.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from typing import Self

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.verdicts import inside
from keiko_perf.loadtest.watching import moments
from keiko_perf.loadtest.watching.sampling import Sampler, Source
from keiko_perf.loadtest.watching.telemetry import Reading
from keiko_perf.loadtest.watching.watched import Watched, recent_lines, watched
from keiko_perf.loadtest.watching.watcher import Watcher, begun_s
from keiko_perf.model import Resource, Snapshot, Target, Use, Window

Points = tuple[tuple[float, float], ...]


class Meanwhile:
    """
    Watches while its context lasts.

    Args:
        watch: the address of a service that has a monitor; None: none is watched.
        database: opens what its sessions are asked by; None: none is looked at.
        token: that opens the service's figures.
        targets: what is promised; those about the inside say what is read.

    Raises:
        UsageError: a target is about what is not watched.
        KeikoError: on entering, the service or the database does not answer.
    """

    def __init__(
        self,
        *,
        watch: str | None,
        database: Source | None,
        token: str = "",
        targets: Collection[Target] = (),
    ) -> None:
        check_needs(targets, has_watch=watch is not None, has_database=database is not None)
        self._is_promised = any(inside.is_inside(one.kpi) for one in targets)
        kinds = inside.kinds_of(one.kpi for one in targets)
        self._watcher = None if watch is None else Watcher(watch, token=token, kinds=kinds)
        self._sampler = None if database is None else Sampler(database)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for one in (self._watcher, self._sampler):
                if one is not None:
                    stack.enter_context(one)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_watching(self) -> bool:
        """Whether there is anything to tell."""
        return self._watcher is not None or self._sampler is not None

    def watched(self, result: Result) -> Watched | None:
        """What was done during a run that has just ended; None if nobody watched."""
        if not self.is_watching:
            return None
        return watched(
            self._service,
            self._database,
            begun_s=begun_s(result),
            duration_s=result.duration_s,
            load_s=min(result.duration_s, result.planned_s),
            outside=_outside(result),
            answered_s=result.service.succeeded.mean_s,
            interval_s=result.interval_s if self._is_promised else None,
        )

    def lately(self, last_s: float) -> Snapshot | None:
        """What was done in the last so many seconds."""
        since_s = time.monotonic() - last_s
        return moments.lately(self._service, self._database, since_s=since_s)

    def lines(self, last_s: float) -> dict[str, Points]:
        """Likewise as lines, by the words of `watched`: how many seconds ago, and what."""
        now_s = time.monotonic()
        return recent_lines(self._service, self._database, now_s=now_s, last_s=last_s)

    @property
    def _service(self) -> tuple[Reading, ...]:
        return () if self._watcher is None else self._watcher.readings

    @property
    def _database(self) -> tuple[Reading, ...]:
        return () if self._sampler is None else self._sampler.readings


def _outside(result: Result) -> Window | None:
    """What the load generator itself knows of a run: the rate, and what it took of its core."""
    response = result.response
    if not response.count or not result.duration_s > 0:
        return None
    own = result.cpu_ratio
    return Window(
        rate_per_s=response.count / result.duration_s,
        response_s=response.succeeded.mean_s,
        uses=()
        if own is None
        else (Use(resource=Resource.GENERATOR, busy=min(own, 1.0), capacity=1.0),),
    )


def check_needs(targets: Iterable[Target], *, has_watch: bool, has_database: bool) -> None:
    """
    Raises:
        UsageError: a target is about what is not watched.
    """
    given = {inside.WATCH: has_watch, inside.DATABASE: has_database}
    cures = {
        inside.WATCH: "Give --watch with the address of the service, which needs a "
        "PerformanceMonitor; or leave the promise out",
        inside.DATABASE: "Give --database with its URL, or leave the promise out",
    }
    for one in targets:
        needed = inside.needs(one.kpi)
        if needed is not None and not given[needed]:
            raise UsageError(
                f"a promise about what is not read without {needed}: {one.kpi.name}",
                cure=cures[needed],
            )
