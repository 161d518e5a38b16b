"""
SVG: a chart as a drawing that needs no script and no network.

A line breaks where nothing was measured; a lone point is a dot. Each chart is drawn twice, wide
and narrow, and the page's style shows the one that fits, so that letters keep their size. Of
more points than columns the first, last, lowest and highest of each column are drawn (M4:
Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014), which
leaves the picture as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from statistics import median

from keiko_perf.model import Chart, Line, say
from keiko_perf.render.axis import Scale, time_scale, value_scale
from keiko_perf.render.clean import clean_line
from keiko_perf.render.language import phrase
from keiko_perf.render.markup import Child, Markup, joined, tag
from keiko_perf.render.units import show

HUES = 6
"""How many colours there are; a seventh line starts over, and is dashed."""

_LABEL_HEIGHT = 16.0
_LETTER_WIDTH = 7.0
_END = 9
_LARGEST, _SMALLEST = 1e18, 1e-12
_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a drawing, and of the margins around its lines, in CSS pixels."""

    name: str
    width: float
    height: float
    left: float
    right: float
    top: float = 26.0
    bottom: float = 30.0
    x_ticks: int = 8

    def x(self, place: float) -> float:
        return round(self.left + place * (self.width - self.left - self.right), 1)

    def y(self, place: float) -> float:
        return round(self.height - self.bottom - place * (self.height - self.top - self.bottom), 1)

    @property
    def columns(self) -> int:
        return int(self.width - self.left - self.right)


WIDE = Frame("wide", 960.0, 300.0, left=64.0, right=120.0)
NARROW = Frame("narrow", 400.0, 260.0, left=56.0, right=14.0, x_ticks=4)


def draw(chart: Chart, lang: str, *, id: str, frame: Frame) -> Markup:
    """The chart as an `svg` element; *id* is unique on the page."""
    lines = [_finite(line) for line in chart.lines]
    x, y = _scales(chart, lines, lang, frame)
    runs = [_runs(points, x, y, frame) for points in lines]
    name, about = f"{id}-{frame.name}-name", f"{id}-{frame.name}-about"
    return tag(
        "svg",
        tag("title", phrase(chart.title, lang), id=name),
        tag("desc", describe(chart, lang), id=about),
        _grid(x, y, frame),
        _limit(chart, y, frame, lang),
        *(_mark(at, phrase(text, lang), x, frame) for at, text in chart.marks if isfinite(at)),
        *(_line(run, index) for index, run in enumerate(runs)),
        _names(chart, runs, frame, lang) if frame is WIDE and len(chart.lines) > 1 else None,
        class_=f"chart {frame.name}",
        viewBox=f"0 0 {frame.width:g} {frame.height:g}",
        role="img",
        aria_labelledby=f"{name} {about}",
    )


def has_data(chart: Chart) -> bool:
    """Whether there is anything to draw."""
    return any(y is not None for line in chart.lines for _, y in _finite(line))


def describe(chart: Chart, lang: str) -> str:
    """What the chart shows, for those who don't see it: the range and middle of each line."""
    return " ".join(described(line, chart.format, lang) for line in chart.lines)


def described(line: Line, format: str, lang: str) -> str:
    """The range and the middle of one line."""
    values = [y for _, y in _finite(line) if y is not None]
    name = phrase(line.name, lang)
    if not values:
        return phrase(say("{name}: no data.", name=name), lang)
    low, middle, high = (show(v, format, lang) for v in (min(values), median(values), max(values)))
    return phrase(
        say(
            "{name}: {low} to {high}, median {median}.",
            name=name,
            low=low,
            high=high,
            median=middle,
        ),
        lang,
    )


def _finite(line: Line) -> list[tuple[float, float | None]]:
    """The points in the order of time; a value that is no finite number is a gap."""
    points = ((_drawable(x), y) for x, y in line.points if isfinite(x))
    return sorted(
        ((x, _drawable(y) if y is not None and isfinite(y) else None) for x, y in points),
        key=lambda point: point[0],
    )


def _drawable(value: float) -> float:
    """What the arithmetic of scales can hold: no measurement comes near these bounds."""
    return min(max(value, -_LARGEST), _LARGEST) if abs(value) >= _SMALLEST else 0.0


def _scales(
    chart: Chart, lines: Sequence[list[tuple[float, float | None]]], lang: str, frame: Frame
) -> tuple[Scale, Scale]:
    times = [x for points in lines for x, _ in points] or [0.0]
    values = [y for points in lines for _, y in points if y is not None]
    if chart.limit is not None and isfinite(chart.limit):
        values.append(chart.limit)
    x = time_scale(min(times), max(times), ticks=frame.x_ticks)
    y = value_scale(values, chart.format, lang, logarithmic=chart.logarithmic)
    return x, y


