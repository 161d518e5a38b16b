"""
Course: how a load test went so far, what one progress alone does not tell. Pure.

It keeps the trends, judges the targets each second, and says when the result would be invalid. What
the service and its database did meanwhile is read off whoever watches them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Protocol

from keiko_perf.cli.strips import Strip, strips
from keiko_perf.loadtest import Load, Progress, Stages, Users
from keiko_perf.loadtest.progress import StepProgress
from keiko_perf.loadtest.verdicts.inside import is_inside
from keiko_perf.loadtest.verdicts.validity import CPU_LIMIT_RATIO, LATE_FLOOR_S, LATE_SHARE
from keiko_perf.model import Kind, Outcome, Series, Snapshot, Target, Verdict

TREND = 60
GOOD, AMBER, RED, DIM = "green", "yellow", "bold red", "dim"
"""What a reader is to see in it: Rich's names of styles."""

_CPU_AMBER_RATIO = 0.7
_LATE_FOR_SURE = 0.5  # of the p99; below that the result itself tells whether it is in a figure


@dataclass(frozen=True, slots=True)
class Row:
    """One step as a row, or all of them."""

    name: str
    recent: Series
    whole: Series
    trend: Sequence[float | None]


class Inside(Protocol):
    """Who watches the service and its database, as `loadtest.watching.meanwhile` does."""

    def lately(self, last_s: float) -> Snapshot | None:
        """What was done in the last so many seconds."""

    def lines(self, last_s: float) -> Mapping[str, Sequence[tuple[float, float]]]:
        """Likewise as lines, by how many seconds ago (below 0) and what."""


class Course:
    """
    The run as it went so far: what one progress alone does not tell.

    Args:
        load: what is asked for.
        targets: promises, judged each second.
        warmup_s: how long the load is on before measuring begins.
        meanwhile: who watches; None if nobody does.
    """

    def __init__(
        self,
        load: Load,
        targets: Sequence[Target] = (),
        *,
        warmup_s: float = 0.0,
        meanwhile: Inside | None = None,
    ) -> None:
        self._load = load
        self._targets = tuple(targets)
        self._warmup_s = warmup_s
        self._meanwhile = meanwhile
        self._asks_inside = any(is_inside(one.kpi) for one in self._targets)
        self._asked: deque[float | None] = deque(maxlen=TREND)
        self._p95: deque[float | None] = deque(maxlen=TREND)
        self._trends: dict[str, deque[float | None]] = {}
        self._missed_at: dict[int, float] = {}  # by the number of the target
        self.progress: Progress | None = None
        self.verdicts: tuple[Verdict, ...] = ()
        self.rows: tuple[Row, ...] = ()
        self.strips: tuple[Strip, ...] = ()

    def take(self, progress: Progress) -> None:
        """The next second."""
        self.progress = progress
        self.rows = tuple(self._row(one.recent, one.whole) for one in progress.steps)
        if len(self.rows) > 1:
            self.rows += (self._row(*all_steps(progress.steps)),)
        snapshot = Snapshot(
            started_at=datetime.now(UTC),
            window_s=max(0.0, progress.elapsed_s - self._warmup_s),
            series=tuple(one.whole for one in progress.steps),
            counters={"arrived": progress.offered},
        )
        measured_s = progress.elapsed_s - self._warmup_s
        inside = None
        if self._asks_inside and self._meanwhile is not None:
            inside = self._meanwhile.lately(max(measured_s, 0.0))
        self.verdicts = tuple(
            target.judge(inside if is_inside(target.kpi) else snapshot) for target in self._targets
        )
        self.strips = self._strips(progress)
        for number, one in enumerate(self.verdicts):
            if one.outcome is Outcome.MISSED:
                self._missed_at.setdefault(number, progress.elapsed_s)

    def _strips(self, progress: Progress) -> tuple[Strip, ...]:
        """What load and latency, service and database did, if somebody watches these."""
        self._asked.append(progress.rate_per_s if self.is_closed else progress.offered_per_s)
        recent = all_steps(progress.steps)[0].succeeded
        self._p95.append(recent.known_quantile(0.95))
        if self._meanwhile is None:
            return ()
        found = strips(self._meanwhile.lines(TREND), TREND)
        if not found:
            return ()
        load = "answered" if self.is_closed else "asked for"
        return (
            Strip(load, _from_the_right(self._asked), "rate"),
            Strip("response time p95", _from_the_right(self._p95), "duration"),
            *found,
        )

    @property
    def stage(self) -> str:
        """What the load does now, where it does not do the same all the time."""
        progress = self.progress
        if progress is None:
            return "starting"
        if progress.is_draining:
            return "waiting for answers"
        if progress.is_warming_up:
            return "warming up"
        if not isinstance(self._load, Stages):
            return ""
        stages = [one for one in self._load.stages if one.duration_s]  # the others are jumps
        ends_s = list(accumulate(one.duration_s for one in stages))
        at_s = progress.elapsed_s - self._warmup_s
        number = next((i for i, end_s in enumerate(ends_s) if at_s < end_s), len(ends_s) - 1)
        return f"stage {number + 1}/{len(ends_s)} to {stages[number].per_s:g}/s"

    @property
    def of_all(self) -> str:
        """What the row of all steps is: of very many, only the first are told while it runs."""
        progress = self.progress
        assert progress is not None
        told = sum(one.whole.count for one in progress.steps)
        return "all steps" if told >= progress.succeeded + progress.failed else "steps above"

    @property
    def is_closed(self) -> bool:
        return isinstance(self._load, Users)

    def subjects(self, row: Row) -> tuple[str | None, ...]:
        """What targets about this row are about."""
        return (row.name or None, None) if len(self.rows) == 1 else (row.name or None,)

    def missed_at(self, verdict: Verdict) -> float | None:
        """When its target was first missed, from the start of the load."""
        return self._missed_at.get(self.verdicts.index(verdict))

    @property
    def standing(self) -> tuple[str, str]:
        """The verdict so far and its style."""
        if self.progress is not None and danger(self.progress):
            return "INVALID so far", RED
        outcomes = [one.outcome for one in self.verdicts]
        missed = outcomes.count(Outcome.MISSED)
        if missed:
            return f"✗ {missed} of {len(outcomes)} missed so far", RED
        if not outcomes:
            return "", DIM
        if Outcome.UNKNOWN in outcomes:
            return "… too early to tell", DIM
        return f"✓ {len(outcomes)} of {len(outcomes)} met so far", GOOD

    def _row(self, recent: Series, whole: Series) -> Row:
        trend = self._trends.setdefault(whole.name, deque(maxlen=TREND))
        trend.append(recent.succeeded.known_quantile(0.95))
        return Row(whole.name, recent, whole, tuple(trend))


