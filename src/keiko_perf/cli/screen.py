"""
Screen: what the live view of a load test shows, from one progress to the next. Pure.

The first line is the truth in short, the table has the steps, the last lines say how the targets
stand and whether the generator itself is still to be trusted. Each column has one unit for the
whole run: numbers that change their unit cannot be read while they move.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from keiko_perf.cli.course import (
    DIM,
    GOOD,
    RED,
    TREND,
    Course,
    Row,
    all_steps,
    cpu_tone,
    danger,
    late_tone,
    lateness_s,
)
from keiko_perf.cli.strips import BEFORE
from keiko_perf.cli.strips import sparkline as drawn
from keiko_perf.loadtest import Progress
from keiko_perf.model import Outcome, Verdict
from keiko_perf.render.clean import clean_line
from keiko_perf.render.figures import about, limit, measured
from keiko_perf.render.units import show

NARROWEST = 60
WIDEST = 140
ABSENT = "–"

_QUANTILES = (0.5, 0.95, 0.99)
_NUMBER = 6  # columns of a number, the blank before it included
_FIGURES = 2 * _NUMBER + 2 * (2 + 3 * _NUMBER)
_SHORTEST_TREND = 8
_FEWEST_STRIPS = 3
"""Beside load and latency at least one of the service."""
_MOST_TARGETS = 6
_MOST_ERRORS = 3
_OF_TARGETS = 47  # columns of a target beside its name
_SIGNS = {
    Outcome.MET: ("✓", GOOD),
    Outcome.MISSED: ("✗", RED),
    Outcome.UNKNOWN: ("…", DIM),
}


def screen(course: Course, *, width: int, height: int) -> RenderableType:
    """The whole view."""
    width = max(NARROWEST, min(width, WIDEST))
    progress = course.progress
    if progress is None:
        return Text("connecting …", DIM)
    rows, left_out = _fitting(course.rows, max(3, height - _beside(course, progress)))
    name = _name_width(rows, width)
    trend = min(TREND, width - name - _FIGURES - 2)
    lines = [
        _truth(course, progress, width),
        _bar(progress, width),
        Text(),
        *_head(name, trend),
        *(_step(row, course, name, trend) for row in rows),
    ]
    if left_out:
        lines.append(Text(f"+ {left_out} more steps", DIM))
    below: list[Text] = []
    if course.verdicts:
        below += [Text(), *_targets(course, width)]
    if progress.errors:
        below += [Text(), *_errors(progress)]
    below += [Text(), *_generator(progress)]
    # The strips have what room is left, but for a blank and the line above them.
    shown = min(len(course.strips), height - len(lines) - len(below) - 2)
    if shown >= _FEWEST_STRIPS:
        lines += [Text(), *_strips(course, width, shown)]
    lines += below
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        line.no_wrap = True
    return Group(*lines)


def _beside(course: Course, progress: Progress) -> int:
    """How many lines the view has at most beside those of the steps and the strips."""
    targets = min(len(course.verdicts), _MOST_TARGETS + 1)
    return 11 + targets + min(len(progress.errors), _MOST_ERRORS)


def plain(course: Course) -> str:
    """The same as one line, for where nothing can be drawn twice."""
    progress = course.progress
    if progress is None:
        return "connecting"
    recent, whole = all_steps(progress.steps)
    words = [
        f"{clock(progress.elapsed_s)}/{clock(progress.total_s)}",
        course.stage,
        *(() if course.is_closed else (f"asked {show(progress.offered_per_s, 'rate')}",)),
        f"answered {show(progress.rate_per_s, 'rate')}",
        f"{progress.in_flight} in flight",
        *(
            f"p{q * 100:g} {ABSENT if value is None else show(value, 'duration')}"
            for q in _QUANTILES
            for value in (recent.succeeded.known_quantile(q),)
        ),
        f"{whole.errors} failed",
        f"{progress.dropped} dropped" if progress.dropped else "",
        course.standing[0],
        *danger(progress)[:1],
    ]
    return " · ".join(filter(None, words))


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
    return Text.assemble(("━" * done, "cyan"), ("─" * (width - done), DIM))


def _head(name: int, trend: int) -> tuple[Text, Text]:
    group = 3 * _NUMBER
    titles = f"{'last 10 s, ms':>{group}}  {'run so far, ms':>{group}}"
    above = f"{'':{name}}{'':{2 * _NUMBER}}  {titles}"
    quantiles = "".join(f"{f'p{q * 100:g}':>{_NUMBER}}" for q in _QUANTILES)
    below = f"{'step':{name}}{'per s':>{_NUMBER}}{'err %':>{_NUMBER}}  {quantiles}  {quantiles}"
    title = "p95, last minute"
    return Text(above, DIM), Text(f"{below}  {title if trend >= len(title) else 'p95'}", DIM)


def _step(row: Row, course: Course, name: int, trend: int) -> Text:
    recent = row.recent
    is_all = not row.name
    title = clean_line(row.name) or course.of_all
    line = Text(f"{_shortened(title, name):{name}}")
    line.append(f"{number(recent.rate_per_s):>{_NUMBER}}")
    ratio = recent.error_ratio
    errors = ABSENT if ratio is None else number(ratio * 100)
    line.append(f"{errors:>{_NUMBER}}", RED if ratio else DIM if ratio is None else "")
    missed = {
        one.target.kpi.name
        for one in course.verdicts
        if one.outcome is Outcome.MISSED and one.target.subject in course.subjects(row)
    }
    for series, is_run in ((recent, False), (row.whole, True)):
        line.append("  ")
        for q in _QUANTILES:
            value_s = series.succeeded.known_quantile(q)
            style = RED if is_run and f"latency_p{q * 100:g}_s" in missed else ""
            shown = ABSENT if value_s is None else number(value_s * 1000)
            line.append(f"{shown:>{_NUMBER}}", DIM if value_s is None else style)
    line.append("  ")
    line.append(sparkline(row.trend, trend), "cyan")
    if is_all and len(course.rows) > 1:
        line.stylize("bold", 0, name)
    return line


def _strips(course: Course, width: int, most: int) -> list[Text]:
    """Load, latency, service and database on one axis."""
    columns = min(TREND, width - BEFORE)
    axis = f"{'−' + str(columns) + ' s':<{max(columns - 3, 0)}}now"
    head = Text(f"{'':{BEFORE}}{axis}", DIM)
    return [head, *(one.line(BEFORE + columns) for one in course.strips[:most])]


def _targets(course: Course, width: int) -> list[Text]:
    shown = sorted(course.verdicts, key=lambda one: one.outcome is not Outcome.MISSED)
    longest = max(len(about(one.target, "en")) for one in shown)
    named = max(16, min(longest, width - _OF_TARGETS))
    lines = [_target(course, one, named) for one in shown[:_MOST_TARGETS]]
    if len(shown) > _MOST_TARGETS:
        lines.append(Text(f"+ {len(shown) - _MOST_TARGETS} more targets", DIM))
    return lines


def _target(course: Course, one: Verdict, named: int) -> Text:
    sign, style = _SIGNS[one.outcome]
    is_missed = one.outcome is Outcome.MISSED
    line = Text.assemble(
        (f"{sign} ", style),
        f"{_shortened(clean_line(about(one.target, 'en')), named):{named}} ",
        (f"{measured(one, 'en'):>9}", style if is_missed else ""),
        (f"  {limit(one.target, 'en'):<10}", DIM),
    )
    if one.value is not None and one.is_told and one.target.at_most:
        line.append(headroom(one.value / one.target.at_most), style)
    missed_at = course.missed_at(one)
    if is_missed and missed_at is not None:
        line.append(f"  since {clock(missed_at)}", DIM)
    return line


def _errors(progress: Progress) -> list[Text]:
    return [
        Text.assemble(
            (f"{group.count:,} × {group.failure.value}", RED),
            f"  {clean_line(group.step)}",
            (f"  {clean_line(group.detail)}", DIM),
        )
        for group in progress.errors[:_MOST_ERRORS]
    ]


def _generator(progress: Progress) -> list[Text]:
    late_s = lateness_s(progress)
    parts = [
        ("generator", DIM),
        (
            f"CPU {ABSENT if progress.cpu_ratio is None else f'{progress.cpu_ratio:.0%}'}",
            cpu_tone(progress),
        ),
        (
            f"late p99 {ABSENT if late_s is None else f'{number(late_s * 1000)} ms'}",
            late_tone(progress),
        ),
        (f"{progress.connections:,} connections", ""),
        (f"{progress.dropped:,} dropped", RED if progress.dropped else ""),
    ]
    line = Text("   ").join(Text(text, style) for text, style in parts)
    reasons = danger(progress)
    if not reasons:
        return [line]
    return [line, Text(f"INVALID: {reasons[0]}", RED)]


# The parts of lines


def number(value: float, lang: str = "en") -> str:
    """At most five characters that don't change their unit."""
    if value >= 100_000:
        return f"{value / 1000:.0f}k"
    digits = 0 if value >= 99.95 or value == 0 else 1 if value >= 9.995 else 2
    told = f"{value:.{digits}f}"
    return told.replace(".", ",") if lang == "de" else told


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last *width* values from 0 to their largest; a blank where there is none."""
    return drawn(values[-width:] if width > 0 else ())


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