def _runs(
    points: list[tuple[float, float | None]], x: Scale, y: Scale, frame: Frame
) -> list[list[_Point]]:
    """The stretches without a gap, placed on the drawing, at most four points a column."""
    placed = (
        None if value is None else (frame.x(x.place(at)), frame.y(y.place(value)))
        for at, value in points
    )
    runs: list[list[_Point]] = [[]]
    for point in placed:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    dense = len(points) > 4 * frame.columns
    return [_thinned(run) if dense else run for run in runs if run]


def _thinned(run: list[_Point]) -> list[_Point]:
    thin: list[_Point] = []
    for _, group in groupby(run, key=lambda point: int(point[0])):
        column = list(group)
        lowest, highest = min(column, key=_height), max(column, key=_height)
        extremes = sorted({lowest, highest}, key=column.index)
        thin += dict.fromkeys([column[0], *extremes, column[-1]])
    return thin


def _height(point: _Point) -> float:
    return point[1]


def _grid(x: Scale, y: Scale, frame: Frame) -> Markup:
    left, right, bottom = frame.x(0), frame.x(1), frame.y(0)
    rows: Iterator[Child] = (
        tag(
            "g",
            tag("line", class_="grid", x1=left, x2=right, y1=frame.y(at), y2=frame.y(at)),
            tag("text", label, class_="tick end", x=left - 10, y=frame.y(at) + 4),
        )
        for at, label in ((y.place(value), label) for value, label in y.ticks)
    )
    columns: Iterator[Child] = (
        tag("text", label, class_="tick middle", x=frame.x(x.place(at)), y=bottom + 20)
        for at, label in x.ticks
    )
    return tag("g", *rows, *columns, class_="axes", aria_hidden="true")


def _limit(chart: Chart, y: Scale, frame: Frame, lang: str) -> Markup | None:
    if chart.limit is None or not isfinite(chart.limit):
        return None
    at = frame.y(y.place(chart.limit))
    label = phrase(say("limit {value}", value=show(chart.limit, chart.format, lang)), lang)
    return tag(
        "g",
        tag("line", class_="limit", x1=frame.x(0), x2=frame.x(1), y1=at, y2=at),
        tag("text", label, class_="limit-name", x=frame.x(0) + 6, y=at - 6),
    )


def _mark(at_s: float, text: str, x: Scale, frame: Frame) -> Markup:
    at, place = frame.x(x.place(at_s)), x.place(at_s)
    where = "start" if place < 0.15 else "end" if place > 0.85 else "middle"
    return tag(
        "g",
        tag("line", class_="mark", x1=at, x2=at, y1=frame.y(1), y2=frame.y(0)),
        tag("text", clean_line(text), class_=f"mark-name {where}", x=at, y=frame.top - 10),
    )


def _line(runs: Iterable[list[_Point]], index: int) -> Markup:
    path, dots = [], []
    for run in runs:
        if len(run) == 1:
            dots.append(tag("circle", cx=run[0][0], cy=run[0][1], r=2.5))
        else:
            path.append("M" + "L".join(f"{x:g} {y:g}" for x, y in run))
    style = f"line hue-{index % HUES + 1}" + (" dashed" if index >= HUES else "")
    return tag("g", tag("path", d="".join(path)) if path else None, *dots, class_=style)


def _names(
    chart: Chart, runs: Sequence[list[list[_Point]]], frame: Frame, lang: str
) -> Markup | None:
    """Each line's name at its right end, moved apart where two overlap; a lone one needs none."""
    # A noisy line ends anywhere; its name stands where the last stretch runs.
    ends = sorted(
        (median(map(_height, run[-1][-_END:])), index) for index, run in enumerate(runs) if run
    )
    room = int((frame.right - 16) / _LETTER_WIDTH)
    below, names = frame.top - _LABEL_HEIGHT, []
    for height, index in ends:
        below = max(height, below + _LABEL_HEIGHT)
        name = clean_line(phrase(chart.lines[index].name, lang))
        # The legend above has the whole name.
        name = name if len(name) <= room else f"{name[: room - 1]}…"
        style = f"name hue-{index % HUES + 1}"
        names.append(tag("text", name, class_=style, x=frame.x(1) + 10, y=below + 4))
    return tag("g", joined(names), aria_hidden="true") if names else None