def _from_the_right(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """As many as the axis has seconds; the last one is now."""
    return (*(None,) * (TREND - len(values)), *values)


def danger(progress: Progress) -> tuple[str, ...]:
    """Why the result would be invalid if the run ended as it is now."""
    reasons = []
    if progress.dropped:
        reasons.append(f"{progress.dropped} requests were not sent: too many were in flight")
    if cpu_tone(progress) == RED:
        reasons.append("the generator has no CPU left")
    if late_tone(progress) == RED:
        reasons.append("the generator sends too late")
    return tuple(reasons)


def all_steps(steps: Sequence[StepProgress]) -> tuple[Series, Series]:
    """The recent and the whole of all steps together."""

    def merged(series: list[Series]) -> Series:
        window_s = max((one.window_s for one in series), default=0.0)
        return Series.merged(series, kind=Kind.STEP, name="", window_s=window_s)

    return merged([one.recent for one in steps]), merged([one.whole for one in steps])


def lateness_s(progress: Progress) -> float | None:
    """How late the generator was, p99; None with too few requests to tell."""
    return progress.late.known_quantile(0.99)


def late_tone(progress: Progress) -> str:
    """Red where the lateness is sure to be in the figures, amber where it may be."""
    late_s = lateness_s(progress)
    if late_s is None:
        return ""
    response_s = all_steps(progress.steps)[1].succeeded.quantile(0.99) or 0.0
    limit_s = max(LATE_FLOOR_S, LATE_SHARE * response_s)
    if late_s > max(LATE_FLOOR_S, _LATE_FOR_SURE * response_s):
        return RED
    return AMBER if late_s > limit_s / 2 else ""


def cpu_tone(progress: Progress) -> str:
    """Red where the generator's CPU makes the result invalid, amber on the way there."""
    if progress.cpu_ratio is None:
        return ""
    if progress.cpu_ratio > CPU_LIMIT_RATIO:
        return RED
    return AMBER if progress.cpu_ratio > _CPU_AMBER_RATIO else ""
