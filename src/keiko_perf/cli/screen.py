"""
Screen: what the live view of a load test shows, from one progress to the next. Pure.

The first line is the truth in short, the table has the steps, the last lines say how the targets
stand and whether the generator itself is still to be trusted. Each column has one unit for the
whole run: numbers that change their unit cannot be read while they move.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

from rich.console import Group, RenderableType
from rich.text import Text

from keiko_perf.loadtest import Load, Progress, Stages, Users
from keiko_perf.loadtest.progress import StepProgress
from keiko_perf.loadtest.result import CPU_LIMIT_RATIO, LATE_FLOOR_S, LATE_SHARE
from keiko_perf.model import (
    Histogram,
    Kind,
    Outcome,
    Series,
    Snapshot,
    Target,
    Verdict,
    samples_needed,
)
from keiko_perf.render.clean import clean_line
from keiko_perf.render.figures import about, limit, measured
from keiko_perf.render.units import show

NARROWEST = 60
WIDEST = 140
ABSENT = "–"

_QUANTILES = (0.5, 0.95, 0.99)
_TREND = 60
_LEVELS = "▁▂▃▄▅▆▇█"
_NUMBER = 6  # columns of a number, the blank before it included
_FIGURES = 2 * _NUMBER + 2 * (2 + 3 * _NUMBER)
_SHORTEST_TREND = 8
_CPU_AMBER_RATIO = 0.7
_MOST_TARGETS = 6
_MOST_ERRORS = 3
_OF_TARGETS = 47  # columns of a target beside its name
_GOOD, _AMBER, _RED, _DIM = "green", "yellow", "bold red", "dim"
_SIGNS = {
    Outcome.MET: ("✓", _GOOD),
    Outcome.MISSED: ("✗", _RED),
    Outcome.UNKNOWN: ("…", _DIM),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One step as a row, or all of them."""

    name: str
    recent: Series
    whole: Series
    trend: Sequence[float | None]


class Course:
    """
    The run as it went so far: what one progress alone does not tell.

    Args:
        load: what is asked for.
        targets: promises, judged each second.
        warmup_s: how long the load is on before measuring begins.
    """

    def __init__(
        self, load: Load, targets: Sequence[Target] = (), *, warmup_s: float = 0.0
    ) -> None:
        self._load = load
        self._targets = tuple(targets)
        self._warmup_s = warmup_s
        self._trends: dict[str, deque[float | None]] = {}
        self._missed_at: dict[int, float] = {}  # by the number of the target
        self.progress: Progress | None = None
        self.verdicts: tuple[Verdict, ...] = ()
        self.rows: tuple[Row, ...] = ()

    def take(self, progress: Progress) -> None:
        """The next second."""
        self.progress = progress
        self.rows = tuple(self._row(one.recent, one.whole) for one in progress.steps)
        if len(self.rows) > 1:
            self.rows += (self._row(*_all(progress.steps)),)
        snapshot = Snapshot(
            started_at=datetime.now(UTC),
            window_s=max(0.0, progress.elapsed_s - self._warmup_s),
            series=tuple(one.whole for one in progress.steps),
            counters={"arrived": progress.offered},
        )
        self.verdicts = tuple(target.judge(snapshot) for target in self._targets)
        for number, one in enumerate(self.verdicts):
            if one.outcome is Outcome.MISSED:
                self._missed_at.setdefault(number, progress.elapsed_s)

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
            return "INVALID so far", _RED
        outcomes = [one.outcome for one in self.verdicts]
        missed = outcomes.count(Outcome.MISSED)
        if missed:
            return f"✗ {missed} of {len(outcomes)} missed so far", _RED
        if not outcomes:
            return "", _DIM
        if Outcome.UNKNOWN in outcomes:
            return "… too early to tell", _DIM
        return f"✓ {len(outcomes)} of {len(outcomes)} met so far", _GOOD

    def _row(self, recent: Series, whole: Series) -> Row:
        trend = self._trends.setdefault(whole.name, deque(maxlen=_TREND))
        trend.append(known(recent.succeeded, 0.95))
        return Row(whole.name, recent, whole, tuple(trend))


