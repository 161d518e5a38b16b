"""
Units: a value in this project's own unit, as a person reads it.

Three significant digits, the unit that suits the size, the language's own separators. What is
not known is "no data", never 0; a share that is not quite all, or not quite nothing, is never
rounded to all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import floor, inf, isclose, isfinite, isnan, log10

Shown = Callable[[float], str]
_Steps = tuple[tuple[float, str], ...]

_DIGITS = 3
_MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
_DURATION: _Steps = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
_BYTES: _Steps = tuple(
    (1024.0**i, unit) for i, unit in enumerate(("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
)
_LONG_S = 120.0
"""From here on a duration is told in minutes, hours or days."""
_LONG = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
"""A long duration is told in two units: whole ones of the first, and what is left in the second."""
_TOO_LONG_TO_WRITE = 1e15

_WORDS = {
    "en": {"none": "no data", "yes": "yes", "no": "no", "time": "%Y-%m-%d %H:%M:%S UTC"},
    "de": {"none": "keine Daten", "yes": "ja", "no": "nein", "time": "%d.%m.%Y %H:%M:%S UTC"},
}
_SEPARATORS = str.maketrans({",": ".", ".": ","})

_SUFFIXES = {
    "_s": "duration",
    "_ratio": "ratio",
    "_bytes": "bytes",
    "_per_s": "rate",
    "_per_minute": "per_minute",
    "_factor": "factor",
    "_at": "time",
}


def show(value: object, format: str, lang: str = "en") -> str:
    """
    One value, formatted.

    Args:
        value: in this project's units; None and NaN are "no data"; text stays as it is.
        format: one of `FORMATS`; an empty one is `text`.
        lang: `en` or `de`.

    Raises:
        ValueError: there is no such format.
    """
    if format and format not in FORMATS:
        raise ValueError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    words = _WORDS[lang]
    if value is None or (isinstance(value, float | Decimal) and isnan(value)):
        return words["none"]
    if isinstance(value, bool):
        return words["yes" if value else "no"]
    if isinstance(value, datetime):
        return _time(value, lang)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float | Decimal):
        return str(value)
    number = _float(value)
    if format == "time" and isfinite(number):
        return _time_since_1970(number, lang)
    shown = "∞" if number == inf else f"{_MINUS}∞" if number == -inf else ""
    shown = shown or _signed(number, _NUMBERS[format or "text"])
    return shown.translate(_SEPARATORS) if lang == "de" else shown


def show_column(values: Sequence[object], format: str, lang: str = "en") -> list[str]:
    """Values under each other: in one unit, so that it does not jump, while they are near."""
    return _alike(values, format, lang, prefer_larger=False)


def show_ticks(values: Sequence[float], format: str, lang: str = "en") -> list[str]:
    """The values along an axis, in the unit of the largest."""
    return _alike(values, format, lang, prefer_larger=True)


def format_of(name: str) -> str:
    """The format of a figure whose name carries its unit: `mean_s` is a duration."""
    suffix = _suffix(name)
    return _SUFFIXES[suffix] if suffix else "number"


def name_without_unit(name: str) -> str:
    """What a figure is called, for people: `cache_hit_ratio` is "cache hit"."""
    return name.removesuffix(_suffix(name)).replace("_", " ")


def _suffix(name: str) -> str:
    """The unit at the end of a name, the longest that fits: `_per_s` is no `_s`."""
    return max((one for one in _SUFFIXES if name.endswith(one)), key=len, default="")


def _float(value: int | float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:  # an int, or a Decimal, of more than 308 digits
        return inf if value > 0 else -inf


def _signed(number: float, shown: Shown) -> str:
    return f"{_MINUS}{shown(-number)}" if number < 0 else shown(number)


def _duration(value_s: float) -> str:
    rounded_s = _rounded(value_s)
    if rounded_s < _LONG_S or rounded_s >= _TOO_LONG_TO_WRITE:
        return _in_unit(value_s, _step(rounded_s, _DURATION))
    seconds = round(value_s)
    size, unit, smaller, small_unit = next(one for one in _LONG if seconds >= one[0])
    whole, rest = divmod(round(value_s / smaller), size // smaller)
    return f"{whole:,} {unit}" + (f" {rest} {small_unit}" if rest else "")


def _bytes(value: float) -> str:
    return _in_unit(value, _step(_rounded(value), _BYTES))


def _ratio(value: float) -> str:
    percent = value * 100
    if isclose(percent, 100, rel_tol=1e-11):
        return "100 %"  # a mean of ones is off by as much as floats are
    if 99 < percent < 100:
        decimals = min(4, max(1, 1 - floor(log10(100 - percent))))
        shown = f"{percent:.{decimals}f}"
        return f"{_stripped(shown)} %" if float(shown) < 100 else "> 99.9999 %"
    if 0 < percent < 0.001:
        return "< 0.001 %"
    return f"{_digits(percent)} %"


def _factor(value: float) -> str:
    if value < 0.1:
        number = _digits(value)
    elif value < 1.95:
        number = f"{value:.2f}"
    else:
        number = f"{value:,.1f}" if value < 9.95 else _number(float(round(value)))
    return f"{number} {TIMES}"


def _number(value: float) -> str:
    if value.is_integer() and value < _TOO_LONG_TO_WRITE:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if 1000 <= value < _TOO_LONG_TO_WRITE else _digits(value)


_NUMBERS: dict[str, Shown] = {
    "duration": _duration,
    "ratio": _ratio,
    "factor": _factor,
    "count": _number,
    "rate": lambda value: f"{_number(value)}/s",
    "per_minute": lambda value: f"{_number(value)}/min",
    "bytes": _bytes,
    "number": _number,
    "text": _number,
}
FORMATS = (*_NUMBERS, "time")


def _alike(values: Sequence[object], format: str, lang: str, *, prefer_larger: bool) -> list[str]:
    steps = {"duration": _DURATION, "bytes": _BYTES}.get(format)
    numbers = [_plain(value) for value in values]
    sizes = [abs(one) for one in numbers if one]
    if steps is None or not sizes or (steps is _DURATION and max(sizes) >= 5 * _LONG_S):
        return [show(value, format, lang) for value in values]
    step = _step(_rounded(max(sizes) if prefer_larger else min(sizes)), steps)
    # Where one unit cannot serve all, each value speaks for itself.
    if max(sizes) / step[0] >= 1e4 or min(sizes) / step[0] < 1e-3:
        return [show(value, format, lang) for value in values]
    return [
        show(value, format, lang)
        if number is None
        else _localised(_signed(number, lambda size: _in_unit(size, step)), lang)
        for value, number in zip(values, numbers, strict=True)
    ]


def _plain(value: object) -> float | None:
    """The number to be scaled, if it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return float(value) if isfinite(_float(value)) else None


