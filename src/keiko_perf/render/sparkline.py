"""
Sparkline: a line of a chart as a row of characters, for where nothing can be drawn.
"""

from __future__ import annotations

from math import isfinite, log
from statistics import median

from keiko_perf.model import Chart, Line

_LEVELS = "▁▂▃▄▅▆▇█"
_GAP = " "


def sparklines(chart: Chart, width: int = 60) -> list[str]:
    """Each line of *chart*, all on one scale; a column that nothing was measured in is blank."""
    points = [_finite(line) for line in chart.lines]
    times = [at for line in points for at, _ in line]
    if not times:
        return ["" for _ in chart.lines]
    start, span = min(times), (max(times) - min(times)) or 1.0
    columns = [_columns(line, start, span, width) for line in points]
    values = [value for line in columns for value in line if value is not None]
    heights = [_height(value, chart) for value in values]
    low, high = min(heights), max(heights)
    return [
        "".join(_GAP if v is None else _level(_height(v, chart), low, high) for v in line)
        for line in columns
    ]


def _finite(line: Line) -> list[tuple[float, float]]:
    return [(x, y) for x, y in line.points if y is not None and isfinite(x) and isfinite(y)]


def _columns(
    points: list[tuple[float, float]], start: float, span: float, width: int
) -> list[float | None]:
    """The median of the points of each column; no wider than there are points."""
    width = max(1, min(width, len(points)))
    grouped: list[list[float]] = [[] for _ in range(width)]
    for at, value in points:
        grouped[min(width - 1, int((at - start) / span * width))].append(value)
    return [median(values) if values else None for values in grouped]


def _height(value: float, chart: Chart) -> float:
    return log(max(value, 1e-12)) if chart.logarithmic else value


def _level(height: float, low: float, high: float) -> str:
    place = (height - low) / (high - low) if high > low else 0.5
    return _LEVELS[round(place * (len(_LEVELS) - 1))]
