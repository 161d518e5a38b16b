"""
Axis: where the ticks of a chart stand, and what they are called.

Ticks are round numbers: 1, 2 or 5 times a power of ten (of 1,024 for bytes), whole minutes and
hours along time, decades on a logarithmic scale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from keiko_perf.render.units import show, show_ticks

_NICE = (1.0, 2.0, 5.0, 10.0)
_TICKS = 5
_TIME_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """
    From a value to its place, 0 at the lower end to 1 at the upper.

    Attributes:
        low: the value at the lower end.
        high: the value at the upper end, above it.
        ticks: values and their labels, from low to high.
        logarithmic: whether places are equal for equal factors.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where *value* stands; what lies outside stands at the nearer end."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def value_scale(values: Iterable[float], format: str, lang: str, *, logarithmic: bool) -> Scale:
    """The scale that holds *values*, from 0 if it is linear, ending at ticks."""
    values = list(values)
    positive = [value for value in values if value > 0]
    if logarithmic and positive:
        return _logarithmic(min(positive), max(positive), format, lang)
    low, high = min([0.0, *values]), max([0.0, *values])
    high = high if high > low else 1.0
    step = _nice_step((high - low) / _TICKS, format)
    first, last = floor(low / step + _EPSILON), max(1, ceil(high / step - _EPSILON))
    places = [i * step for i in range(first, last + 1)]
    labels = show_ticks(places, format, lang)
    return Scale(places[0], places[-1], tuple(zip(places, labels, strict=True)))


def time_scale(start_s: float, end_s: float, *, ticks: int = 6) -> Scale:
    """The scale of a time since the start; it ends where the lines end, and not at a tick."""
    if end_s <= start_s:
        end_s = start_s + 1.0
    step = _time_step((end_s - start_s) / ticks)
    first, last = ceil(start_s / step - _EPSILON), floor(end_s / step + _EPSILON)
    places = [i * step for i in range(first, last + 1)]
    return Scale(start_s, end_s, tuple((at, _elapsed(at, step)) for at in places))


def _logarithmic(low: float, high: float, format: str, lang: str) -> Scale:
    first, last = floor(log10(low) - _EPSILON), ceil(log10(high) + _EPSILON)
    nice = [factor * 10.0**power for power in range(first, last + 1) for factor in _NICE[:3]]
    bottom = max(place for place in nice if place <= low * (1 + _EPSILON))
    top = min(place for place in nice if place >= high * (1 - _EPSILON) and place > bottom)
    inside = [place for place in nice if bottom <= place <= top]
    # Over one or two decades the decades alone would be too few to read a value by.
    if len(inside) > 7:
        every = ceil((last - first) / 6)
        inside = [10.0**power for power in range(first, last + 1, every)]
    at = tuple((place, show(place, format, lang)) for place in inside if bottom <= place <= top)
    return Scale(bottom, top, at, logarithmic=True)


def _nice_step(rough: float, format: str) -> float:
    unit = 1.0
    if format == "bytes":
        while rough >= 1024 * unit:
            unit *= 1024
    power = 10.0 ** floor(log10(rough / unit))
    return unit * power * next(nice for nice in _NICE if nice * power * unit >= rough * 0.999)


def _time_step(rough_s: float) -> float:
    if rough_s <= 0.5:
        return _nice_step(rough_s, "number")
    fitting = (step for step in _TIME_STEPS_S if step >= rough_s * 0.999)
    return next(fitting, 86400 * _nice_step(max(1.0, rough_s / 86400), "number"))


def _elapsed(at_s: float, step_s: float) -> str:
    if not at_s:
        return "0"
    if step_s >= 86400:
        return f"{at_s / 86400:g} d"
    if step_s >= 3600:
        return f"{at_s / 3600:g} h"
    if step_s >= 60:
        return f"{at_s / 60:g} min"
    minutes, seconds = divmod(at_s, 60)
    return f"{minutes:.0f}:{seconds:02.0f}" if abs(at_s) >= 120 else f"{at_s:g} s"