def _localised(shown: str, lang: str) -> str:
    return shown.translate(_SEPARATORS) if lang == "de" else shown


def _step(value: float, steps: _Steps) -> tuple[float, str]:
    if not value:
        return steps[-1] if steps is _DURATION else steps[0]
    # The tolerance keeps 0.001 s, which is 1.0000000000000002 ms or 0.9999999999999999 ms, whole.
    return next((step for step in reversed(steps) if value >= step[0] * (1 - 1e-12)), steps[0])


def _in_unit(value: float, step: tuple[float, str]) -> str:
    size, unit = step
    return f"{_digits(value / size)} {unit}"


def _rounded(value: float) -> float:
    """To significant digits, so that 0.9999 s becomes 1 s and not 1,000 ms."""
    return float(f"{value:.{_DIGITS}g}")


def _digits(value: float) -> str:
    """Three significant digits, without zeros at the end; all digits before the point."""
    if not value:
        return "0"
    if value >= _TOO_LONG_TO_WRITE or value < 1e-6:
        return f"{value:.{_DIGITS}g}"
    decimals = max(0, _DIGITS - 1 - floor(log10(_rounded(value))))
    return _stripped(f"{value:,.{decimals}f}")


def _stripped(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _time(value: datetime, lang: str) -> str:
    if value.tzinfo is None:
        raise ValueError("a time that is shown is aware, in UTC")
    return value.astimezone(UTC).strftime(_WORDS[lang]["time"])


def _time_since_1970(value: float, lang: str) -> str:
    try:
        return _time(datetime.fromtimestamp(value, UTC), lang)
    except (OverflowError, ValueError, OSError):
        return _signed(value, _number)