def screen(course: Course, *, width: int, height: int) -> RenderableType:
    """The whole view."""
    width = max(NARROWEST, min(width, WIDEST))
    progress = course.progress
    if progress is None:
        return Text("connecting …", _DIM)
    rows, left_out = _fitting(course.rows, max(3, height - _beside(course, progress)))
    name = _name_width(rows, width)
    trend = min(_TREND, width - name - _FIGURES - 2)
    lines = [
        _truth(course, progress, width),
        _bar(progress, width),
        Text(),
        *_head(name, trend),
        *(_step(row, course, name, trend) for row in rows),
    ]
    if left_out:
        lines.append(Text(f"+ {left_out} more steps", _DIM))
    if course.verdicts:
        lines += [Text(), *_targets(course, width)]
    if progress.errors:
        lines += [Text(), *_errors(progress)]
    lines += [Text(), *_generator(progress)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        line.no_wrap = True
    return Group(*lines)


def _beside(course: Course, progress: Progress) -> int:
    """How many lines the view has beside those of the steps."""
    targets = min(len(course.verdicts), _MOST_TARGETS + 1)
    return 11 + targets + min(len(progress.errors), _MOST_ERRORS)


def plain(course: Course) -> str:
    """The same as one line, for where nothing can be drawn twice."""
    progress = course.progress
    if progress is None:
        return "connecting"
    recent, whole = _all(progress.steps)
    words = [
        f"{clock(progress.elapsed_s)}/{clock(progress.total_s)}",
        course.stage,
        *(() if course.is_closed else (f"asked {show(progress.offered_per_s, 'rate')}",)),
        f"answered {show(progress.rate_per_s, 'rate')}",
        f"{progress.in_flight} in flight",
        *(
            f"p{q * 100:g} {ABSENT if value is None else show(value, 'duration')}"
            for q in _QUANTILES
            for value in (known(recent.succeeded, q),)
        ),
        f"{whole.errors} failed",
        f"{progress.dropped} dropped" if progress.dropped else "",
        course.standing[0],
        *danger(progress)[:1],
    ]
    return " · ".join(filter(None, words))


def danger(progress: Progress) -> tuple[str, ...]:
    """Why the result would be invalid if the run ended as it is now."""
    reasons = []
    if progress.dropped:
        reasons.append(f"{progress.dropped} requests were not sent: too many were in flight")
    if _cpu_tone(progress) == _RED:
        reasons.append("the generator has no CPU left")
    if _late_tone(progress) == _RED:
        reasons.append("the generator sends too late")
    return tuple(reasons)


def known(histogram: Histogram, q: float) -> float | None:
    """The quantile, if there are enough samples to tell it."""
    return histogram.quantile(q) if histogram.count >= samples_needed(q) else None


def clock(duration_s: float) -> str:
    """Minutes and seconds, as on a clock."""
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


# The lines


def _truth(course: Course, progress: Progress, width: int) -> Text:
    standing, style = course.standing
    times = clock(progress.elapsed_s), clock(progress.total_s)
    for gap, between in (("   ", " / "), ("  ", "/"), (" ", "/")):
        told = [
            (between.join(times), "bold"),
            (course.stage, ""),
            (_rates(course, progress, is_short=gap != "   "), ""),
            (f"{progress.in_flight:,} in flight", ""),
            (standing, style),
        ]
        told = [(text, style) for text, style in told if text]
        if sum(len(text) for text, _ in told) + len(gap) * (len(told) - 1) <= width:
            break
    return Text(gap).join(Text(text, style) for text, style in told)


def _rates(course: Course, progress: Progress, *, is_short: bool) -> str:
    achieved = f"{progress.rate_per_s:,.0f}/s"
    if course.is_closed:
        return achieved if is_short else f"answered {achieved}"
    asked = f"{progress.offered_per_s:,.0f}"
    return f"{asked} → {achieved}" if is_short else f"asked {asked}/s, answered {achieved}"


def _bar(progress: Progress, width: int) -> Text:
    share = min(1.0, progress.elapsed_s / progress.total_s) if progress.total_s else 1.0
    done = round(share * width)
    return Text.assemble(("━" * done, "cyan"), ("─" * (width - done), _DIM))


def _head(name: int, trend: int) -> tuple[Text, Text]:
    group = 3 * _NUMBER
    titles = f"{'last 10 s, ms':>{group}}  {'run so far, ms':>{group}}"
    above = f"{'':{name}}{'':{2 * _NUMBER}}  {titles}"
    quantiles = "".join(f"{f'p{q * 100:g}':>{_NUMBER}}" for q in _QUANTILES)
    below = f"{'step':{name}}{'per s':>{_NUMBER}}{'err %':>{_NUMBER}}  {quantiles}  {quantiles}"
    title = "p95, last minute"
    return Text(above, _DIM), Text(f"{below}  {title if trend >= len(title) else 'p95'}", _DIM)


def _step(row: Row, course: Course, name: int, trend: int) -> Text:
    recent = row.recent
    is_all = not row.name
    title = clean_line(row.name) or course.of_all
    line = Text(f"{_shortened(title, name):{name}}")
    line.append(f"{number(recent.rate_per_s):>{_NUMBER}}")
    ratio = recent.error_ratio
    errors = ABSENT if ratio is None else number(ratio * 100)
    line.append(f"{errors:>{_NUMBER}}", _RED if ratio else _DIM if ratio is None else "")
    missed = {
        one.target.kpi.name
        for one in course.verdicts
        if one.outcome is Outcome.MISSED and one.target.subject in course.subjects(row)
    }
    for series, is_run in ((recent, False), (row.whole, True)):
        line.append("  ")
        for q in _QUANTILES:
            value_s = known(series.succeeded, q)
            style = _RED if is_run and f"latency_p{q * 100:g}_s" in missed else ""
            shown = ABSENT if value_s is None else number(value_s * 1000)
            line.append(f"{shown:>{_NUMBER}}", _DIM if value_s is None else style)
    line.append("  ")
    line.append(sparkline(row.trend, trend), "cyan")
    if is_all and len(course.rows) > 1:
        line.stylize("bold", 0, name)
    return line


def _targets(course: Course, width: int) -> list[Text]:
    shown = sorted(course.verdicts, key=lambda one: one.outcome is not Outcome.MISSED)
    longest = max(len(about(one.target, "en")) for one in shown)
    named = max(16, min(longest, width - _OF_TARGETS))
    lines = [_target(course, one, named) for one in shown[:_MOST_TARGETS]]
    if len(shown) > _MOST_TARGETS:
        lines.append(Text(f"+ {len(shown) - _MOST_TARGETS} more targets", _DIM))
    return lines


def _target(course: Course, one: Verdict, named: int) -> Text:
    sign, style = _SIGNS[one.outcome]
    is_missed = one.outcome is Outcome.MISSED
    line = Text.assemble(
        (f"{sign} ", style),
        f"{_shortened(clean_line(about(one.target, 'en')), named):{named}} ",
        (f"{measured(one, 'en'):>9}", style if is_missed else ""),
        (f"  {limit(one.target, 'en'):<10}", _DIM),
    )
    if one.value is not None and one.is_told and one.target.at_most:
        line.append(headroom(one.value / one.target.at_most), style)
    missed_at = course.missed_at(one)
    if is_missed and missed_at is not None:
        line.append(f"  since {clock(missed_at)}", _DIM)
    return line


def _errors(progress: Progress) -> list[Text]:
    return [
        Text.assemble(
            (f"{group.count:,} × {group.failure.value}", _RED),
            f"  {clean_line(group.step)}",
            (f"  {clean_line(group.detail)}", _DIM),
        )
        for group in progress.errors[:_MOST_ERRORS]
    ]


def _generator(progress: Progress) -> list[Text]:
    late_s = _late_s(progress)
    parts = [
        ("generator", _DIM),
        (
            f"CPU {ABSENT if progress.cpu_ratio is None else f'{progress.cpu_ratio:.0%}'}",
            _cpu_tone(progress),
        ),
        (
            f"late p99 {ABSENT if late_s is None else f'{number(late_s * 1000)} ms'}",
            _late_tone(progress),
        ),
        (f"{progress.connections:,} connections", ""),
        (f"{progress.dropped:,} dropped", _RED if progress.dropped else ""),
    ]
    line = Text("   ").join(Text(text, style) for text, style in parts)
    reasons = danger(progress)
    if not reasons:
        return [line]
    return [line, Text(f"INVALID: {reasons[0]}", _RED)]


# The parts of lines


def number(value: float) -> str:
    """At most five characters that don't change their unit."""
    if value >= 100_000:
        return f"{value / 1000:.0f}k"
    if value >= 99.95 or value == 0:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last *width* values from 0 to their largest; a blank where there is none."""
    values = values[-width:] if width > 0 else ()
    top = max((one for one in values if one is not None), default=0.0)
    return "".join(
        " " if one is None or not top else _LEVELS[round(one / top * (len(_LEVELS) - 1))]
        for one in values
    )


def headroom(share: float) -> str:
    """How much of a limit is used, as a bar of ten."""
    full = min(10, round(share * 10))
    return "█" * full + "░" * (10 - full)


def _shortened(text: str, width: int) -> str:
    """In the middle: the method and the last part of a path tell most."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _name_width(rows: Sequence[Row], width: int) -> int:
    longest = max((len(row.name) for row in rows), default=0)
    return max(11, min(longest, width - _FIGURES - 2 - _SHORTEST_TREND))


def _fitting(rows: tuple[Row, ...], most: int) -> tuple[tuple[Row, ...], int]:
    """The steps that take the longest if there is no room for all, in their order."""
    if len(rows) <= most:
        return rows, 0
    by_time = sorted(rows[:-1], key=lambda row: -row.whole.sum_s)[: most - 1]
    return (*(row for row in rows[:-1] if row in by_time), rows[-1]), len(rows) - most


def _all(steps: Sequence[StepProgress]) -> tuple[Series, Series]:
    def merged(series: list[Series]) -> Series:
        window_s = max((one.window_s for one in series), default=0.0)
        return Series.merged(series, kind=Kind.STEP, name="", window_s=window_s)

    return merged([one.recent for one in steps]), merged([one.whole for one in steps])


def _late_s(progress: Progress) -> float | None:
    return known(progress.late, 0.99)


def _late_tone(progress: Progress) -> str:
    late_s = _late_s(progress)
    if late_s is None:
        return ""
    response_s = _all(progress.steps)[1].succeeded.quantile(0.99) or 0.0
    limit_s = max(LATE_FLOOR_S, LATE_SHARE * response_s)
    return _RED if late_s > limit_s else _AMBER if late_s > limit_s / 2 else ""


def _cpu_tone(progress: Progress) -> str:
    if progress.cpu_ratio is None:
        return ""
    if progress.cpu_ratio > CPU_LIMIT_RATIO:
        return _RED
    return _AMBER if progress.cpu_ratio > _CPU_AMBER_RATIO else ""
