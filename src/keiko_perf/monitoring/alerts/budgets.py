"""
Budgets: the SLOs of a service beside its stored windows, brought up to date with each of them.

After a start it has weeks to read: it reads the newest first and then some hours with each window,
so that neither a start nor a window takes long. `SloStatus.since` says how far it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from keiko_perf.errors import UsageError
from keiko_perf.model import Snapshot, Verdict
from keiko_perf.monitoring.alerts.alerts import Patience
from keiko_perf.monitoring.alerts.slo import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Ledger,
    Slo,
    SloStatus,
    status,
    tallies,
)
from keiko_perf.monitoring.export.families import Sample

_MOST = 20
_LATE_S = 120.0
"""Windows of other workers, and those that a store took late, still come so long after."""
_STEPS_S = ((3 * DAY_S, 2 * HOUR_S), (366 * DAY_S, 12 * HOUR_S))
"""How much is read at once, up to which age: windows of some days ago are ten minutes long."""


class _Readable(Protocol):
    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]: ...


class Budgets:
    """
    Args:
        slos: what is promised.
        store: the windows of all workers.
        now: the wall clock, aware UTC.
    """

    def __init__(self, slos: Iterable[Slo], store: _Readable, now: Callable[[], datetime]) -> None:
        self._ledgers = {slo.name: (slo, Ledger(slo.period_s)) for slo in _checked(tuple(slos))}
        self._store = store
        self._now = now
        self._reached: datetime | None = None
        self._until: datetime | None = None
        self._statuses: tuple[SloStatus, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._ledgers)

    @property
    def statuses(self) -> tuple[SloStatus, ...]:
        """How each SLO stood after the last window."""
        return self._statuses

    @property
    def patience(self) -> dict[str, Patience]:
        """How quickly the alerts of budgets come: at once, since their windows wait already."""
        return {slo.check: Patience(for_s=0.0) for slo, _ in self._ledgers.values()}

    def advance(self) -> Mapping[str, Verdict]:
        """Take in what came since the last call, and some hours of before; the verdicts. Blocks."""
        if not self._ledgers:
            return {}
        now = self._now()
        newest_s = (self._until or now).timestamp() - _LATE_S
        start = datetime.fromtimestamp(newest_s // MINUTE_S * MINUTE_S, UTC)
        self._take(start, now + timedelta(seconds=1))
        self._reached = min(self._reached or start, start)
        self._until = now
        self._look_back(now)
        reached = self._reached
        assert reached is not None
        self._statuses = tuple(
            status(slo, ledger, now, reached) for slo, ledger in self._ledgers.values()
        )
        return {one.slo.check: one.verdict for one in self._statuses}

    def figures(self) -> dict[str, tuple[Sample, ...]]:
        """The budgets and burn rates as gauges to export, by name."""
        if not self._statuses:
            return {}
        left = tuple(
            Sample((("slo", one.slo.name),), one.budget_left_ratio)
            for one in self._statuses
            if one.budget_left_ratio is not None
        )
        burns = tuple(
            Sample((("slo", one.slo.name), ("window_seconds", f"{span_s:g}")), burn)
            for one in self._statuses
            for span_s, burn in one.burns.items()
            if burn is not None
        )
        found = {"slo_budget_left_ratio": left, "slo_burn_rate": burns}
        return {name: samples for name, samples in found.items() if samples}

    def _look_back(self, now: datetime) -> None:
        reached = self._reached
        assert reached is not None
        longest_s = max(slo.period_s for slo, _ in self._ledgers.values())
        age_s = (now - reached).total_seconds()
        if age_s >= longest_s:
            return
        step_s = next(step_s for most_s, step_s in _STEPS_S if age_s < most_s)
        start = reached - timedelta(seconds=step_s)
        self._take(start, reached)
        self._reached = start

    def _take(self, start_at: datetime, end_at: datetime) -> None:
        windows = self._store.between(start_at, end_at)
        for slo, ledger in self._ledgers.values():
            for minute, (bad, total) in sorted(tallies(slo, windows).items()):
                ledger.put(minute, bad, total)


def _checked(slos: tuple[Slo, ...]) -> tuple[Slo, ...]:
    names = {one.name for one in slos}
    if len(names) < len(slos) or len(slos) > _MOST:
        raise UsageError(
            f"there are at most {_MOST} SLOs, each with a name of its own",
            cure="Give each Slo another name",
        )
    return slos
